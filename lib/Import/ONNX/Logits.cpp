//===- Logits.cpp - which output is logits, and what they are computed from -----------------------------===//

#include "lib/Import/ONNX/Logits.h"

#include "lib/Import/ONNX/Attributes.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
constexpr Affine kTokens{0, 1, 0}, kLast{-1, 1, 0};

/// Number `i` of a list of integers, if that is known.
std::optional<Affine> numberAt(const Meaning &meaning, size_t i) {
  if (const auto *fixed = std::get_if<Fixed>(&meaning);
      fixed && static_cast<size_t>(fixed->value.count()) > i)
    return Affine{fixed->value.integers()[i]};
  const auto *numbers = std::get_if<Numbers>(&meaning);
  return numbers && numbers->elements.size() > i ? std::optional(numbers->elements[i]) : std::nullopt;
}

/// Whether a node takes from its first input the last token alone.
bool takesLast(const Node &node, std::span<const ProbedValue> probed) {
  bool gather = node.op == "Gather",
       counted = gather || node.input(1) != kAbsent; // old Slices have attributes
  if (!node.domain.empty() || (!gather && node.op != "Slice") || node.input(0) == kAbsent || !counted)
    return false;
  const std::vector<Affine> &dims = probed[node.input(0)].dims;
  auto rank = static_cast<int64_t>(dims.size()),
       tokens = std::find(dims.begin(), dims.end(), kTokens) - dims.begin();
  const ProbedValue &places = probed[node.input(1)];
  auto isTokens = [&](int64_t axis) { return tokens < rank && (axis < 0 ? axis + rank : axis) == tokens; };
  auto isLast = [&](size_t i) {
    std::optional<Affine> place = numberAt(places.meaning, i);
    return place && (*place == Affine{-1} || *place == kLast);
  };
  if (gather)
    return isTokens(attributeOr(node, "axis", int64_t{0})) && !numberAt(places.meaning, 1) && isLast(0);
  const std::vector<Affine> &after = probed[node.output(0)].dims;
  if (tokens == rank || after.size() != dims.size() || after[tokens] != Affine{1})
    return false;
  ValueId axes = node.input(3);
  for (size_t i = 0; numberAt(places.meaning, i); ++i) {
    std::optional<Affine> axis =
        axes == kAbsent ? Affine{static_cast<int64_t>(i)} : numberAt(probed[axes].meaning, i);
    if (axis && axis->isConstant() && isTokens(axis->constant))
      return isLast(i);
  }
  return false;
}
} // namespace

std::optional<ValueId> logitsOf(const Graph &graph, std::span<const ProbedValue> probed) {
  for (ValueId id : graph.outputs) {
    const ProbedValue &value = probed[id];
    size_t rank = value.dims.size();
    if ((rank == 2 || rank == 3) && isReal(value.type) && value.dims[rank - 2] == kTokens &&
        value.dims.back().isConstant())
      return id;
  }
  return std::nullopt;
}

std::vector<bool> neededFor(ValueId logits, const Graph &graph, std::span<const ProbedValue> probed) {
  std::vector<bool> needed(graph.values.size());
  needed[logits] = true;
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node)
    if (std::any_of(node->outputs.begin(), node->outputs.end(),
                    [&](ValueId id) { return id != kAbsent && needed[id]; }))
      for (ValueId id : node->inputs)
        if (id != kAbsent && std::holds_alternative<Computed>(probed[id].meaning))
          needed[id] = true;
  return needed;
}

void readLastToken(const Graph &graph, std::vector<ProbedValue> &probed) {
  std::vector<bool> ofLast(probed.size());
  for (const Node &node : graph.nodes) {
    bool reads = std::any_of(node.inputs.begin(), node.inputs.end(),
                             [&](ValueId id) { return id != kAbsent && ofLast[id]; });
    if (!reads && !takesLast(node, probed))
      continue;
    for (ValueId id : node.outputs) {
      if (id == kAbsent || !isReal(probed[id].type))
        continue;
      // What is computed of a token is along the last axis, behind that of tokens.
      std::vector<Affine> &dims = probed[id].dims;
      if (reads && dims.size() >= 2 && dims[dims.size() - 2] == kTokens &&
          std::holds_alternative<Computed>(probed[id].meaning))
        probed[id].irregular = "all tokens meet the last one, so earlier ones depend on later ones; such a "
                               "model cannot decode with caches";
      if (dims.size() >= 2 && dims[dims.size() - 2] == Affine{1}) {
        dims[dims.size() - 2] = kTokens;
        ofLast[id] = true;
      }
    }
  }
}

absl::Status checkShapes(const Graph &graph, std::span<const ProbedValue> probed) {
  std::optional<ValueId> logits = logitsOf(graph, probed);
  std::vector<bool> needed = logits ? neededFor(*logits, graph, probed) : std::vector<bool>();
  for (const Node &node : graph.nodes)
    if (logits && std::any_of(node.outputs.begin(), node.outputs.end(),
                              [&](ValueId id) { return id != kAbsent && needed[id]; }))
      for (ValueId id : node.inputs)
        if (id != kAbsent && !probed[id].irregular.empty())
          return absl::UnimplementedError(
              strCat("value ", quoteName(graph.values[id].name), ": ", probed[id].irregular));
  return absl::OkStatus();
}

} // namespace lamina::onnx
