//===- Transfers.cpp - what moves between fragments, and why ------------------------------------------===//

#include "dialects/MPMD/Transforms/Transfers.h"

using namespace mlir;
using namespace lamina::mpmd;

Purpose lamina::mpmd::purposeOf(Value result) {
  Purpose purpose = Purpose::None;
  for (OpOperand &sent : result.getUses()) {
    auto transfer = dyn_cast<TransferOp>(sent.getOwner());
    if (!transfer)
      continue;
    for (OpOperand &use : transfer.getOutputs()[sent.getOperandNumber()].getUses()) {
      auto fragment = dyn_cast<FragmentOp>(use.getOwner());
      if (!fragment)
        continue;
      Value argument = fragment.getBody().getArgument(use.getOperandNumber());
      for (Operation *user : argument.getUsers()) {
        auto attention = dyn_cast<lm::AttentionOpInterface>(user);
        if (attention && attention.getQueryOperand() == argument)
          return Purpose::Query;
        purpose = Purpose::State;
      }
    }
  }
  return purpose;
}

SmallVector<Value> lamina::mpmd::returnedFor(FragmentOp fragment, Purpose purpose) {
  SmallVector<Value> values;
  for (auto [result, value] : llvm::zip_equal(fragment.getOutputs(), fragment.getReturn().getValues()))
    if (purposeOf(result) == purpose)
      values.push_back(value);
  return values;
}

llvm::DenseSet<Operation *> lamina::mpmd::collectNeeded(ArrayRef<Value> values,
                                                        const Recomputable &recomputable) {
  llvm::DenseSet<Operation *> needed;
  SmallVector<Value> pending(values);
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val().getDefiningOp();
    if (op && !recomputable.contains(op) && needed.insert(op).second)
      forEachOperand(op, [&](Value operand) { pending.push_back(operand); });
  }
  return needed;
}

LogicalResult lamina::mpmd::verifyAllInFragments(func::FuncOp step) {
  if (!step.getBody().hasOneBlock())
    return step.emitOpError("expected a single block: a step has no control flow");
  for (Operation &op : step.getBody().front().without_terminator())
    if (!isa<FragmentOp, TransferOp>(op))
      return op.emitOpError("is in no mpmd.fragment");
  return success();
}

LogicalResult lamina::mpmd::verifyNoWeightMoves(func::FuncOp step) {
  for (FragmentOp fragment : step.getOps<FragmentOp>()) {
    std::optional<Recomputable> recomputable;
    for (auto [result, value] : llvm::zip_equal(fragment.getOutputs(), fragment.getReturn().getValues()))
      for (Operation *user : result.getUsers()) {
        if (!isa<TransferOp>(user))
          continue;
        if (!recomputable)
          recomputable.emplace(fragment.getBody().front());
        if (!recomputable->isWeight(value))
          continue;
        InFlightDiagnostic diag =
            user->emitOpError("moves a weight: a device holds the weights that it uses");
        diag.attachNote(value.getLoc()) << "weight taken here";
        return diag;
      }
  }
  return success();
}
