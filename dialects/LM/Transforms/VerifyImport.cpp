//===- VerifyImport.cpp - checks what leaves the import phase -------------------------------------------------===//

#include "dialects/LM/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMVERIFYIMPORTPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

LogicalResult verifyStep(ModuleOp module) {
  auto step = module.lookupSymbol<func::FuncOp>("step");
  if (!step || step.isExternal())
    return module.emitError("expected a function 'step' with a body");
  ArrayRef<Type> inputs = step.getArgumentTypes();
  if (inputs.empty() || !isa<BatchType>(inputs.front()) ||
      !llvm::all_of(inputs.drop_front(), llvm::IsaPred<KVCacheType>))
    return step.emitOpError("expected an !lm.batch and caches as arguments");
  if (step.getNumResults() != 1 || !isa<RankedTensorType>(step.getResultTypes().front()))
    return step.emitOpError("expected one tensor of logits as result");
  return success();
}

LogicalResult verifyWeights(ModuleOp module) {
  llvm::StringSet<> used;
  module.walk([&](GetWeightOp get) { used.insert(get.getWeight()); });
  for (WeightOp weight : module.getOps<WeightOp>()) {
    if (!used.contains(weight.getSymName()))
      return weight.emitOpError("is not used");
    auto block = dyn_cast<BlockType>(weight.getTensorType().getElementType());
    for (auto source : weight.getSources().getAsRange<SourceAttr>())
      if (block && block.getFormat() != source.getFormat())
        return weight.emitOpError() << "expected the file's format " << source.getFormat()
                                    << ", got: " << block;
  }
  return success();
}

/// Tables have the rows that a step may ask for: kernels do not check ids, the runtime keeps them below these numbers.
LogicalResult verifyTables(ModuleOp module) {
  auto step = module.lookupSymbol<func::FuncOp>("step");
  int64_t vocabulary = cast<RankedTensorType>(step.getResultTypes().front()).getShape().back();
  auto context = module->getAttrOfType<IntegerAttr>("lm.context_length");
  WalkResult result = step.walk([&](EmbeddingOp op) -> WalkResult {
    auto ids = op.getIds().getDefiningOp<BatchFieldOp>();
    int64_t rows = cast<RankedTensorType>(op.getTable().getType()).getDimSize(0);
    if (ids && ids.getField() == BatchField::token_ids && rows < vocabulary)
      return op.emitOpError() << "expected a row for each of " << vocabulary << " tokens, got: " << rows;
    if (ids && ids.getField() == BatchField::positions && context && rows < context.getInt())
      return op.emitOpError() << "expected a row for each of " << context.getInt()
                              << " positions, got: " << rows;
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

struct LMVerifyImportPass : lamina::lm::impl::LMVerifyImportPassBase<LMVerifyImportPass> {
  using Base::Base;

  void runOnOperation() final {
    if (failed(verifyStep(getOperation())) || failed(verifyWeights(getOperation())) ||
        failed(verifyTables(getOperation())))
      return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
