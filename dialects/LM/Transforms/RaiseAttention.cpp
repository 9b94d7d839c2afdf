//===- RaiseAttention.cpp - attention written as products and a softmax -----------------------------------------===//

#include "dialects/LM/Transforms/AttentionMatch.h"
#include "dialects/LM/Transforms/Passes.h"
#include "dialects/LM/Transforms/RowTrace.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMRAISEATTENTIONPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

struct LMRaiseAttentionPass : lamina::lm::impl::LMRaiseAttentionPassBase<LMRaiseAttentionPass> {
  using Base::Base;

  void runOnOperation() final {
    SmallVector<linalg::SoftmaxOp> candidates;
    getOperation().walk([&](linalg::SoftmaxOp softmax) { candidates.push_back(softmax); });
    for (linalg::SoftmaxOp softmax : candidates) {
      std::string reason; // lm-verify-mark tells it
      if (std::optional<AttentionMatch> match = matchAttention(softmax, reason))
        raise(*match);
    }
    // What was raised leaves reshapes that take back each other, and their sizes.
    RewritePatternSet patterns(&getContext());
    tensor::ExpandShapeOp::getCanonicalizationPatterns(patterns, &getContext());
    tensor::CollapseShapeOp::getCanonicalizationPatterns(patterns, &getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }

private:
  void raise(AttentionMatch match) {
    auto cache = dyn_cast<BlockArgument>(match.keys.getCache());
    Value batch = cache && isa<BatchType>(cache.getOwner()->getArgument(0).getType())
                      ? cache.getOwner()->getArgument(0)
                      : Value();
    if (!batch)
      return;
    OpBuilder builder(match.result);
    Location loc = match.result.getLoc();
    Value positions = match.mask.getPositions(), sequences = field(batch, BatchField::sequences, 1),
          pages = field(batch, BatchField::block_table, 2);
    Value state =
        CacheAppendOp::create(builder, loc, cache.getType(), cache, rowsOf(builder, loc, match.newKeys),
                              rowsOf(builder, loc, match.newValues), positions, sequences, pages);
    auto f32 = [&](double value) { return builder.getF32FloatAttr(float(value)); };
    Value query = rowsOf(builder, loc, match.query);
    auto type = cast<KVCacheType>(cache.getType());
    int64_t width = *rowSize(query) / type.getKeyLength() * type.getValueLength();
    Value result = AttentionOp::create(
        builder, loc, RankedTensorType::get({ShapedType::kDynamic, width}, builder.getF32Type()), query,
        state, positions, sequences, pages, f32(match.scale),
        match.softCap ? f32(*match.softCap) : FloatAttr(), match.mask.getWindowAttr());
    Value old = match.result->getResult(0);
    old.replaceAllUsesWith(shapedLike(builder, loc, result, old));
    ++numRaised;
  }

  static Value field(Value batch, BatchField which, int64_t rank) {
    for (Operation *user : batch.getUsers())
      if (auto field = dyn_cast<BatchFieldOp>(user); field && field.getField() == which)
        return field;
    OpBuilder builder = OpBuilder::atBlockBegin(cast<BlockArgument>(batch).getOwner());
    auto type = RankedTensorType::get(SmallVector<int64_t>(rank, ShapedType::kDynamic), builder.getI32Type());
    return BatchFieldOp::create(builder, batch.getLoc(), type, batch, which);
  }
};

} // namespace
