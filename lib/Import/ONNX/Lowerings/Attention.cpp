//===- Attention.cpp - the standard's Attention and rotary embeddings -----------------------------------===//
//
// Without a cache of lamina's own: past keys and values are inputs, present ones outputs.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Lowerings/Rows.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;
using Indices = Lowering::Indices;
using Compare = Scalars::Compare;

/// A tensor of heads: [batch, heads, rows, size], or [batch, rows, heads * size].
struct Heads {
  Operand tensor;
  int64_t size;

  Value read(Lowering &low, Value batch, Value head, Value row, Value element) const {
    if (tensor.dims().size() == 4)
      return low.read(tensor, {batch, head, row, element});
    Value column = low.s.add(low.s.mul(head, low.s.index(size)), element);
    return low.read(tensor, {batch, row, column});
  }
};

/// What an index of an output of heads is, which has one of the two shapes.
std::array<Value, 4> headIndex(Scalars &s, Indices index, int64_t size) {
  if (index.size() == 4)
    return {index[0], index[1], index[2], index[3]};
  return {index[0], arith::DivUIOp::create(s, index[2], s.index(size)), index[1],
          arith::RemUIOp::create(s, index[2], s.index(size))};
}

//===--- Attention --------------------------------------------------------------------------------------===//

enum Input { Q, K, V, Mask, PastKey, PastValue, NonPad };

class Attention {
public:
  explicit Attention(Lowering &low) : low_(low), s_(low.s), op_(low.op) {
    const Dims &q = op_.dims(Q);
    bool flat = q.size() == 3;
    batch_ = q[0], queries_ = q[q.size() - 2];
    heads_ = flat ? op_.integer("q_num_heads", 0) : q[1];
    kvHeads_ = flat ? op_.integer("kv_num_heads", 0) : op_.dims(K)[1];
    size_ = flat ? q[2] / heads_ : q[3];
    valueSize_ = flat ? op_.dims(V)[2] / kvHeads_ : op_.dims(V)[3];
    past_ = op_.has(PastKey) ? op_.dims(PastKey)[2] : 0;
    keys_ = past_ + op_.dims(K)[op_.dims(K).size() - 2];
    type_ = op_.type(Q) == ElementType::Double ? ElementType::Double : ElementType::Float;
  }

  absl::Status run() {
    if (heads_ == 0 || kvHeads_ == 0 || keys_ == 0)
      return op_.error("attention without heads or keys is not compiled");
    Operand k = present(K, PastKey, size_, 1), v = present(V, PastValue, valueSize_, 2);
    int64_t stage = op_.integer("qk_matmul_output_mode", 0);
    std::array<Operand, 4> stages;
    stages[0] = rawScores(k);
    stages[1] = capped(stages[0]);
    stages[2] = biased(stages[1]);
    stages[3] = probabilities(stages[2]);
    if (op_.wants(3))
      low_.map(3, stages[stage], [&](Indices x) { return s_.cast(x[0], type_, op_.out(3).type()); });
    low_.compute(0, [&](Indices index) {
      auto [b, h, i, d] = headIndex(s_, index, valueSize_);
      Value kvHead = shared(h);
      Value y = low_.sum({keys_}, s_.computed(type_), [&](Indices key) {
        Value weight = low_.read(stages[3], {b, h, i, key[0]});
        return s_.mul(weight, s_.cast(low_.read(v, {b, kvHead, key[0], d}), v.type, type_));
      });
      return s_.cast(y, type_, op_.out(0).type());
    });
    return absl::OkStatus();
  }

private:
  /// The head of keys that a head of queries looks at.
  Value shared(Value head) { return arith::DivUIOp::create(s_, head, s_.index(heads_ / kvHeads_)); }

  /// Past rows, then new ones: [batch, heads, keys, size].
  Operand present(size_t fresh, size_t past, int64_t size, size_t output) {
    Heads rows{low_.in(fresh), size};
    Operand all = low_.compute(op_.type(fresh), {batch_, kvHeads_, keys_, size}, [&](Indices index) {
      int64_t count = keys_ - past_;
      Value row = s_.sub(index[2], s_.index(past_));
      if (past_ == 0)
        return rows.read(low_, index[0], index[1], row, index[3]);
      SmallVector<Value> old(index);
      old[2] = s_.clampIndex(index[2], past_);
      Value before = low_.read(low_.in(past), old);
      if (count == 0)
        return before;
      Value after = rows.read(low_, index[0], index[1], s_.clampIndex(row, count), index[3]);
      return s_.select(s_.inRange(index[2], past_), before, after);
    });
    if (op_.wants(output))
      low_.set(output, all.value);
    return all;
  }

  Operand rawScores(const Operand &k) {
    double scale = op_.real("scale", 1 / std::sqrt(static_cast<double>(size_)));
    Heads q{low_.in(Q), size_};
    return low_.compute(type_, {batch_, heads_, queries_, keys_}, [&](Indices index) {
      Value kvHead = shared(index[1]);
      Value sum = low_.sum({size_}, s_.computed(type_), [&](Indices d) {
        Value x = s_.cast(q.read(low_, index[0], index[1], index[2], d[0]), op_.type(Q), type_);
        return s_.mul(x, s_.cast(low_.read(k, {index[0], kvHead, index[3], d[0]}), k.type, type_));
      });
      return s_.mul(sum, s_.real(sum.getType(), scale));
    });
  }

  Operand capped(const Operand &scores) {
    double cap = op_.real("softcap", 0);
    if (cap <= 0)
      return scores;
    return low_.map(type_, scores.dims(), scores, [&](Indices x) {
      Value limit = s_.real(x[0].getType(), cap);
      return s_.mul(limit, s_.tanh(s_.div(x[0], limit, type_)));
    });
  }

  /// Whether the rules about positions let a query see a key, all as i64.
  Value visible(Indices index) {
    bool causal = op_.integer("is_causal", 0);
    int64_t left = op_.integer("left_window_size", -1), right = op_.integer("right_window_size", -1);
    ElementType i64 = ElementType::Int64;
    mlir::Type type = s_.getI64Type();
    Value key = s_.fromIndex(index[3], type), at = s_.fromIndex(index[2], type), seen = s_.integer(s_.getI1Type(), 1);
    if (op_.has(NonPad)) {
      Value count = low_.read(low_.in(NonPad), index[0]);
      at = s_.add(at, s_.sub(count, s_.integer(type, queries_)));
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

  Operand biased(const Operand &scores) {
    return low_.compute(type_, scores.dims(), [&](Indices index) {
      Value score = low_.read(scores, index), seen = visible(index);
      Value hidden = s_.real(score.getType(), -INFINITY);
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
    });
  }

  /// A query that sees nothing has zeros.
  Operand probabilities(const Operand &scores) {
    int64_t precision = op_.integer("softmax_precision", 0);
    auto rounded = static_cast<ElementType>(precision);
    bool rounds = precision != 0 && s_.computed(rounded) == s_.computed(type_);
    mlir::Type type = s_.computed(type_);
    auto at = [&](Value x) { return rounds ? s_.widen(s_.narrow(x, rounded), rounded) : x; };
    RowsView rows(scores, {3}, type_);
    Operand largest = low_.compute(type_, rows.outer(), [&](Indices row) {
      return rows.fold(low_, row, s_.real(type, -INFINITY), [&](Value sofar, Value x) { return s_.max(sofar, at(x), type_); });
    });
    auto shifted = [&](Value x, Value most) {
      Value none = s_.compare(Compare::Equal, most, s_.real(type, -INFINITY), type_);
      return s_.select(none, s_.real(type, 0), s_.exp(s_.sub(at(x), most)));
    };
    Operand total = low_.compute(type_, rows.outer(), [&](Indices row) {
      Value most = low_.read(largest, row);
      Value sum = rows.fold(low_, row, s_.real(type, 0), [&](Value sofar, Value x) { return s_.add(sofar, shifted(x, most)); });
      Value none = s_.compare(Compare::Equal, sum, s_.real(type, 0), type_);
      return s_.select(none, s_.real(type, 1), sum);
    });
    return low_.map(type_, scores.dims(), {scores, largest, total},
                    [&](Indices x) { return s_.div(shifted(x[0], x[1]), x[2], type_); });
  }

  Lowering &low_;
  Scalars &s_;
  OpContext &op_;
  int64_t batch_, heads_, kvHeads_, queries_, keys_, past_, size_, valueSize_;
  ElementType type_;
};

absl::Status attention(Lowering &low) { return Attention(low).run(); }

//===--- Rotary embeddings ------------------------------------------------------------------------------===//

/// The standard has x, cos, sin, positions; onnxruntime x, positions, cos, sin.
absl::Status rotary(Lowering &low) {
  Scalars &s = low.s;
  OpContext &op = low.op;
  bool standard = op.node().domain.empty();
  size_t positions = standard ? 3 : 1, cos = standard ? 1 : 2, sin = cos + 1;
  const Dims &x = op.dims(0);
  int64_t half = op.dims(cos).back(), heads = op.integer("num_heads", 0), rotated = op.integer("rotary_embedding_dim", 0);
  bool interleaved = op.integer("interleaved", 0);
  // The rule has checked that heads divide the width; onnxruntime's may leave them to the tables.
  heads = x.size() == 4 ? x[1] : heads == 0 && rotated == 0 ? x[2] / std::max<int64_t>(2 * half, 1) : heads;
  int64_t size = x.size() == 4 ? x[3] : x[2] / std::max<int64_t>(heads, 1);
  ElementType type = op.type(0), sums = type == ElementType::Double ? type : ElementType::Float;
  Heads from{low.in(0), size};
  low.compute(0, [&](Indices index) {
    auto [b, h, row, d] = headIndex(s, index, size);
    Value two = s.index(2), length = s.index(half);
    Value pair = interleaved ? Value(arith::DivUIOp::create(s, d, two)) : Value(arith::RemUIOp::create(s, d, length));
    Value second = interleaved ? Value(arith::RemUIOp::create(s, d, two)) : Value(arith::DivUIOp::create(s, d, length));
    pair = s.clampIndex(pair, half); // of what is not rotated, which is thrown away
    Value first = interleaved ? s.mul(pair, two) : pair;
    Value other = interleaved ? s.add(first, s.index(1)) : s.add(pair, length);
    SmallVector<Value> entry{b, row, pair};
    if (op.has(positions)) {
      bool offset = !standard && op.in(positions).count() == 1;
      Value at = offset ? low.readBroadcast(low.in(positions), ArrayRef<Value>{b, row}.take_back(low.in(positions).dims().size()))
                        : low.read(low.in(positions), {b, row});
      Value place = s.toIndex(at, op.type(positions));
      entry = {s.clampIndex(offset ? s.add(place, row) : place, op.dims(cos)[0]), pair};
    }
    auto table = [&](size_t i) { return s.cast(low.read(low.in(i), entry), op.type(i), sums); };
    auto element = [&](Value at) { return s.cast(from.read(low, b, h, row, at), type, sums); };
    Value c = table(cos), sn = table(sin), x1 = element(first), x2 = element(other);
    Value isSecond = s.compare(Compare::Equal, second, s.index(1), ElementType::Int64);
    Value turned = s.select(isSecond, s.add(s.mul(x1, sn), s.mul(x2, c)), s.sub(s.mul(x1, c), s.mul(x2, sn)));
    return s.cast(s.select(s.inRange(d, 2 * half), turned, element(d)), sums, type);
  });
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"Attention", attention},
    {"RotaryEmbedding", rotary},
    {"RotaryEmbedding", rotary, kContrib},
};
} // namespace

std::span<const LoweringRow> attentionLowerings() { return kRows; }

} // namespace lamina::onnx
