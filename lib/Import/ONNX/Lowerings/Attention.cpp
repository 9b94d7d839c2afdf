//===- Attention.cpp - the standard's Attention ---------------------------------------------------------===//
//
// Without a cache of lamina's own: past keys and values are inputs, present ones outputs.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Lowerings/AttentionCore.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

enum Input { Q, K, V, Mask, PastKey, PastValue, NonPad };

class Attention {
public:
  Attention(Lowering &low, const AttentionShape &shape)
      : low_(low), s_(low.s), op_(low.op), n_(shape.sizes), past_(shape.past),
        type_(op_.type(Q) == ElementType::Double ? ElementType::Double : ElementType::Float) {}

  absl::Status run() {
    if (n_.heads == 0 || n_.kvHeads == 0 || n_.keys == 0)
      return op_.error("attention without heads or keys is not compiled");
    AttentionLoops loops{.sizes = n_,
                         .q = {low_.in(Q), n_.size},
                         .k = {present(K, PastKey, n_.size, 1), n_.size},
                         .v = {present(V, PastValue, n_.valueSize, 2), n_.valueSize}};
    loops.scale = op_.real("scale", 1 / std::sqrt(static_cast<double>(n_.size)));
    loops.softcap = op_.real("softcap", 0);
    loops.type = type_;
    loops.rounded = static_cast<ElementType>(op_.integer("softmax_precision", 0));
    loops.biased = [this](Value score, Indices index) { return biased(score, index); };
    attend(low_, loops, static_cast<ScoreStage>(op_.integer("qk_matmul_output_mode", 0)));
    return absl::OkStatus();
  }

private:
  Operand present(size_t fresh, size_t past, int64_t size, size_t output) {
    Operand all = appendRows(low_, op_.has(past) ? std::optional(low_.in(past)) : std::nullopt,
                             {low_.in(fresh), size}, {n_.batch, n_.kvHeads, n_.keys, size});
    if (op_.wants(output))
      low_.set(output, all.value);
    return all;
  }

  /// Whether the rules about positions let a query see a key, all as i64.
  Value visible(Indices index) {
    bool causal = op_.integer("is_causal", 0);
    int64_t left = op_.integer("left_window_size", -1), right = op_.integer("right_window_size", -1);
    ElementType i64 = ElementType::Int64;
    mlir::Type type = s_.getI64Type();
    Value key = s_.fromIndex(index[3], type), at = s_.fromIndex(index[2], type),
          seen = s_.integer(s_.getI1Type(), 1);
    if (op_.has(NonPad)) {
      Value count = low_.read(low_.in(NonPad), index[0]);
      at = s_.add(at, s_.sub(count, s_.integer(type, n_.queries)));
      seen = s_.compare(Compare::Less, key, count, i64);
    } else {
      at = s_.add(at, s_.integer(type, past_));
    }
    auto within = [&](Value distance, int64_t most) {
      seen = s_.land(seen, s_.compare(Compare::LessOrEqual, distance, s_.integer(type, most), i64));
    };
    if (causal)
      within(s_.sub(key, at), 0);
    if (left >= 0)
      within(s_.sub(at, key), left);
    if (right >= 0)
      within(s_.sub(key, at), right);
    return seen;
  }

  Value biased(Value score, Indices index) {
    Value seen = visible(index), hidden = s_.real(score.getType(), -INFINITY);
    if (!op_.has(Mask))
      return s_.select(seen, score, hidden);
    Operand mask = low_.in(Mask);
    int64_t columns = mask.dims().back();
    SmallVector<Value> at(index.take_back(mask.dims().size()));
    for (size_t axis = 0; axis + 1 < at.size(); ++axis)
      if (mask.dims()[axis] == 1)
        at[axis] = s_.index(0);
    seen = s_.land(seen, s_.inRange(index[3], columns)); // columns that are missing are padding
    at.back() = s_.clampIndex(index[3], columns);
    Value bias = low_.read(mask, at);
    if (mask.type == ElementType::Bool)
      return s_.select(s_.land(seen, bias), score, hidden);
    bias = s_.cast(bias, mask.type, type_);
    Value forbids = s_.compare(Compare::Equal, bias, hidden, type_);
    return s_.select(s_.land(seen, s_.lnot(forbids)), s_.add(score, bias), hidden);
  }

  Lowering &low_;
  Scalars &s_;
  OpContext &op_;
  AttentionSizes n_;
  int64_t past_;
  ElementType type_;
};

absl::Status attention(Lowering &low) {
  LAMINA_ASSIGN_OR_RETURN(AttentionShape shape, attentionShape(low.op));
  return Attention(low, shape).run();
}

constexpr LoweringRow kRows[] = {{"Attention", attention}};
} // namespace

std::span<const LoweringRow> attentionLowerings() { return kRows; }

} // namespace lamina::onnx
