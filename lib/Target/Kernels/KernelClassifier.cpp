//===- KernelClassifier.cpp - which kernel a body is --------------------------------------------------===//

#include "lib/Target/Kernels/KernelClassifier.h"

#include "lib/Target/Kernels/ProductParts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

namespace {

/// The kind of a kernel that an operation is the root of; none for what only follows a root.
std::optional<KernelKind> kindOf(Operation *op) {
  if (isa<lm::LinearOp>(op))
    return KernelKind::Linear;
  if (isa<lm::ExpertLinearOp>(op))
    return KernelKind::ExpertLinear;
  if (isa<lm::EmbeddingOp>(op))
    return KernelKind::Embedding;
  if (isa<lm::RopeTableOp>(op))
    return KernelKind::RopeTable;
  if (isa<lm::RouteExpertsOp>(op))
    return KernelKind::RouteExperts;
  if (isa<lm::CacheAppendOp>(op))
    return KernelKind::CacheAppend;
  if (isa<lm::OnlineAttentionOp>(op))
    return KernelKind::OnlineAttention;
  if (isa<lm::AttentionCombineOp>(op))
    return KernelKind::AttentionCombine;
  if (isa<lm::TopKOp>(op))
    return KernelKind::TopK;
  return std::nullopt;
}

bool isElementwise(Operation *op) {
  return isa<arith::AddFOp, lm::BiasAddOp, lm::ScaleOp, lm::SoftCapOp, lm::ActivationOp,
             lm::GatedActivationOp>(op);
}

bool takesTail(KernelKind kind) {
  return kind == KernelKind::Linear || kind == KernelKind::ExpertLinear || kind == KernelKind::Embedding;
}

class Classifier {
public:
  Classifier(const KernelSource &kernel, StringRef device) : block_(kernel.body->front()), device_(device) {}

  FailureOr<KernelKind> run() {
    for (Operation &op : block_.without_terminator())
      if (std::optional<KernelKind> kind = kindOf(&op)) {
        if (root_ && !(*kind == *kind_ && isa<lm::LinearOp, lm::ExpertLinearOp>(op)))
          return refuse(&op);
        root_ = root_ ? root_ : &op;
        kind_ = kind;
      }
    if (!root_)
      kind_ = KernelKind::Row;
    for (Operation &op : block_.without_terminator())
      if (failed(check(&op)))
        return failure();
    if (*kind_ == KernelKind::Linear)
      for (const ProductPart &part : productParts(block_))
        if (part.linears.empty())
          return refuse(root_);
    if (block_.getTerminator()->getNumOperands() == 0)
      return block_.getTerminator()->emitOpError("expected a kernel with a result");
    return *kind_;
  }

private:
  InFlightDiagnostic refuse(Operation *op) {
    InFlightDiagnostic diag = op->emitOpError() << "has no " << device_
                                                << " kernel together with the other operations of this body";
    if (root_ && root_ != op)
      diag.attachNote(root_->getLoc()) << "the body computes '" << root_->getName() << "'";
    return diag;
  }

  LogicalResult check(Operation *op) {
    if (kindOf(op))
      return checkRoot(op);
    bool rowOp = isa<lm::RMSNormOp, lm::LayerNormOp, lm::RotaryEmbeddingOp, lm::GatherRowsOp,
                     lm::CombineExpertsOp, lm::QuantizeOp>(op);
    if (!isElementwise(op) && !rowOp)
      return refuse(op);
    if (isa<lm::QuantizeOp>(op) && *kind_ == KernelKind::Linear)
      return isYielded(op) ? success() : LogicalResult(refuse(op));
    if (rowOp ? *kind_ != KernelKind::Row : *kind_ != KernelKind::Row && !takesTail(*kind_))
      return refuse(op);
    if (*kind_ == KernelKind::Row)
      return checkRow(op);
    return success();
  }

  /// Products read their input and their weights from memory, and those of one kernel read the same input.
  LogicalResult checkRoot(Operation *op) {
    for (Value operand : op->getOperands())
      if (!isa<BlockArgument>(operand))
        return refuse(op);
    for (Value operand : op->getOperands())
      if (failed(checkFormat(op, operand)))
        return failure();
    if (isa<lm::LinearOp, lm::ExpertLinearOp>(op)) {
      bool sameInput = op->getOperand(0) == root_->getOperand(0);
      bool sameRows = op->getResult(0).getType() == root_->getResult(0).getType();
      if (!sameInput || (isa<lm::ExpertLinearOp>(op) && !sameRows))
        return refuse(op);
    }
    return success();
  }

  LogicalResult checkFormat(Operation *op, Value operand) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    auto block = type ? dyn_cast<lm::BlockType>(type.getElementType()) : lm::BlockType();
    if (!block)
      return success();
    const BlockFormat *format = findBlockFormat(std::string_view(block.getFormat()));
    if (!format)
      return op->emitOpError() << "expected the name of a block format, got: " << block.getFormat();
    if (type.getShape().back() % format->elements != 0)
      return op->emitOpError() << "expected rows of whole blocks of " << format->elements
                               << " elements, got: " << type;
    return success();
  }

  static bool isYielded(Operation *op) {
    return llvm::all_of(op->getUsers(),
                        [](Operation *user) { return user->hasTrait<OpTrait::IsTerminator>(); });
  }

  /// Rounding ends a chain that works on whole rows; rows of several experts are rounded by themselves.
  LogicalResult checkRounding(lm::QuantizeOp op) {
    bool alone = isa<BlockArgument>(op.getInput()) && op->getNextNode() == block_.getTerminator();
    bool heads = llvm::any_of(block_, [&](Operation &other) {
      auto norm = dyn_cast<lm::RMSNormOp>(other);
      return isa<lm::RotaryEmbeddingOp>(other) || (norm && width(norm.getWeight()) != rowWidth());
    });
    if (!isYielded(op) || heads || op.getResult().getType().getRank() > (alone ? 3 : 2) ||
        width(op) != rowWidth())
      return refuse(op);
    return success();
  }

  /// Rows of one width; a rotation ends its chain, and where there are heads they have one length.
  LogicalResult checkRow(Operation *op) {
    if (auto quantize = dyn_cast<lm::QuantizeOp>(op))
      return checkRounding(quantize);
    auto type = dyn_cast<RankedTensorType>(op->getResult(0).getType());
    if (!type || type.getRank() != 2 || !type.getElementType().isF32() ||
        type.getShape().back() != rowWidth())
      return refuse(op);
    int64_t head = rowWidth();
    if (auto norm = dyn_cast<lm::RMSNormOp>(op))
      head = width(norm.getWeight());
    if (auto rotary = dyn_cast<lm::RotaryEmbeddingOp>(op)) {
      head = rotary.getHeadLength();
      if (!isYielded(rotary) || !isa<BlockArgument>(rotary.getTable()))
        return refuse(op);
    }
    if (head != rowWidth() && headLength_ && *headLength_ != head)
      return refuse(op);
    if (head != rowWidth())
      headLength_ = head;
    return success();
  }

  int64_t rowWidth() { return width(block_.getTerminator()->getOperand(0)); }

  Block &block_;
  StringRef device_;
  Operation *root_ = nullptr;
  std::optional<KernelKind> kind_;
  std::optional<int64_t> headLength_;
};

} // namespace

FailureOr<KernelKind> lamina::classifyKernel(const KernelSource &kernel, StringRef device) {
  return Classifier(kernel, device).run();
}
