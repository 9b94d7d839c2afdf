//===- AttentionCore.cpp - softmax(q kᵀ) v, as the formula says -----------------------------------------===//

#include "lib/Import/ONNX/Ops/AttentionCore.h"

namespace lamina::onnx {

Heads headsOf(const Tensor &tensor, int64_t batch, int64_t heads, int64_t rows, int64_t size, int64_t first) {
  Heads result(batch, heads, rows, size);
  bool flat = tensor.rank() == 3;
  int64_t width = flat ? tensor.dims()[2] : 0, to = 0;
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t d = 0; d < size; ++d, ++to)
          result.values[to] = tensor.real(flat ? (b * rows + r) * width + first + h * size + d : to);
  return result;
}

void storeHeads(const Heads &heads, Tensor &tensor) {
  if (tensor.rank() != 3)
    return tensor.setReals(heads.values);
  for (int64_t b = 0; b < tensor.dims()[0]; ++b)
    for (int64_t r = 0; r < heads.rows; ++r)
      for (int64_t h = 0; h < heads.heads; ++h)
        for (int64_t d = 0; d < heads.size; ++d)
          tensor.setReal(((b * heads.rows + r) * heads.heads + h) * heads.size + d, heads.at(b, h, r, d));
}

Heads appendRows(const Heads &past, const Heads &next, int64_t batch) {
  Heads result(batch, next.heads, past.rows + next.rows, next.size);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < next.heads; ++h)
      for (int64_t r = 0; r < result.rows; ++r)
        for (int64_t d = 0; d < next.size; ++d)
          result.at(b, h, r, d) = r < past.rows ? past.at(b, h, r, d) : next.at(b, h, r - past.rows, d);
  return result;
}

namespace {
/// Scores of one query to probabilities, in place.
void softmaxRow(std::vector<double> &row, const double *sink) {
  double largest = sink ? *sink : -INFINITY, sum = 0;
  for (double score : row)
    largest = std::fmax(largest, score);
  for (double &score : row)
    sum += score = std::exp(score - largest);
  sum += sink ? std::exp(*sink - largest) : 0;
  for (double &score : row)
    score /= sum;
}

/// Computes one query of one head: the row of probabilities.
class Query {
public:
  Query(const AttentionProblem &problem, Tensor *scores, ScoreStage stage)
      : p_(problem), scores_(scores), stage_(stage), row_(problem.sizes.keys) {}

  const std::vector<double> &probabilities(int64_t b, int64_t h, int64_t i) {
    const AttentionSizes &s = p_.sizes;
    bool masked = true;
    for (int64_t j = 0; j < s.keys; ++j) {
      double score = 0;
      for (int64_t d = 0; d < s.size; ++d)
        score += p_.q.at(b, h, i, d) * p_.k.at(b, h / (s.heads / s.kvHeads), j, d);
      record(ScoreStage::Raw, b, h, i, j, score *= p_.scale);
      if (p_.softcap > 0)
        score = p_.softcap * std::tanh(score / p_.softcap);
      record(ScoreStage::Capped, b, h, i, j, score);
      double bias = p_.bias ? p_.bias(b, h, i, j) : 0;
      masked &= bias == -INFINITY;
      record(ScoreStage::Biased, b, h, i, j, score += bias);
      row_[j] = roundTo(p_.softmaxType, score);
    }
    // A query that sees nothing is decided by the mask: its scores may be anything, NaN too.
    if (masked)
      row_.assign(row_.size(), 0);
    else
      softmaxRow(row_, p_.sinks.empty() ? nullptr : &p_.sinks[h]);
    for (int64_t j = 0; j < s.keys; ++j)
      record(ScoreStage::Probability, b, h, i, j, row_[j]);
    return row_;
  }

private:
  void record(ScoreStage stage, int64_t b, int64_t h, int64_t i, int64_t j, double value) {
    if (scores_ && stage == stage_)
      scores_->setReal(((b * p_.sizes.heads + h) * p_.sizes.queries + i) * p_.sizes.keys + j, value);
  }
  const AttentionProblem &p_;
  Tensor *scores_;
  ScoreStage stage_;
  std::vector<double> row_;
};
} // namespace

absl::Status quantizedCacheError(const OpContext &context) {
  return context.error(
      "has a cache of quantised keys and values, which is not supported; export with one of floats, which "
      "--kv-type=q8_0 keeps in eight bits");
}

/// What an element that is kept costs; nothing else bounds results that no output takes.
constexpr int64_t kKept = 64;

absl::StatusOr<Heads> attend(const OpContext &context, const AttentionProblem &problem, Tensor *scores,
                             ScoreStage stage) {
  const AttentionSizes &s = problem.sizes;
  LAMINA_RETURN_IF_ERROR(context.spend({s.batch, s.heads, s.queries, s.valueSize, kKept}));
  LAMINA_RETURN_IF_ERROR(
      context.spend({s.batch, s.heads, s.queries, s.keys, 2 * (s.size + s.valueSize) + 40}));
  Heads result(s.batch, s.heads, s.queries, s.valueSize);
  Query query(problem, scores, stage);
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.heads; ++h)
      for (int64_t i = 0; i < s.queries; ++i) {
        const std::vector<double> &weights = query.probabilities(b, h, i);
        for (int64_t j = 0; j < s.keys; ++j)
          for (int64_t d = 0; d < s.valueSize; ++d)
            result.at(b, h, i, d) += weights[j] * problem.v.at(b, h / (s.heads / s.kvHeads), j, d);
      }
  return result;
}

} // namespace lamina::onnx
