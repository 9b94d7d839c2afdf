//===- QuantizeActivations.cpp - rounds the inputs of products with quantised weights -------------------------===//

#include "dialects/LM/Transforms/Passes.h"
#include "runtime/io/BlockFormat.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMQUANTIZEACTIVATIONSPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina;
using namespace lamina::lm;

namespace {

/// Whether a product with `weight` can be taken in integers.
bool isQuantized(Value weight) {
  auto element = cast<BlockType>(cast<RankedTensorType>(weight.getType()).getElementType());
  const BlockFormat *format = findBlockFormat(std::string_view(element.getFormat()));
  return format && !format->isPlain();
}

struct LMQuantizeActivationsPass : lm::impl::LMQuantizeActivationsPassBase<LMQuantizeActivationsPass> {
  using Base::Base;

  void runOnOperation() final {
    rounded_.clear(); // a pass may run again
    getOperation().walk([&](Operation *op) {
      if (auto linear = dyn_cast<LinearOp>(op))
        quantizeInput(linear);
      else if (auto linear = dyn_cast<ExpertLinearOp>(op))
        quantizeInput(linear);
    });
  }

private:
  template <typename Op> void quantizeInput(Op linear) {
    Value input = linear.getInput();
    auto type = cast<RankedTensorType>(input.getType());
    if (!type.getElementType().isF32() || !isQuantized(linear.getWeight()))
      return;
    Value &rounded = rounded_[{linear->getBlock(), input}];
    if (!rounded) {
      OpBuilder builder(linear); // in front of all readers, so that a dispatch may give both forms
      builder.setInsertionPointAfterValue(input);
      Location loc = input.getDefiningOp() ? input.getLoc() : linear.getLoc();
      rounded = QuantizeOp::create(builder, loc, type.clone(Q8Type::get(builder.getContext())), input);
      ++numQuantized;
    }
    linear.getInputMutable().assign(rounded);
  }

  DenseMap<std::pair<Block *, Value>, Value> rounded_;
};

} // namespace
