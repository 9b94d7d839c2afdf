//===- Recurrent.cpp - mixers that carry a state from row to row ----------------------------------------===//

#include "lib/Import/ONNX/Lowering.h"
#include "lib/Import/ONNX/TensorAttention.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

namespace {
using mlir::Value;

/// Inputs [batch, rows, width], decay and beta too; a state [batch, kv heads, size, value size] goes in and out.
class LinearAttention {
public:
  enum Input { Q, K, V, Past, Decay, Beta };

  explicit LinearAttention(Lowering &low) : low_(low), s_(low.s), op_(low.op) {
    heads_ = op_.integer("q_num_heads", 0), kvHeads_ = op_.integer("kv_num_heads", 0);
    batch_ = op_.dims(Q)[0], rows_ = op_.dims(Q)[1];
    size_ = op_.dims(Q)[2] / heads_, valueSize_ = op_.dims(V)[2] / kvHeads_;
    scale_ = op_.real("scale", 0);
    op_.text("update_rule", "gated_delta"); // the rule has checked that the inputs fit it
    op_.integer("chunk_size", 0);           // how others divide the work
  }

  /// The rows one after the other: a state that is written and read in place.
  void run() {
    AppendedOperations appended(s_);
    Dims state{batch_, kvHeads_, size_, valueSize_}, result{batch_, rows_, heads_, valueSize_};
    Value start = low_.compute(type_, state,
                               [&](Indices index) {
                                 return op_.has(Past) ? element(Past, index) : s_.real(s_.getF32Type(), 0);
                               })
                      .value;
    SmallVector<Value> initial{start, low_.empty(type_, result)};
    SmallVector<Value> ends =
        low_.fold({batch_, rows_, kvHeads_}, initial, [&](Indices at, ValueRange sofar) {
          Value next = low_.fold({valueSize_}, sofar[0], [&](Indices column, ValueRange old) {
            return SmallVector<Value>{update(old[0], at[0], at[1], at[2], column[0])};
          })[0];
          Value outputs =
              low_.fold({heads_ / kvHeads_, valueSize_}, sofar[1], [&](Indices place, ValueRange old) {
                return SmallVector<Value>{answer(next, old[0], at[0], at[1], at[2], place[0], place[1])};
              })[0];
          return SmallVector<Value>{next, outputs};
        });
    Operand y = low_.reshape({ends[1], type_}, {batch_, rows_, heads_ * valueSize_});
    if (op_.wants(0))
      low_.map(0, y, [&](Indices x) { return x[0]; });
    if (op_.wants(1))
      low_.map(1, Operand{ends[0], type_}, [&](Indices x) { return x[0]; });
    frameAttention(
        {lm::AttentionKind::linear, low_.in(Q).value, low_.in(K).value, low_.in(V).value, appended.get()},
        low_.results());
  }

private:
  Value element(size_t i, Indices index) { return s_.cast(low_.read(low_.in(i), index), op_.type(i), type_); }
  Value column(Value head, int64_t size, Value d) { return s_.add(s_.mul(head, s_.index(size)), d); }
  Value key(Value b, Value t, Value h, Value d) { return element(K, {b, t, column(h, size_, d)}); }
  Value cell(Value state, Value b, Value h, Value d, Value m) {
    return low_.read({state, type_}, {b, h, d, m});
  }

  Value forgotten(Value value, Value b, Value t, Value h, Value d) {
    if (!op_.has(Decay))
      return value;
    bool perHead = op_.dims(Decay)[2] == kvHeads_;
    return s_.mul(value, s_.exp(element(Decay, {b, t, perHead ? h : column(h, size_, d)})));
  }

  /// One column of one head's state: forgets, corrects, writes.
  Value update(Value state, Value b, Value t, Value h, Value m) {
    Value v = element(V, {b, t, column(h, valueSize_, m)});
    if (op_.has(Beta)) {
      Value known = low_.sum({size_}, s_.getF32Type(), [&](Indices d) {
        return s_.mul(forgotten(cell(state, b, h, d[0], m), b, t, h, d[0]), key(b, t, h, d[0]));
      });
      Value single = op_.dims(Beta)[2] == 1 ? s_.index(0) : h;
      v = s_.mul(s_.sub(v, known), element(Beta, {b, t, single}));
    }
    return low_.fold({size_}, state, [&](Indices d, ValueRange old) {
      Value kept = forgotten(cell(old[0], b, h, d[0], m), b, t, h, d[0]);
      Value next = s_.add(kept, s_.mul(key(b, t, h, d[0]), v));
      return SmallVector<Value>{tensor::InsertOp::create(s_, next, old[0], ValueRange{b, h, d[0], m})};
    })[0];
  }

  Value answer(Value state, Value results, Value b, Value t, Value kvHead, Value member, Value m) {
    Value head = column(kvHead, heads_ / kvHeads_, member);
    Value sum = low_.sum({size_}, s_.getF32Type(), [&](Indices d) {
      return s_.mul(element(Q, {b, t, column(head, size_, d[0])}), cell(state, b, kvHead, d[0], m));
    });
    double scale = scale_ == 0 ? 1 / std::sqrt(static_cast<double>(size_)) : scale_;
    Value scaled = s_.mul(sum, s_.real(sum.getType(), scale));
    return tensor::InsertOp::create(s_, scaled, results, ValueRange{b, t, head, m});
  }

  Lowering &low_;
  Scalars &s_;
  OpContext &op_;
  int64_t heads_, kvHeads_, batch_, rows_, size_, valueSize_;
  double scale_;
  static constexpr ElementType type_ = ElementType::Float;
};

absl::Status linearAttention(Lowering &low) {
  if (low.op.type(0) == ElementType::Double)
    return low.op.error("double precision is not compiled yet; export the model in float32");
  LinearAttention(low).run();
  return absl::OkStatus();
}

/// x [batch, channels, rows], weights [channels, 1, taps], bias [channels], the last taps - 1 rows before x.
absl::Status causalConv(Lowering &low) {
  Scalars &s = low.s;
  OpContext &op = low.op;
  int64_t rows = op.dims(0)[2], kept = op.dims(1)[2] - 1;
  bool gated = op.text("activation", "none") != "none";
  ElementType type = op.type(0), sums = type == ElementType::Double ? type : ElementType::Float;
  /// x with its past before it: row `at` - kept.
  auto before = [&](Value b, Value c, Value at) {
    mlir::Type computed = s.computed(sums);
    Value own = rows == 0 ? s.real(computed, 0)
                          : s.cast(low.read(low.in(0), {b, c, s.clampIndex(s.sub(at, s.index(kept)), rows)}),
                                   type, sums);
    if (kept == 0)
      return own;
    Value old = op.has(3) ? s.cast(low.read(low.in(3), {b, c, s.clampIndex(at, kept)}), op.type(3), sums)
                          : s.real(computed, 0);
    return s.select(s.inRange(at, kept), old, own);
  };
  if (op.wants(0))
    low.compute(0, [&](Indices index) {
      Value sum = low.sum({kept + 1}, s.computed(sums), [&](Indices tap) {
        Value weight = s.cast(low.read(low.in(1), {index[1], s.index(0), tap[0]}), op.type(1), sums);
        return s.mul(before(index[0], index[1], s.add(index[2], tap[0])), weight);
      });
      if (op.has(2))
        sum = s.add(sum, s.cast(low.read(low.in(2), index[1]), op.type(2), sums));
      return s.cast(gated ? s.mul(sum, s.sigmoid(sum)) : sum, sums, type);
    });
  if (op.wants(1))
    low.compute(1, [&](Indices index) {
      return s.cast(before(index[0], index[1], s.add(index[2], s.index(rows))), sums, op.out(1).type());
    });
  return absl::OkStatus();
}

constexpr LoweringRow kRows[] = {
    {"LinearAttention", linearAttention},
    {"CausalConvWithState", causalConv},
};
} // namespace

std::span<const LoweringRow> recurrentLowerings() { return kRows; }

} // namespace lamina::onnx
