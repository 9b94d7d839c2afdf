//===- StepGraph.cpp - a step function seen from its attention operators ------------------------------===//

#include "dialects/MPMD/Analysis/StepGraph.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace lamina::mpmd;

FailureOr<StepGraph> StepGraph::build(func::FuncOp step) {
  if (!step.getBody().hasOneBlock())
    return step.emitOpError("expected a single block: a step has no control flow");
  StepGraph graph(step.getBody().front());
  graph.collectAttentions();
  if (failed(graph.classify()))
    return failure();
  graph.computeBounds();
  return graph;
}

std::optional<unsigned> StepGraph::groupOf(Operation *op) const {
  auto group = groups_.find(op);
  return group == groups_.end() ? std::nullopt : std::optional(group->second);
}

InFlightDiagnostic StepGraph::emitError(Operation *op) const {
  InFlightDiagnostic diag = op->emitOpError();
  if (attentions_.empty())
    return diag;
  const Attention *following = llvm::find_if(
      attentions_, [&](const Attention &attention) { return op->isBeforeInBlock(attention.op); });
  if (following == attentions_.end())
    --following;
  diag.attachNote(following->op->getLoc()) << "while partitioning at this attention";
  return diag;
}

/// State that several attentions read is kept up to date by the first of them.
void StepGraph::collectAttentions() {
  for (auto attention : block_->getOps<lm::AttentionOpInterface>()) {
    Attention &entry = attentions_.emplace_back(Attention{attention, {attention}});
    groups_[attention] = attentions_.size() - 1;
    SmallVector<Operation *> pending;
    if (Value state = attention.getStateOperand())
      pending.push_back(state.getDefiningOp());
    while (!pending.empty()) {
      Operation *op = pending.pop_back_val();
      if (!op || !groups_.try_emplace(op, attentions_.size() - 1).second)
        continue;
      entry.group.push_back(op);
      for (Value operand : op->getOperands())
        if (isState(operand))
          pending.push_back(operand.getDefiningOp());
    }
    llvm::sort(entry.group, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  }
}

LogicalResult StepGraph::classify() {
  for (Operation &op : block_->without_terminator()) {
    if (!isMemoryEffectFree(&op))
      return emitError(&op) << "cannot be placed: it has side effects";
    if (groups_.contains(&op) || recomputable_.contains(&op))
      continue;
    bool touchesState = llvm::any_of(op.getResults(), isState);
    forEachOperand(&op, [&](Value operand) { touchesState |= isState(operand); });
    if (touchesState)
      return emitError(&op) << "cannot be placed: it touches a !lm.kv_cache but feeds no attention";
    operations_.push_back(&op);
  }
  return success();
}

void StepGraph::computeBounds() {
  unsigned last = attentions_.size();
  auto producerBound = [&](Value value) {
    Operation *producer = value.getDefiningOp();
    if (!producer || recomputable_.contains(producer))
      return 0u;
    std::optional<unsigned> group = groupOf(producer);
    return group ? *group + 1 : bounds_.at(producer).earliest;
  };
  for (Operation *op : operations_) {
    unsigned earliest = 0;
    forEachOperand(op, [&](Value operand) { earliest = std::max(earliest, producerBound(operand)); });
    bounds_[op] = {earliest, last};
  }
  for (Operation *op : llvm::reverse(operations_)) {
    unsigned &latest = bounds_[op].latest;
    for (Operation *nested : op->getUsers()) {
      Operation *user = block_->findAncestorOpInBlock(*nested);
      if (std::optional<unsigned> group = groupOf(user))
        latest = std::min(latest, *group);
      else if (user != block_->getTerminator())
        latest = std::min(latest, bounds_.at(user).latest);
    }
  }
}
