//===- Passes.td - from functions on tensors to plan ----------------------------------------*- tablegen -*-===//

#ifndef LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_PASSES
#define LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_PASSES

include "mlir/Pass/PassBase.td"

def FunctionBufferizePass : Pass<"function-bufferize", "::mlir::ModuleOp"> {
  let summary = "turns functions on tensors into functions on memory";
  let description = [{
    One-shot bufferization, with results as arguments. Afterwards a function's arguments are its inputs and its results, and for
    everything in between there are allocations, which are never freed.

    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32>
    func.func @main(%x: memref<4xf32>, %y: memref<4xf32>)
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::linalg::LinalgDialect"];
}

def FunctionTileProductsPass : Pass<"function-tile-products", "::mlir::ModuleOp"> {
  let summary = "makes matrix products loops over tiles whose sums are in registers";
  let description = [{
    For products of f32 matrices on memory. A step of the outer loop has some columns of the result. It copies the right matrix's
    part of them side by side, a stretch of k at a time, and adds that to all rows, a few at once. Each element of the result still
    adds its products in the order of k. Products of few rows stay, unless the right matrix is transposed, and those of a single tile.

    ```mlir
    linalg.matmul ins(%a, %b : memref<12x300xf32>, memref<300x32xf32>) outs(%c : memref<12x32xf32>)
    // becomes
    scf.parallel (%tile) = (%c0) to (%c2) step (%c1) {
      %panel = memref.alloca() : memref<256x16xf32>
      scf.for %k0 = %c0 to %c300 step %c256 {
        // copy of 16 columns of %b into %panel
        scf.for %row = %c0 to %c12 step %c6 {
          %sums:6 = scf.for %k = ... iter_args(vector<16xf32> × 6)
        }
      }
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect"];
}

def FunctionToLoopsPass : Pass<"function-to-loops", "::mlir::ModuleOp"> {
  let summary = "turns what functions do with memory into loops";
  let description = [{
    linalg as loops, parallel ones where iterations are independent. Memory that a turn of a loop allocates is that of the next turn.

    ```mlir
    linalg.fill ins(%zero : f32) outs(%y : memref<4xf32>)
    // becomes
    scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
      memref.store %zero, %y[%i] : memref<4xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect", "::mlir::affine::AffineDialect"];
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
