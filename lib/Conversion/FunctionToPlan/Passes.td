//===- Passes.td - from functions on tensors to plan ----------------------------------------*- tablegen -*-===//

#ifndef LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_PASSES
#define LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_PASSES

include "mlir/Pass/PassBase.td"

def FunctionBufferizePass : Pass<"function-bufferize", "::mlir::ModuleOp"> {
  let summary = "turns functions on tensors into loops over memory";
  let description = [{
    One-shot bufferization, results as arguments, linalg as loops. Afterwards a function's arguments are its inputs, its
    results and, last, memory for everything in between: an i8 memref in which each allocation has its place. Allocations that
    are not alive at the same time share memory.

    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32>
    func.func @main(%x: memref<4xf32>, %y: memref<4xf32>, %scratch: memref<64xi8>)
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::scf::SCFDialect", "::mlir::linalg::LinalgDialect", "::mlir::affine::AffineDialect"];
}

def FunctionToPlanPass : Pass<"function-to-plan", "::mlir::ModuleOp"> {
  let summary = "makes the function @main one kernel and a program that dispatches it";
  let description = [{
    The program is the first compute class's. Its buffers are the function's arguments; what `plan.name` and `plan.element` say
    of them stays as attributes of the buffers, with `plan.port` of "input" or "output". The step is of fixed size, so all
    of `plan.limits` are 1.
  }];
  let dependentDialects = ["::lamina::plan::PlanDialect"];
}

#endif // LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_PASSES
