//===- FunctionToLoops.cpp - what a function does with memory as loops ----------------------------------------===//

#include "lib/Conversion/FunctionToPlan/FunctionToPlan.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

namespace lamina {
#define GEN_PASS_DEF_FUNCTIONTOLOOPSPASS
#include "lib/Conversion/FunctionToPlan/Passes.h.inc"
} // namespace lamina

using namespace mlir;

namespace {

/// Whether the memory, or what an operation makes of it (a view, a choice), is a result of a turn of a loop.
bool isHandedOn(Value memory) {
  return llvm::any_of(memory.getUsers(), [](Operation *user) {
    return isa<scf::YieldOp>(user) || llvm::any_of(user->getResults(), [](Value result) {
             return isa<BaseMemRefType>(result.getType()) && isHandedOn(result);
           });
  });
}

/// Memory of one turn of a loop is that of the next, unless it is handed on: then the next turn reads it beside its own.
void hoistAllocations(ModuleOp module) {
  module.walk([](memref::AllocOp alloc) {
    auto function = alloc->getParentOfType<func::FuncOp>();
    if (!isHandedOn(alloc) && !alloc->getParentOfType<scf::ParallelOp>() && alloc.getType().hasStaticShape())
      alloc->moveBefore(&function.getBody().front(), function.getBody().front().begin());
  });
}

struct FunctionToLoopsPass : lamina::impl::FunctionToLoopsPassBase<FunctionToLoopsPass> {
  using Base::Base;

  void runOnOperation() final {
    OpPassManager loops(ModuleOp::getOperationName());
    loops.addPass(createConvertLinalgToParallelLoopsPass());
    loops.addPass(createCanonicalizerPass());
    loops.addPass(createCSEPass());
    if (failed(runPipeline(loops, getOperation())))
      return signalPassFailure();
    hoistAllocations(getOperation());
  }
};

} // namespace
