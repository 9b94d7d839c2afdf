//===- ProbeInputs.cpp - names of inputs and sizes ------------------------------------------------------===//

#include "lib/Import/ONNX/ProbeInputs.h"

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
bool contains(const std::string &text, absl::string_view part) { return absl::StrContains(text, part); }

/// What the role of an input says of a size that the file leaves open: batch first, then new and past tokens.
std::optional<int64_t> sizeByRole(const Value &input, InputRole role, size_t axis, const Dimension &dimension,
                                  const ProbePoint &point, const ProbeOptions &options) {
  bool first = axis == 0;
  switch (role) {
  case InputRole::Tokens:
  case InputRole::Positions:
    // A list of positions or tokens without a batch is the new tokens'.
    return first && input.type.shape->size() > 1 ? 1 : point.S;
  case InputRole::AttentionMask:
    return first ? 1 : point.S + point.P;
  case InputRole::Cache: {
    constexpr int64_t kRoom = 16381; // as no other size
    bool isRoom = contains(dimension.symbol, "max") && !contains(dimension.symbol, "block");
    return first || contains(dimension.symbol, "batch") ? 1
           : isRoom                                     ? std::max(kRoom, options.longest)
                                                        : point.P;
  }
  case InputRole::FirstTokens:
    return 2;
  case InputRole::PastLengths:
  case InputRole::TotalLengths:
  case InputRole::LogitsToKeep:
    return 1;
  case InputRole::Pages: {
    constexpr int64_t kAnyNumber = 4; // nothing that is computed depends on it
    return first ? 1 : kAnyNumber;
  }
  case InputRole::Other:
    break;
  }
  return contains(dimension.symbol, "batch") ? std::optional<int64_t>(1) : std::nullopt;
}

/// Whether a size that the role speaks of may be another one: the width of embeddings, or heads beside the tokens of a cache.
bool mayBeOther(const Value &input, InputRole role, size_t axis, const Dimension &dimension) {
  if (role == InputRole::Tokens)
    return axis > 1;
  if (role != InputRole::Cache || axis == 0 || contains(dimension.symbol, "batch") ||
      contains(dimension.symbol, "seq") || contains(dimension.symbol, "past"))
    return false;
  auto isOpen = [](const Dimension &other) { return other.size < 0; };
  return std::count_if(input.type.shape->begin() + 1, input.type.shape->end(), isOpen) > 1;
}

absl::StatusOr<int64_t> sizeOf(const Value &input, InputRole role, size_t axis, const Dimension &dimension,
                               const ProbePoint &point, const ProbeOptions &options) {
  if (dimension.size >= 0)
    return dimension.size;
  std::optional<int64_t> known = sizeByRole(input, role, axis, dimension, point, options);
  auto given = options.sizes.find(dimension.symbol);
  if (given != options.sizes.end() && (!known || mayBeOther(input, role, axis, dimension)))
    return given->second;
  if (known && given == options.sizes.end())
    return *known;
  std::string size =
      strCat("input ", quoteName(input.name), ": size ", quoteName(dimension.symbol), " of axis ", axis);
  if (known)
    return absl::InvalidArgumentError(
        strCat(size, " is the batch's; leave out --dim ", dimension.symbol, "=", given->second));
  if (dimension.symbol.empty())
    return absl::InvalidArgumentError(strCat(size, " is not declared; declare it in the model"));
  return absl::InvalidArgumentError(
      strCat(size, " is not known; give it with --dim ", dimension.symbol, "=N"));
}
} // namespace

InputRole roleOf(const Value &input) {
  const std::string &name = input.name;
  if (contains(name, "cumulative_sequence_length"))
    return InputRole::FirstTokens;
  if (contains(name, "past_sequence_length") || contains(name, "write_indices"))
    return InputRole::PastLengths;
  if (contains(name, "nonpad_kv_seqlen"))
    return InputRole::TotalLengths;
  if (contains(name, "logits_to_keep"))
    return InputRole::LogitsToKeep;
  if (contains(name, "block_table"))
    return InputRole::Pages;
  if (contains(name, "past") || contains(name, "cache.") || contains(name, "_cache") ||
      contains(name, "cache_k"))
    return InputRole::Cache;
  if (contains(name, "position"))
    return InputRole::Positions;
  if (contains(name, "mask"))
    return InputRole::AttentionMask;
  if (contains(name, "input_ids") || contains(name, "tokens") || contains(name, "inputs_embeds"))
    return InputRole::Tokens;
  return InputRole::Other;
}

std::vector<CacheInputs> pairedCaches(const Graph &graph) {
  std::vector<ValueId> all, keys, values;
  for (ValueId id : graph.inputs) {
    if (roleOf(graph.values[id]) != InputRole::Cache)
      continue;
    // "past_key_values.0.key" has both words.
    std::string name = absl::StrReplaceAll(graph.values[id].name, {{"key_values", ""}});
    all.push_back(id);
    if (contains(name, "key"))
      keys.push_back(id);
    else if (contains(name, "value"))
      values.push_back(id);
  }
  std::vector<CacheInputs> pairs;
  bool named = keys.size() == values.size() && keys.size() + values.size() == all.size();
  for (size_t i = 0; i < all.size() / 2 && all.size() % 2 == 0; ++i)
    pairs.push_back(named ? CacheInputs{keys[i], values[i]} : CacheInputs{all[2 * i], all[2 * i + 1]});
  return pairs;
}

bool isDecoder(const Graph &graph) {
  bool tokens = false, cache = false;
  for (ValueId id : graph.inputs) {
    InputRole role = roleOf(graph.values[id]);
    tokens |= role == InputRole::Tokens;
    cache |= role == InputRole::Cache;
  }
  return tokens && cache;
}

absl::StatusOr<Tensor> inputAt(const Value &input, const ProbePoint &point, const ProbeOptions &options) {
  if (input.type.kind != Type::Kind::Tensor || !input.type.shape)
    return absl::InvalidArgumentError(
        strCat("input ", quoteName(input.name), " does not declare the shape of a tensor"));
  InputRole role = roleOf(input);
  Dims dims;
  for (size_t axis = 0; axis < input.type.shape->size(); ++axis) {
    LAMINA_ASSIGN_OR_RETURN(int64_t size,
                            sizeOf(input, role, axis, (*input.type.shape)[axis], point, options));
    dims.push_back(size);
  }
  Tensor tensor(input.type.element, dims);
  std::optional<std::vector<int64_t>> lengths;
  if (role == InputRole::FirstTokens)
    lengths = {0, point.S};
  if (role == InputRole::PastLengths)
    lengths = {point.P};
  if (role == InputRole::TotalLengths)
    lengths = {point.S + point.P};
  if (role == InputRole::LogitsToKeep)
    lengths = {0};
  if (lengths && tensor.count() == static_cast<int64_t>(lengths->size()) && isInteger(tensor.type()))
    return Tensor::ofIntegers(*lengths, dims, tensor.type());
  bool byBatch = role == InputRole::Positions || role == InputRole::AttentionMask;
  if (!byBatch || elementBytes(tensor.type()) == 0 || tensor.count() > options.limits.elements)
    return tensor;
  tensor.allocate();
  for (int64_t i = 0; i < tensor.count(); ++i)
    tensor.setInteger(i, role == InputRole::Positions ? point.P + i % std::max<int64_t>(dims.back(), 1) : 1);
  return tensor;
}

} // namespace lamina::onnx
