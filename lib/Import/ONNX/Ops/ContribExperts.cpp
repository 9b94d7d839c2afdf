//===- ContribExperts.cpp - onnxruntime's mixtures of experts -------------------------------------------===//
//
// x [tokens, width] goes through the k experts with the largest router logits: activation(x w1ᵀ), perhaps
// times x w3ᵀ, then w2ᵀ. QMoE has weights of few bits with scales for each row, or for blocks along it.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/ExpertInputs.h"
#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>
#include <numeric>

namespace lamina::onnx {

namespace {
/// One matrix of every expert.
struct Matrix : ExpertInputs {
  int64_t rows = 0, columns = 0, bits = 0, block = 0; // bits 0: plain

  double at(const OpContext &context, int64_t expert, int64_t row, int64_t column) const {
    int64_t line = expert * rows + row;
    if (bits == 0)
      return context.in(weights).real(line * columns + column);
    int64_t blocks = columns / block, at = line * blocks + column / block;
    double zero = static_cast<double>(int64_t{1} << (bits - 1));
    if (context.has(zeros))
      zero = code(context, zeros, blocks == 1 ? expert : line, blocks == 1 ? rows : blocks,
                  blocks == 1 ? row : column / block);
    return (code(context, weights, line, columns, column) - zero) * context.in(scales).real(at);
  }

  double biasAt(const OpContext &context, int64_t expert, int64_t row) const {
    return context.has(bias) ? context.in(bias).real(expert * rows + row) : 0;
  }

private:
  /// Number i of a line of `length`, the first in the lowest bits.
  double code(const OpContext &context, size_t input, int64_t line, int64_t length, int64_t i) const {
    int64_t bytes = (length * bits + 7) / 8;
    return static_cast<double>((context.in(input).integer(line * bytes + i * bits / 8) >> (i * bits % 8)) &
                               ((1 << bits) - 1));
  }
};

struct Experts {
  Matrix first, second, third;
  int64_t tokens = 0, width = 0, inner = 0, count = 0, k = 0;
  int64_t fusion = 0; // gate and up in one matrix: 1 interleaved, 2 one after the other
  bool swiglu = false;
};

absl::Status checkMatrix(OpContext &context, Matrix &m, int64_t experts, int64_t rows, int64_t columns) {
  m.rows = rows, m.columns = columns;
  if (context.has(m.bias))
    LAMINA_RETURN_IF_ERROR(context.expectDims(m.bias, {experts, rows}));
  if (m.scales == 0)
    return context.expectDims(m.weights, {experts, rows, columns});
  m.bits = context.integer("expert_weight_bits", 4);
  m.block = context.integer("block_size", 0);
  m.block = m.block <= 0 ? columns : m.block;
  if ((m.bits != 2 && m.bits != 4 && m.bits != 8) || m.block < 1 || columns % m.block != 0 ||
      columns * m.bits % 8 != 0 || context.type(m.weights) != ElementType::UInt8)
    return context.error("weights of ", m.bits, " bits in blocks of ", m.block, " are not supported");
  LAMINA_RETURN_IF_ERROR(context.expectDims(m.weights, {experts, rows, columns * m.bits / 8}));
  int64_t blocks = columns / m.block;
  if (!context.has(m.scales) || context.in(m.scales).count() != elementCount(Dims{experts, rows, blocks}))
    return context.error("scales ", context.in(m.scales).describe(), " do not fit ", experts, " matrices");
  int64_t zeros = blocks == 1 ? (rows * m.bits + 7) / 8 : rows * ((blocks * m.bits + 7) / 8);
  if (context.has(m.zeros) && context.in(m.zeros).count() != elementCount(Dims{experts, zeros}))
    return context.error("zero points ", context.in(m.zeros).describe(), " do not fit ", experts,
                         " matrices");
  return absl::OkStatus();
}

absl::StatusOr<Experts> expertsOf(OpContext &context) {
  auto [first, second, third] = expertInputs(context.node());
  Experts e{{first}, {second}, {third}};
  LAMINA_RETURN_IF_ERROR(context.expectRank(0, 2, 3));
  LAMINA_RETURN_IF_ERROR(context.expectRank(1, 2, 2));
  LAMINA_RETURN_IF_ERROR(context.expectRank(e.first.weights, 3, 3));
  e.width = context.dims(0).back();
  e.tokens = elementCount(std::span(context.dims(0)).first(context.dims(0).size() - 1));
  e.count = context.dims(1)[1];
  e.k = context.integer("k", 1);
  LAMINA_RETURN_IF_ERROR(context.expectDims(1, {e.tokens, e.count}));
  std::string activation = context.text("activation_type", "relu");
  e.swiglu = activation == "swiglu";
  int64_t fusion = context.integer("swiglu_fusion", 0); // means nothing to other activations
  e.fusion = e.swiglu ? fusion : 0;
  if (e.k < 1 || e.k > e.count || e.fusion < 0 || e.fusion > 2 ||
      (e.swiglu && !e.fusion && !context.has(e.third.weights)))
    return context.error("cannot choose ", e.k, " of ", e.count, " experts, or their gates are in no input");
  if (context.integer("use_sparse_mixer", 0) || context.has(14) ||
      context.text("quant_type", "int") != "int" || context.integer("weights_prepacked", 0) > 0 ||
      context.integer("swiglu_limit_after_activation", 0))
    return context.error("has a sparse mixer, router weights, or weights of a form that is not supported");
  int64_t rows = context.dims(e.first.weights)[1];
  if (e.fusion && rows % 2 != 0)
    return context.error("cannot divide ", context.in(e.first.weights).describe(), " into gate and up");
  e.inner = e.fusion ? rows / 2 : rows;
  LAMINA_RETURN_IF_ERROR(checkMatrix(context, e.first, e.count, rows, e.width));
  LAMINA_RETURN_IF_ERROR(checkMatrix(context, e.second, e.count, e.width, e.inner));
  if (context.has(e.third.weights))
    LAMINA_RETURN_IF_ERROR(checkMatrix(context, e.third, e.count, e.inner, e.width));
  return e;
}

absl::Status expertsRule(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(expertsOf(context).status());
  return likeFirst(context);
}

absl::StatusOr<double (*)(double)> activationNamed(OpContext &context) {
  std::string name = context.text("activation_type", "relu");
  if (name == "relu")
    return +[](double x) { return std::max(x, 0.0); };
  if (name == "gelu")
    return +[](double x) {
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    };
  if (name == "silu" || name == "swiglu")
    return +[](double x) { return x * sigmoid(x); };
  if (name == "identity")
    return +[](double x) { return x; };
  return context.error("activation ", quoteName(name),
                       " is not known; relu, gelu, silu, swiglu and identity are");
}

/// The gate of a token: experts by descending logit, and the softmax over those that are chosen, or over all.
std::vector<std::pair<int64_t, double>> route(OpContext &context, const Experts &e, int64_t token) {
  auto logit = [&](int64_t i) { return context.in(1).real(token * e.count + i); };
  std::vector<int64_t> order(e.count);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return logit(a) > logit(b) || (!(logit(b) > logit(a)) && a < b); });
  double sum = 0;
  int64_t summed = context.integer("normalize_routing_weights", 0) ? e.k : e.count;
  for (int64_t i = 0; i < summed; ++i)
    sum += std::exp(logit(order[i]) - logit(order[0]));
  std::vector<std::pair<int64_t, double>> chosen;
  for (int64_t i = 0; i < e.k; ++i)
    chosen.emplace_back(order[i], std::exp(logit(order[i]) - logit(order[0])) / sum);
  return chosen;
}

absl::Status mixture(OpContext &context) {
  LAMINA_ASSIGN_OR_RETURN(Experts e, expertsOf(context));
  LAMINA_ASSIGN_OR_RETURN(auto activation, activationNamed(context));
  LAMINA_RETURN_IF_ERROR(context.spend({e.tokens, e.k, e.inner + 1, 40 * (e.width + 1)}));
  double alpha = context.real("activation_alpha", 1), beta = context.real("activation_beta", 0);
  double limit = context.real("swiglu_limit", INFINITY);
  std::vector<double> y(e.tokens * e.width, 0), hidden(e.inner);
  for (int64_t t = 0; t < e.tokens; ++t)
    for (auto [expert, share] : route(context, e, t)) {
      auto project = [&, expert = expert](const Matrix &m, int64_t row) {
        double sum = m.biasAt(context, expert, row);
        for (int64_t c = 0; c < e.width; ++c)
          sum += context.in(0).real(t * e.width + c) * m.at(context, expert, row, c);
        return sum;
      };
      for (int64_t i = 0; i < e.inner; ++i) {
        double gate = project(e.first, e.fusion == 1 ? 2 * i : i), up = 1;
        if (e.fusion)
          up = project(e.first, e.fusion == 1 ? 2 * i + 1 : i + e.inner);
        else if (context.has(e.third.weights))
          up = project(e.third, i);
        if (e.swiglu) {
          gate = std::fmin(gate, limit);
          up = std::fmin(std::fmax(up, -limit), limit) + beta;
        }
        hidden[i] = (e.swiglu ? gate * sigmoid(alpha * gate) : activation(gate)) * up;
      }
      for (int64_t r = 0; r < e.width; ++r) {
        double sum = e.second.biasAt(context, expert, r);
        for (int64_t i = 0; i < e.inner; ++i)
          sum += hidden[i] * e.second.at(context, expert, r, i);
        y[t * e.width + r] += share * sum;
      }
    }
  context.out(0).setReals(y);
  return absl::OkStatus();
}

constexpr OpRow kRows[] = {
    {.name = "MoE", .required = 3, .most = 8, .rule = expertsRule, .semantics = mixture, .domain = kContrib},
    {.name = "QMoE",
     .required = 3,
     .most = 14,
     .rule = expertsRule,
     .semantics = mixture,
     .domain = kContrib},
};
} // namespace

std::span<const OpRow> contribExpertRows() { return kRows; }

} // namespace lamina::onnx
