//===- Passes.td - from functions on tensors to plan ----------------------------------------*- tablegen -*-===//

#ifndef LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_PASSES
#define LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_PASSES

include "mlir/Pass/PassBase.td"

def FunctionOutlinePass : Pass<"function-outline", "::mlir::ModuleOp"> {
  let summary = "makes functions on tensors of the fragments of @main";
  let description = [{
    They are in a module of their own within the module, since what becomes of functions does not become of @main, whose fragments stay
    to tell what runs where. A function takes a fragment's operands and then its weights, with `plan.source`; the body of an
    `lm.tensor_attention` stands in its place.

    ```mlir
    mpmd.fragment @compute "slice0"(%a = %x) : (!mpmd.placed<tensor<4x4xf32>, @compute>) -> (!mpmd.placed<tensor<4x4xf32>, @compute>) {
      %0 = lm.get_weight @w : tensor<16xf32>
      ...
    }
    // becomes, in the inner module
    func.func @slice0(%a: tensor<4x4xf32>, %w: tensor<16xf32> {plan.source = @w}) -> tensor<4x4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect"];
}

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
    linalg as loops, parallel ones where iterations are independent. Memory that a turn of a loop allocates is that of the next turn,
    unless the turn hands it, or a view of it, on to the next.

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
  let summary = "makes kernels of the loops of the fragments' functions, and programs that dispatch them";
  let description = [{
    Takes @main with its fragments and transfers, and the inner module of their functions in memory. Each loop nest over memory
    becomes a dispatch; equal ones share a kernel. What hands a number on to a later operation, instead of writing it to memory, is in one
    dispatch with that one. Each device class has a program, whose buffers are what is placed there, weights, and the functions'
    allocations; arguments and results of @main are the buffers with `plan.port` of "input" or "output", whose names and
    elements `plan.name` and `plan.element` say. The step is of fixed size, so all of `plan.limits` are 1.

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
