//===- Partition.cpp - cuts a step at its attention operators -----------------------------------------===//

#include "dialects/MPMD/Analysis/AttentionCuts.h"
#include "dialects/MPMD/Transforms/FragmentBuilder.h"
#include "dialects/MPMD/Transforms/Passes.h"
#include "dialects/MPMD/Transforms/Roles.h"

using namespace mlir;
using namespace lamina::mpmd;

namespace lamina::mpmd {
#define GEN_PASS_DEF_MPMDPARTITIONPASS
#include "dialects/MPMD/Transforms/Passes.h.inc"
} // namespace lamina::mpmd

namespace {

/// Gives the arguments their placement: state with the attention, other tensors with the computation.
LogicalResult placeArguments(func::FuncOp step, const Roles &roles, FragmentBuilder &fragments) {
  for (BlockArgument argument : step.getArguments()) {
    if (!isa<RankedTensorType, lamina::lm::KVCacheType, lamina::lm::BatchType>(argument.getType()))
      return step.emitOpError() << "has an argument of type " << argument.getType()
                                << " that cannot be placed, expected tensors, caches and a batch";
    fragments.place(argument, argument);
    if (!isa<lamina::lm::BatchType>(argument.getType()))
      argument.setType(PlacedType::get(argument.getType(), isState(argument) ? roles.memory : roles.compute));
  }
  return success();
}

void buildCutFragments(const StepGraph &graph, const AttentionCuts &cuts, const Roles &roles,
                       FragmentBuilder &fragments, Location end) {
  unsigned count = graph.attentions().size();
  SmallVector<SmallVector<Operation *>> slices(count + 1);
  for (Operation *op : graph.operations())
    slices[cuts.slices.at(op)].push_back(op);
  for (unsigned i = 0; i < count; ++i) {
    const StepGraph::Attention &attention = graph.attentions()[i];
    fragments.build(attention.op->getLoc(), roles.compute, "slice" + std::to_string(i), slices[i]);
    fragments.build(attention.op->getLoc(), roles.memory, "attention" + std::to_string(i), attention.group);
    // Sent back at once: the computation keeps what later slices need, so that the cut counts it.
    for (Operation *op : attention.group)
      for (Value result : op->getResults())
        if (!isState(result) && llvm::any_of(result.getUsers(), [&](Operation *user) {
              return !graph.groupOf(graph.block()->findAncestorOpInBlock(*user));
            }))
          fragments.lookupOn(result, roles.compute);
  }
  fragments.build(end, roles.compute, "slice" + std::to_string(count), slices[count]);
}

/// Everything in one fragment, in program order.
void buildWholeFragment(const StepGraph &graph, const Roles &roles, FragmentBuilder &fragments,
                        Location loc) {
  SmallVector<Operation *> ops;
  for (Operation &op : graph.block()->without_terminator())
    if (!graph.recomputable().contains(&op))
      ops.push_back(&op);
  fragments.build(loc, roles.compute, "model", ops);
}

struct PartitionPass : public lamina::mpmd::impl::MPMDPartitionPassBase<PartitionPass> {
  using Base::Base;

  void runOnOperation() final {
    FailureOr<Roles> roles = findRoles(getOperation());
    if (failed(roles))
      return signalPassFailure();
    for (func::FuncOp step : findSteps(getOperation()))
      if (failed(partition(step, *roles)))
        return signalPassFailure();
  }

  LogicalResult partition(func::FuncOp step, const Roles &roles);
};

LogicalResult PartitionPass::partition(func::FuncOp step, const Roles &roles) {
  for (FragmentOp fragment : step.getOps<FragmentOp>())
    return fragment.emitOpError("is there already: a step is partitioned once");
  FailureOr<StepGraph> graph = StepGraph::build(step);
  if (failed(graph))
    return failure();
  FailureOr<AttentionCuts> cuts = AttentionCuts();
  if (!roles.isMonolithic())
    cuts = cutAtAttentions(*graph);
  if (failed(cuts))
    return failure();

  Operation *terminator = graph->block()->getTerminator();
  SmallVector<Operation *> old =
      llvm::map_to_vector(graph->block()->without_terminator(), [](Operation &op) { return &op; });
  OpBuilder builder(terminator);
  FragmentBuilder fragments(builder, graph->recomputable());
  if (failed(placeArguments(step, roles, fragments)))
    return failure();
  if (roles.isMonolithic())
    buildWholeFragment(*graph, roles, fragments, step.getLoc());
  else
    buildCutFragments(*graph, *cuts, roles, fragments, step.getLoc());

  size_t operations = graph->operations().size();
  for (const StepGraph::Attention &attention : graph->attentions())
    operations += attention.group.size();
  step->setAttr(kOperationsAttr, builder.getI64IntegerAttr(operations));
  step->setAttr(kCutBytesAttr, builder.getDenseI64ArrayAttr(cuts->bytes));

  for (OpOperand &result : terminator->getOpOperands())
    result.set(isState(result.get()) ? fragments.lookup(result.get())
                                     : fragments.lookupOn(result.get(), roles.compute));
  for (Operation *op : llvm::reverse(old))
    op->erase();
  step.setFunctionType(
      builder.getFunctionType(step.getBody().getArgumentTypes(), terminator->getOperandTypes()));
  return success();
}

} // namespace
