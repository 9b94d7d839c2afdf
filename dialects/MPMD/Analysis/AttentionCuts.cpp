//===- AttentionCuts.cpp - the minimum cut at each attention ------------------------------------------===//

#include "dialects/MPMD/Analysis/AttentionCuts.h"

#include "lib/Partition/CutProblem.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lamina;
using namespace lamina::mpmd;

std::optional<uint64_t> lamina::mpmd::bytesPerToken(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.getElementType().isIntOrFloat())
    return std::nullopt;
  uint64_t bits = tensor.getElementTypeBitWidth();
  for (auto [index, size] : llvm::enumerate(tensor.getShape())) {
    if (ShapedType::isDynamic(size) && index == 0)
      continue;
    bool overflowed = false;
    bits = llvm::SaturatingMultiply<uint64_t>(bits, size, &overflowed);
    if (ShapedType::isDynamic(size) || overflowed)
      return std::nullopt;
  }
  return llvm::divideCeil(bits, 8);
}

namespace {

/// Walks over the attentions. Between two of them `live_` holds what has been placed (results of attention
/// included) and is still needed, `open_` the operations that could have been placed already but were not.
class Cutter {
public:
  explicit Cutter(const StepGraph &graph) : graph_(graph), starting_(graph.attentions().size() + 1) {
    for (Operation *op : graph.operations()) {
      starting_[graph.boundsOf(op).earliest].push_back(op);
      forEachOperand(op, [&](Value operand) {
        if (isa<BlockArgument>(operand) && !graph.recomputable().isFree(operand))
          live_.insert(operand);
      });
    }
  }

  FailureOr<AttentionCuts> run();

private:
  LogicalResult cutAt(unsigned attention);
  LogicalResult addNodes(unsigned attention);
  LogicalResult addValue(Value value, partition::NodeId producer);
  void place(Operation *op, unsigned slice);
  bool isNeeded(Value value) const;

  /// The operation of the function's block that a use belongs to; null for one in an attention's group, whose
  /// operands are sent to it and not kept for it.
  Operation *userOf(OpOperand &use) const {
    Operation *user = use.getOwner();
    while (user->getBlock() != graph_.block())
      user = user->getParentOp();
    return graph_.groupOf(user) ? nullptr : user;
  }

  const StepGraph &graph_;
  SmallVector<SmallVector<Operation *>> starting_;
  llvm::SetVector<Value> live_;
  SmallVector<Operation *> open_;
  AttentionCuts cuts_;

  // The problem at hand. Node 0 stands for everything placed, node 1 for everything after the attention.
  partition::CutProblem problem_;
  llvm::DenseMap<Operation *, partition::NodeId> nodes_;
};

constexpr partition::NodeId kPlaced = 0;
constexpr partition::NodeId kAfter = 1;

FailureOr<AttentionCuts> Cutter::run() {
  unsigned count = graph_.attentions().size();
  for (unsigned attention = 0; attention < count; ++attention)
    if (failed(cutAt(attention)))
      return failure();
  for (Operation *op : graph_.operations())
    cuts_.slices.try_emplace(op, count);
  return std::move(cuts_);
}

LogicalResult Cutter::cutAt(unsigned attention) {
  open_.append(starting_[attention]);
  if (failed(addNodes(attention)))
    return failure();
  Operation *at = graph_.attentions()[attention].op;
  absl::StatusOr<partition::Cut> cut = partition::solve(problem_);
  absl::Status status = cut.ok() ? problem_.verify(*cut) : cut.status();
  if (!status.ok())
    return at->emitOpError() << "cannot be cut at: " << std::string(status.message());
  cuts_.bytes.push_back(cut->bytes);

  SmallVector<Operation *> considered = std::exchange(open_, {});
  for (Operation *op : considered)
    if (cut->sides[nodes_.at(op)] == partition::Side::Source)
      place(op, attention);
    else
      open_.push_back(op);
  for (Operation *op : graph_.attentions()[attention].group)
    live_.insert(op->result_begin(), op->result_end());
  live_.remove_if([&](Value value) { return !isNeeded(value); });
  return success();
}

LogicalResult Cutter::addNodes(unsigned attention) {
  problem_ = {};
  nodes_.clear();
  problem_.addNode("everything before", partition::Side::Source);
  problem_.addNode("everything after", partition::Side::Sink);
  for (Operation *op : open_)
    nodes_[op] = problem_.addNode(op->getName().getStringRef().str(), graph_.boundsOf(op).latest <= attention
                                                                          ? partition::Side::Source
                                                                          : partition::Side::Any);
  for (Value value : live_)
    if (failed(addValue(value, kPlaced)))
      return failure();
  for (Operation *op : open_)
    for (Value result : op->getResults())
      if (failed(addValue(result, nodes_.at(op))))
        return failure();
  return success();
}

LogicalResult Cutter::addValue(Value value, partition::NodeId producer) {
  SmallVector<partition::NodeId> users;
  for (OpOperand &use : value.getUses())
    if (Operation *user = userOf(use); user && !cuts_.slices.contains(user)) {
      auto node = nodes_.find(user);
      users.push_back(node == nodes_.end() ? kAfter : node->second);
    }
  if (users.empty())
    return success();
  std::optional<uint64_t> bytes = bytesPerToken(value.getType());
  if (!bytes) {
    Operation *op = value.getDefiningOp() ? value.getDefiningOp() : userOf(*value.use_begin());
    return graph_.emitError(op) << "cannot be placed: a value of type " << value.getType()
                                << " has no weight in bytes per token";
  }
  partition::ValueId id = problem_.addValue(producer, *bytes);
  for (partition::NodeId user : users)
    problem_.addUse(id, user);
  return success();
}

void Cutter::place(Operation *op, unsigned slice) {
  cuts_.slices[op] = slice;
  live_.insert(op->result_begin(), op->result_end());
}

/// State never leaves the attentions' groups, whoever returns it.
bool Cutter::isNeeded(Value value) const {
  return !isState(value) && llvm::any_of(value.getUses(), [&](OpOperand &use) {
    Operation *user = userOf(use);
    return user && !cuts_.slices.contains(user);
  });
}

} // namespace

FailureOr<AttentionCuts> lamina::mpmd::cutAtAttentions(const StepGraph &graph) { return Cutter(graph).run(); }
