//===- Recomputable.cpp - what a device can have without being sent it --------------------------------===//

#include "dialects/MPMD/Analysis/Recomputable.h"

#include "dialects/LM/IR/LM.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace lamina::mpmd;

void lamina::mpmd::forEachOperand(Operation *op, function_ref<void(Value)> visit) {
  op->walk([&](Operation *nested) {
    for (Value operand : nested->getOperands())
      if (!op->isAncestor(operand.getParentRegion()->getParentOp()))
        visit(operand);
  });
}

bool lamina::mpmd::isState(Value value) { return isa<lm::KVCacheType>(value.getType()); }

uint8_t Recomputable::originOf(Value value) const {
  if (isa<lm::BatchType>(value.getType()))
    return Batch;
  auto known = origins_.find(value.getDefiningOp());
  return known == origins_.end() ? uint8_t(Activation) : known->second;
}

uint8_t Recomputable::originOf(Operation *op) const {
  if (isa<lm::GetWeightOp>(op))
    return Weight;
  // An attention has a place of its own, also where it reads weights alone.
  if (!isMemoryEffectFree(op) || llvm::any_of(op->getResults(), isState) || isa<lm::AttentionOpInterface>(op))
    return Activation;
  uint8_t origin = Constant;
  forEachOperand(op, [&](Value operand) { origin |= originOf(operand); });
  return origin == (Weight | Batch) ? uint8_t(Activation) : origin;
}

Recomputable::Recomputable(Block &block) {
  Operation *terminator = block.getTerminator();
  for (Operation &op : block.without_terminator()) {
    uint8_t origin = origins_[&op] = originOf(&op);
    bool repeatable = !(origin & Activation) && !llvm::is_contained(op.getUsers(), terminator);
    forEachOperand(&op, [&](Value operand) { repeatable &= isFree(operand); });
    if (repeatable)
      repeatable_.insert(&op);
  }
}

bool Recomputable::isFree(Value value) const {
  return isa<lm::BatchType>(value.getType()) || repeatable_.contains(value.getDefiningOp());
}

bool Recomputable::isWeight(Value value) const { return originOf(value) == Weight; }
