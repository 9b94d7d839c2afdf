//===- FormDispatches.cpp - groups the operations of fragments into kernels -----------------------------------===//

#include "dialects/LM/IR/LM.h"
#include "dialects/MPMD/IR/MPMD.h"
#include "dialects/Plan/IR/Labels.h"
#include "dialects/Plan/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

namespace lamina::plan {
#define GEN_PASS_DEF_PLANFORMDISPATCHESPASS
#include "dialects/Plan/Transforms/Passes.h.inc"
} // namespace lamina::plan

using namespace mlir;
using namespace lamina;
using namespace lamina::plan;

namespace {

/// Operations that become one dispatch, in program order; the first names it, and it stands where the last one does.
using Group = SmallVector<Operation *, 4>;

bool isSource(Operation *op) { return isa<lm::GetWeightOp, lm::BatchFieldOp>(op); }

bool isElementwise(Operation *op) {
  return isa<lm::BiasAddOp, lm::ScaleOp, lm::SoftCapOp, lm::ActivationOp, arith::AddFOp>(op);
}

bool isHeadNorm(Operation *op) {
  auto norm = dyn_cast<lm::RMSNormOp>(op);
  return norm && norm.getWeight().getType().getDimSize(0) != norm.getInput().getType().getShape().back();
}

/// Whether a kernel that begins with `root` can go on with elementwise operations on the row that it produces.
bool takesTail(Operation *root) {
  return isa<lm::LinearOp, lm::ExpertLinearOp, lm::RMSNormOp, lm::LayerNormOp, lm::EmbeddingOp,
             lm::CombineExpertsOp>(root) &&
         !isHeadNorm(root);
}

/// Whether a kernel that begins with `root` has whole blocks of its result at hand, so that it can round them too.
bool takesRounding(Operation *root) {
  return isa<lm::LinearOp, lm::RMSNormOp, lm::LayerNormOp, lm::CombineExpertsOp, lm::GatherRowsOp>(root)
             ? !isHeadNorm(root)
             : isElementwise(root);
}

/// Forms the groups of one fragment's body.
class Grouping {
public:
  explicit Grouping(Block &body) {
    for (Operation &op : body.without_terminator())
      if (!isSource(&op) && !joinGated(&op) && !joinRotary(&op) && !joinTail(&op) && !joinRounding(&op))
        open(&op);
  }

  /// Groups by their last operation, in program order.
  SmallVector<Group> take() {
    arrange();
    joinSiblings();
    arrange();
    return std::move(groups_);
  }

private:
  void open(Operation *op) {
    groupOf_[op] = groups_.size();
    groups_.push_back({op});
  }

  /// The group that ends with the operation behind `value`, if nothing but the caller uses that value.
  Group *groupEndingWith(Value value) { return value.hasOneUse() ? groupGiving(value) : nullptr; }

  /// The same, whatever else uses the value.
  Group *groupGiving(Value value) {
    auto it = groupOf_.find(value.getDefiningOp());
    if (it == groupOf_.end() || groups_[it->second].back() != value.getDefiningOp())
      return nullptr;
    return &groups_[it->second];
  }

  void append(Group &group, Operation *op) {
    group.push_back(op);
    groupOf_[op] = &group - groups_.data();
  }

  bool joinTail(Operation *op) {
    if (!isElementwise(op))
      return false;
    for (Value operand : op->getOperands())
      if (Group *group = groupEndingWith(operand); group && takesTail(group->front())) {
        append(*group, op);
        return true;
      }
    return false;
  }

  bool joinRotary(Operation *op) {
    auto rotary = dyn_cast<lm::RotaryEmbeddingOp>(op);
    Group *group = rotary ? groupEndingWith(rotary.getInput()) : nullptr;
    if (!group || group->size() != 1 || !isHeadNorm(group->front()))
      return false;
    append(*group, op);
    return true;
  }

  /// Rounding follows the row that it rounds at once, so both forms of it can leave.
  bool joinRounding(Operation *op) {
    auto quantize = dyn_cast<lm::QuantizeOp>(op);
    Group *group = quantize ? groupGiving(quantize.getInput()) : nullptr;
    if (!group || !takesRounding(group->front()) || quantize->getPrevNode() != group->back())
      return false;
    append(*group, op);
    return true;
  }

  /// Gate and up read the same rows: one pass over the input serves both.
  bool joinGated(Operation *op) {
    auto gated = dyn_cast<lm::GatedActivationOp>(op);
    Group *gate = gated ? groupEndingWith(gated.getGate()) : nullptr;
    Group *up = gated ? groupEndingWith(gated.getUp()) : nullptr;
    if (!gate || !up || gate == up || gate->size() != 1 || up->size() != 1)
      return false;
    Operation *gateOp = gate->front(), *upOp = up->front();
    if (!isa<lm::LinearOp, lm::ExpertLinearOp>(gateOp) || gateOp->getName() != upOp->getName() ||
        gateOp->getOperand(0) != upOp->getOperand(0))
      return false;
    append(*gate, upOp);
    append(*gate, op);
    up->clear();
    return true;
  }

  void arrange() {
    llvm::erase_if(groups_, [](const Group &group) { return group.empty(); });
    llvm::sort(groups_, [](const Group &a, const Group &b) { return a.back()->isBeforeInBlock(b.back()); });
  }

  /// Products of one input are one dispatch: there is less to wait for, and small ones fill all threads together.
  void joinSiblings() {
    DenseMap<Value, Group *> firstOf; // by input
    for (Group &group : groups_) {
      if (!isa<lm::LinearOp>(group.front()))
        continue;
      Group *&first = firstOf[group.front()->getOperand(0)];
      if (!first || !canMoveAfter(group, first->back())) {
        first = first ? first : &group;
        continue;
      }
      moveAfter(group, first->back());
      first->append(group);
      group.clear();
    }
  }

  /// Whether all that `group` reads is there after `place`, or can be.
  static bool canMoveAfter(const Group &group, Operation *place) {
    return llvm::all_of(group, [&](Operation *op) {
      return llvm::all_of(op->getOperands(), [&](Value operand) {
        Operation *def = operand.getDefiningOp();
        return !def || isSource(def) || llvm::is_contained(group, def) || def == place ||
               def->isBeforeInBlock(place);
      });
    });
  }

  static void moveAfter(const Group &group, Operation *place) {
    auto follow = [&](Operation *op) {
      op->moveAfter(place);
      place = op;
    };
    for (Operation *op : group) {
      for (Value operand : op->getOperands())
        if (Operation *def = operand.getDefiningOp(); def && isSource(def) && place->isBeforeInBlock(def))
          follow(def);
      follow(op);
    }
  }

  SmallVector<Group> groups_; // emptied where merged into another
  DenseMap<Operation *, size_t> groupOf_;
};

/// Creates kernels, each distinct body once.
class KernelTable {
public:
  explicit KernelTable(ModuleOp module) : symbols_(module) {}

  /// The kernel that computes `results` of `group` from `operands`; a new one is placed before `user`.
  KernelOp get(const Group &group, ArrayRef<Value> operands, ArrayRef<Value> results, Operation *user) {
    KernelOp kernel = build(group, operands, results);
    std::string body;
    llvm::raw_string_ostream os(body);
    kernel.getBody().front().print(os);
    auto [it, inserted] = byBody_.try_emplace(body, kernel);
    if (inserted)
      symbols_.insert(kernel, Block::iterator(user));
    else
      kernel.erase();
    return it->second;
  }

  size_t size() const { return byBody_.size(); }

private:
  static KernelOp build(const Group &group, ArrayRef<Value> operands, ArrayRef<Value> results) {
    OpBuilder builder(group.front()->getContext());
    std::string name;
    for (Operation *op : group)
      name += (name.empty() ? "" : "_") + op->getName().stripDialect().str();
    auto kernel = KernelOp::create(builder, group.front()->getLoc(), name);
    Block *body = builder.createBlock(&kernel.getBody());
    IRMapping mapping;
    for (Value operand : operands)
      mapping.map(operand, body->addArgument(operand.getType(), operand.getLoc()));
    for (Operation *op : group)
      builder.clone(*op, mapping);
    SmallVector<Value> yielded;
    for (Value result : results)
      yielded.push_back(mapping.lookup(result));
    YieldOp::create(builder, kernel.getLoc(), yielded);
    return kernel;
  }

  SymbolTable symbols_;
  llvm::StringMap<KernelOp> byBody_;
};

struct PlanFormDispatchesPass : plan::impl::PlanFormDispatchesPassBase<PlanFormDispatchesPass> {
  using Base::Base;

  void runOnOperation() final {
    KernelTable kernels(getOperation());
    getOperation().walk([&](mpmd::FragmentOp fragment) {
      Grouping grouping(fragment.getBody().front());
      for (Group &group : grouping.take())
        replaceByCall(group, kernels, fragment->getParentOp());
    });
    numKernels = kernels.size();
  }

  void replaceByCall(Group &group, KernelTable &kernels, Operation *step) {
    llvm::SetVector<Value> operands;
    SmallVector<Value> results;
    llvm::SmallPtrSet<Operation *, 4> inside(group.begin(), group.end());
    auto isInside = [&](Operation *op) { return inside.contains(op); };
    for (Operation *op : group) {
      for (Value operand : op->getOperands())
        if (!isInside(operand.getDefiningOp()))
          operands.insert(operand);
      for (Value result : op->getResults())
        if (op == group.back() || !llvm::all_of(result.getUsers(), isInside))
          results.push_back(result);
    }
    KernelOp kernel = kernels.get(group, operands.getArrayRef(), results, step);
    OpBuilder builder(group.back());
    auto call = CallOp::create(builder, group.front()->getLoc(), TypeRange(results), kernel.getSymName(),
                               operands.getArrayRef(), labelOf(group.front()->getLoc()));
    for (auto [result, output] : llvm::zip(results, call.getOutputs()))
      result.replaceAllUsesWith(output);
    for (Operation *op : llvm::reverse(group))
      op->erase();
    ++numCalls;
  }
};

} // namespace
