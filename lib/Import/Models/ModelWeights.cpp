//===- ModelWeights.cpp - which tensors a decoder consists of -----------------------------------------===//

#include "lib/Import/Models/ModelWeights.h"

#include "lib/Support/Names.h"

#include <cmath>

using namespace mlir;

namespace lamina {
namespace {

/// Where the rows of a projection lie in a fused tensor, and their rotary form.
struct Rows {
  std::string tensor; ///< without .weight or .bias; empty: the projection's own
  int64_t first = 0, total = 0;
  int64_t ropeHeads = 0, ropeLength = 0;
};

Norm declareNorm(WeightTable &table, const HyperParameters &p, const std::string &name, int64_t length) {
  Norm norm{table.declare({.symbol = name + ".weight", .shape = {length}}), {}};
  if (p.architecture->norm == NormKind::Layer)
    norm.bias = table.declare({.symbol = name + ".bias", .shape = {length}});
  return norm;
}

class LayerDeclarer {
public:
  LayerDeclarer(WeightTable &table, const HyperParameters &parameters, int64_t layer)
      : table_(table), p_(parameters), layer_(parameters.layers[layer]),
        prefix_("blk." + std::to_string(layer) + ".") {}

  LayerWeights declare() {
    const Architecture &arch = *p_.architecture;
    LayerWeights w;
    w.attentionNorm = declareNorm(table_, p_, prefix_ + "attn_norm", p_.hidden);
    declareAttention(w);
    if (arch.queryKeyNorm) {
      w.queryNorm = declareNorm(table_, p_, prefix_ + "attn_q_norm", p_.keyLength);
      w.keyNorm = declareNorm(table_, p_, prefix_ + "attn_k_norm", p_.keyLength);
    }
    if (!arch.parallelResidual)
      w.feedForwardNorm = declareNorm(table_, p_, prefix_ + "ffn_norm", p_.hidden);
    if (arch.postNorms) {
      w.postAttentionNorm = declareNorm(table_, p_, prefix_ + "post_attention_norm", p_.hidden);
      w.postFeedForwardNorm = declareNorm(table_, p_, prefix_ + "post_ffw_norm", p_.hidden);
    }
    if (p_.experts.count)
      declareExperts(w);
    else
      declareFeedForward(w);
    // The rotary frequencies as older converters stored them in every layer; the keys say the same.
    table_.ignore(prefix_ + "attn_rot_embd.weight");
    return w;
  }

private:
  Projection projection(StringRef name, int64_t rows, int64_t columns, Presence bias, const Rows &in = {}) {
    std::string own = prefix_ + name.str(), stored = in.tensor.empty() ? own : in.tensor;
    auto request = [&](StringRef suffix) {
      WeightRequest r{.symbol = own + suffix.str(), .shape = {rows}, .tensors = {stored + suffix.str()}};
      r.firstRow = in.first;
      r.totalRows = in.total;
      r.ropeHeads = in.ropeHeads;
      r.ropeLength = in.ropeLength;
      return r;
    };
    Projection result;
    WeightRequest matrix = request(".weight");
    matrix.shape.push_back(columns);
    result.matrix = table_.declare(matrix);
    if (bias == Presence::Required || (bias == Presence::Optional && table_.has(stored + ".bias")))
      result.bias = table_.declare(request(".bias"));
    return result;
  }

  void declareAttention(LayerWeights &w) {
    int64_t queryRows = layer_.queryHeads * p_.keyLength, keyRows = layer_.keyHeads * p_.keyLength;
    int64_t valueRows = layer_.keyHeads * p_.valueLength;
    Rows query, key, value;
    if (std::string fused = prefix_ + "attn_qkv"; table_.has(fused + ".weight")) {
      int64_t total = queryRows + keyRows + valueRows;
      query = {.tensor = fused, .first = 0, .total = total};
      key = {.tensor = fused, .first = queryRows, .total = total};
      value = {.tensor = fused, .first = queryRows + keyRows, .total = total};
    }
    if (p_.architecture->rope == RopeStyle::Interleaved) {
      query.ropeHeads = layer_.queryHeads;
      key.ropeHeads = layer_.keyHeads;
      query.ropeLength = key.ropeLength = p_.rope.length;
    }
    Presence bias = p_.architecture->qkvBias;
    w.query = projection("attn_q", queryRows, p_.hidden, bias, query);
    w.key = projection("attn_k", keyRows, p_.hidden, bias, key);
    w.value = projection("attn_v", valueRows, p_.hidden, bias, value);
    w.output = projection("attn_output", p_.hidden, layer_.queryHeads * p_.valueLength, Presence::Optional);
  }

  void declareFeedForward(LayerWeights &w) {
    int64_t width = layer_.feedForward;
    Rows gate, up;
    if (p_.architecture->fusedGateUp) {
      gate = {.tensor = prefix_ + "ffn_up", .first = 0, .total = 2 * width};
      up = {.tensor = prefix_ + "ffn_up", .first = width, .total = 2 * width};
    }
    if (p_.architecture->gated)
      w.gate = projection("ffn_gate", width, p_.hidden, Presence::Optional, gate);
    w.up = projection("ffn_up", width, p_.hidden, Presence::Optional, up);
    w.down = projection("ffn_down", p_.hidden, width, Presence::Optional);
  }

  void declareExperts(LayerWeights &w) {
    int64_t width = p_.experts.feedForward;
    w.router = projection("ffn_gate_inp", p_.experts.count, p_.hidden, Presence::Absent).matrix;
    w.gateExperts = experts("ffn_gate", width, p_.hidden);
    w.upExperts = experts("ffn_up", width, p_.hidden);
    w.downExperts = experts("ffn_down", p_.hidden, width);
  }

  /// One tensor of three dimensions, or in older files one matrix for each expert.
  lm::WeightOp experts(StringRef name, int64_t rows, int64_t columns) {
    std::string own = prefix_ + name.str();
    WeightRequest request{.symbol = own + "_exps.weight", .shape = {p_.experts.count, rows, columns}};
    if (table_.has(own + ".0.weight"))
      for (int64_t i = 0; i < p_.experts.count; ++i)
        request.tensors.push_back(own + "." + std::to_string(i) + ".weight");
    return table_.declare(request);
  }

  WeightTable &table_;
  const HyperParameters &p_;
  const LayerParameters &layer_;
  std::string prefix_;
};

/// Positive, finite values of a small tensor.
SmallVector<float> divisors(WeightTable &table, StringRef name, int64_t count) {
  SmallVector<float> values = table.values(name, count);
  for (float value : values)
    if (!(value > 0) || std::isinf(value)) {
      table.fail(name, "has the value " + numberText(value) + ", expected positive divisors");
      break;
    }
  return values;
}

/// The divisors of Llama 3.1, or those of longrope that suit the context.
SmallVector<float> ropeDivisors(WeightTable &table, const HyperParameters &p) {
  int64_t count = p.rope.length / 2;
  constexpr StringRef longName = "rope_factors_long.weight", shortName = "rope_factors_short.weight";
  if (p.longRope || table.has(longName) || table.has(shortName)) {
    bool beyond = p.context > p.rope.originalContext;
    table.ignore(beyond ? shortName : longName);
    return divisors(table, beyond ? longName : shortName, count);
  }
  constexpr StringRef llamaName = "rope_freqs.weight";
  return table.has(llamaName) ? divisors(table, llamaName, count) : SmallVector<float>();
}

} // namespace

ModelWeights declareWeights(WeightTable &table, const HyperParameters &p) {
  ModelWeights w;
  constexpr StringRef embedding = "token_embd.weight", head = "output.weight", headBias = "output.bias";
  int64_t vocabulary = p.vocabulary.value_or(table.rows(embedding));
  w.embedding = table.declare({.symbol = embedding.str(), .shape = {vocabulary, p.hidden}});
  if (p.architecture->rope == RopeStyle::None)
    w.positions = table.declare({.symbol = "position_embd.weight", .shape = {p.trainedContext, p.hidden}});
  else
    w.ropeDivisors = ropeDivisors(table, p);
  for (int64_t i = 0; i < int64_t(p.layers.size()); ++i)
    w.layers.push_back(LayerDeclarer(table, p, i).declare());
  w.outputNorm = declareNorm(table, p, "output_norm", p.hidden);
  w.head.matrix = w.embedding;
  if (table.has(head))
    w.head.matrix = table.declare({.symbol = head.str(), .shape = {vocabulary, p.hidden}});
  if (table.has(headBias))
    w.head.bias = table.declare({.symbol = headBias.str(), .shape = {vocabulary}});
  return w;
}

} // namespace lamina
