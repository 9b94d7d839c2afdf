//===- AttentionCore.cpp - softmax(q kᵀ) v, as loops ----------------------------------------------------===//

#include "lib/Import/ONNX/Lowerings/AttentionCore.h"

#include "lib/Import/ONNX/Lowerings/Rows.h"
#include "lib/Import/ONNX/TensorAttention.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

mlir::Value HeadsView::read(Lowering &low, mlir::Value batch, mlir::Value head, mlir::Value row,
                            mlir::Value element) const {
  if (tensor.dims().size() == 4)
    return low.read(tensor, {batch, head, row, element});
  return low.read(tensor, {batch, row, low.s.add(low.s.mul(head, low.s.index(size)), element)});
}

std::array<mlir::Value, 4> headIndex(Scalars &s, Indices index, int64_t size) {
  if (index.size() == 4)
    return {index[0], index[1], index[2], index[3]};
  return {index[0], arith::DivUIOp::create(s, index[2], s.index(size)), index[1],
          arith::RemUIOp::create(s, index[2], s.index(size))};
}

Operand appendRows(Lowering &low, std::optional<Operand> past, const HeadsView &next,
                   ArrayRef<int64_t> dims) {
  Scalars &s = low.s;
  int64_t before = past ? past->dims()[2] : 0, after = dims[2] - before;
  return low.compute(next.tensor.type, dims, [&](Indices index) {
    if (before == 0)
      return next.read(low, index[0], index[1], index[2], index[3]);
    SmallVector<mlir::Value> old(index);
    old[2] = s.clampIndex(index[2], before);
    mlir::Value first = low.read(*past, old);
    if (after == 0)
      return first;
    mlir::Value row = s.clampIndex(s.sub(index[2], s.index(before)), after);
    return s.select(s.inRange(index[2], before), first, next.read(low, index[0], index[1], row, index[3]));
  });
}

namespace {
using mlir::Value;

class Emitter {
public:
  Emitter(Lowering &low, const AttentionLoops &problem)
      : low_(low), s_(low.s), p_(problem), n_(problem.sizes), type_(problem.type),
        real_(low.s.computed(problem.type)) {}

  void run(ScoreStage stage) {
    Operand scores[4]; // by stage
    scores[0] = raw();
    scores[1] = capped(scores[0]);
    scores[2] = low_.compute(type_, scores[1].dims(),
                             [&](Indices index) { return p_.biased(low_.read(scores[1], index), index); });
    scores[3] = probabilities(scores[2]);
    low_.compute(0, [&](Indices index) {
      auto [b, h, i, d] = headIndex(s_, index, n_.valueSize);
      Value kvHead = shared(h);
      Value y = low_.sum({n_.keys}, real_, [&](Indices key) {
        Value weight = low_.read(scores[3], {b, h, i, key[0]});
        return s_.mul(weight, s_.cast(p_.v.read(low_, b, kvHead, key[0], d), p_.v.tensor.type, type_));
      });
      return s_.cast(y, type_, low_.op.out(0).type());
    });
    if (low_.op.wants(3))
      low_.map(3, scores[size_t(stage)],
               [&](Indices x) { return s_.cast(x[0], type_, low_.op.out(3).type()); });
  }

private:
  /// The head of keys that a head of queries looks at.
  Value shared(Value head) { return arith::DivUIOp::create(s_, head, s_.index(n_.heads / n_.kvHeads)); }

  Operand raw() {
    return low_.compute(type_, {n_.batch, n_.heads, n_.queries, n_.keys}, [&](Indices index) {
      Value kvHead = shared(index[1]);
      Value sum = low_.sum({n_.size}, real_, [&](Indices d) {
        Value x = s_.cast(p_.q.read(low_, index[0], index[1], index[2], d[0]), p_.q.tensor.type, type_);
        return s_.mul(x, s_.cast(p_.k.read(low_, index[0], kvHead, index[3], d[0]), p_.k.tensor.type, type_));
      });
      return s_.mul(sum, s_.real(real_, p_.scale));
    });
  }

  Operand capped(const Operand &scores) {
    if (p_.softcap <= 0)
      return scores;
    return low_.map(type_, scores.dims(), scores, [&](Indices x) {
      Value limit = s_.real(real_, p_.softcap);
      return s_.mul(limit, s_.tanh(s_.div(x[0], limit, type_)));
    });
  }

  Operand probabilities(const Operand &scores) {
    bool rounds = p_.rounded != ElementType::Undefined && s_.computed(p_.rounded) == real_;
    auto at = [&](Value x) { return rounds ? s_.widen(s_.narrow(x, p_.rounded), p_.rounded) : x; };
    RowsView rows(scores, {3}, type_);
    Operand largest = low_.compute(type_, rows.outer(), [&](Indices row) {
      return rows.fold(low_, row, s_.real(real_, -INFINITY),
                       [&](Value sofar, Value x) { return s_.max(sofar, at(x), type_); });
    });
    auto shifted = [&](Value x, Value most) {
      Value none = s_.compare(Compare::Equal, most, s_.real(real_, -INFINITY), type_);
      return s_.select(none, s_.real(real_, 0), s_.exp(s_.sub(at(x), most)));
    };
    Operand total = low_.compute(type_, rows.outer(), [&](Indices row) {
      Value most = low_.read(largest, row);
      Value sum = rows.fold(low_, row, s_.real(real_, 0),
                            [&](Value sofar, Value x) { return s_.add(sofar, shifted(x, most)); });
      Value none = s_.compare(Compare::Equal, sum, s_.real(real_, 0), type_);
      return s_.select(none, s_.real(real_, 1), sum);
    });
    return low_.map(type_, scores.dims(), {scores, largest, total},
                    [&](Indices x) { return s_.div(shifted(x[0], x[1]), x[2], type_); });
  }

  Lowering &low_;
  Scalars &s_;
  const AttentionLoops &p_;
  const AttentionSizes &n_;
  ElementType type_;
  mlir::Type real_;
};
} // namespace

void attend(Lowering &low, const AttentionLoops &problem, ScoreStage stage) {
  AppendedOperations appended(low.s);
  Emitter(low, problem).run(stage);
  frameAttention({lm::AttentionKind::softmax, problem.q.tensor.value, problem.k.tensor.value,
                  problem.v.tensor.value, appended.get()},
                 low.results());
}

} // namespace lamina::onnx
