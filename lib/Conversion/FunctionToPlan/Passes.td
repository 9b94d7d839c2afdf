//===- Passes.td - from functions on tensors to plan ----------------------------------------*- tablegen -*-===//

#ifndef LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_PASSES
#define LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_PASSES

include "mlir/Pass/PassBase.td"

def FunctionBufferizePass : Pass<"function-bufferize", "::mlir::ModuleOp"> {
  let summary = "turns functions on tensors into loops over memory";
  let description = [{
    One-shot bufferization, results as arguments, linalg as loops, parallel ones where iterations are. Afterwards a function's
    arguments are its inputs and its results, and for everything in between there are allocations, which are never freed.

    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32>
    func.func @main(%x: memref<4xf32>, %y: memref<4xf32>)
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::scf::SCFDialect", "::mlir::linalg::LinalgDialect", "::mlir::affine::AffineDialect"];
}

def FunctionToPlanPass : Pass<"function-to-plan", "::mlir::ModuleOp"> {
  let summary = "makes kernels of the loops of the function @main, and a program that dispatches them";
  let description = [{
    Each loop nest over memory becomes a dispatch; equal ones share a kernel. What hands a number on to a later operation, instead of
    writing it to memory, is in one dispatch with that one. The program is the first compute class's. Its buffers are the function's
    arguments and allocations; what `plan.name` and `plan.element` say of arguments stays as attributes of the buffers, with
    `plan.port` of "input" or "output"; an argument with `plan.source` is the weight of that name. The step is of fixed size, so all of `plan.limits` are 1.

    ```mlir
    scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
      %0 = memref.load %x[%i] : memref<4xf32>
      memref.store %0, %y[%i] : memref<4xf32>
    }
    // in a program
    plan.dispatch @main_0(%x, %y) -> () "" extent fixed slice 0 : (!plan.buffer<memref<4xf32>>, !plan.buffer<memref<4xf32>>) -> ()
    ```
  }];
  let dependentDialects = ["::lamina::plan::PlanDialect"];
}

#endif // LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_PASSES
