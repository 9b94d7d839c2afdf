//===- TensorAttention.cpp - operations framed as an attention over tensors -----------------------------===//

#include "lib/Import/ONNX/TensorAttention.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;

namespace lamina::onnx {

SmallVector<Operation *> AppendedOperations::get() const {
  SmallVector<Operation *> operations;
  for (Operation *op = before_           ? before_->getNextNode()
                       : block_->empty() ? nullptr
                                         : &block_->front();
       op; op = op->getNextNode())
    operations.push_back(op);
  return operations;
}

namespace {

bool isTensorWithElements(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() && type.getNumElements() != 0;
}

class Framer {
public:
  explicit Framer(const AttentionFrame &frame)
      : frame_(frame), block_(frame.operations.front()->getBlock()),
        inside_(frame.operations.begin(), frame.operations.end()) {}

  void run(MutableArrayRef<Value> results) {
    llvm::SmallSetVector<Value, 4> outputs;
    for (Value result : results)
      if (result && isInside(result))
        outputs.insert(result);
    if (outputs.empty() || !collectReads() || !llvm::all_of(outputs, isTensorWithElements))
      return;
    OpBuilder b(frame_.operations.back());
    Location loc = frame_.operations.back()->getLoc();
    auto attention =
        lm::TensorAttentionOp::create(b, loc, ValueRange(outputs.getArrayRef()).getTypes(), frame_.kind,
                                      frame_.query, frame_.key, frame_.value, others_);
    moveInto(attention);
    b.setInsertionPointToEnd(&attention.getBody().front());
    lm::YieldOp::create(b, loc, outputs.getArrayRef());
    for (auto [i, output] : llvm::enumerate(outputs)) {
      Value inner = output, outer = attention.getOutputs()[i];
      inner.replaceUsesWithIf(outer,
                              [&](OpOperand &use) { return !attention->isProperAncestor(use.getOwner()); });
      llvm::replace(results, inner, outer);
    }
  }

private:
  /// Whether the value comes into being in one of the operations.
  bool isInside(Value value) const {
    Operation *op = value.getDefiningOp() ? value.getDefiningOp() : value.getParentBlock()->getParentOp();
    return inside_.contains(block_->findAncestorOpInBlock(*op));
  }

  /// What the operations read is operands, or constants, which the body repeats.
  bool collectReads() {
    llvm::SmallSetVector<Value, 8> reads;
    for (Operation *op : frame_.operations)
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands())
          if (!isInside(operand))
            reads.insert(operand);
      });
    Value first[] = {frame_.query, frame_.key, frame_.value};
    for (Value read : reads) {
      if (llvm::is_contained(first, read))
        continue;
      if (matchPattern(read, m_Constant()))
        constants_.push_back(read);
      else
        others_.push_back(read);
    }
    return llvm::all_of(first, isTensorWithElements) && llvm::all_of(others_, isTensorWithElements);
  }

  void moveInto(lm::TensorAttentionOp attention) {
    Block &body = attention.getBody().emplaceBlock();
    OpBuilder b = OpBuilder::atBlockEnd(&body);
    llvm::MapVector<Value, Value> replacements;
    for (Value operand : attention->getOperands())
      replacements.insert({operand, body.addArgument(operand.getType(), operand.getLoc())});
    for (Value constant : constants_)
      replacements.insert({constant, b.clone(*constant.getDefiningOp())->getResult(0)});
    for (Operation *op : frame_.operations)
      op->moveBefore(&body, body.end());
    for (auto &[value, replacement] : replacements)
      Value(value).replaceUsesWithIf(
          replacement, [&](OpOperand &use) { return attention->isProperAncestor(use.getOwner()); });
  }

  const AttentionFrame &frame_;
  Block *block_;
  llvm::SmallPtrSet<Operation *, 16> inside_;
  SmallVector<Value> others_, constants_;
};

} // namespace

void frameAttention(const AttentionFrame &frame, MutableArrayRef<Value> results) {
  if (!frame.operations.empty())
    Framer(frame).run(results);
}

} // namespace lamina::onnx
