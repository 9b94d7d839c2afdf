//===- Attributes.cpp - checked access to a node's attributes -------------------------------------------===//

#include "lib/Import/ONNX/Attributes.h"

#include "runtime/base/StrCat.h"

#include <algorithm>
#include <cmath>

namespace lamina::onnx {

bool isNeutral(const Attribute &attribute) {
  struct Neutral {
    std::string_view name;
    double first, second;
  };
  static constexpr Neutral kNeutral[] = {
      {"stash_type", 1, 1},           {"saturate", 1, 1},  {"causal", 1, 1},
      {"smooth_softmax", 0, -1},      {"qk_output", 0, 0}, {"kv_cache_bit_width", 0, 0},
      {"sliding_window_cache", 0, 0}, {"scale", 1, 1},     {"is_packed_batching", 0, 0},
      {"rotary_interleaved", 0, 0},
  };
  if (const auto *text = std::get_if<std::string>(&attribute.value))
    return *text == "NONE" && attribute.name.ends_with("_quant_type");
  const auto *integer = std::get_if<int64_t>(&attribute.value);
  const auto *real = std::get_if<float>(&attribute.value);
  double value = integer ? static_cast<double>(*integer) : real ? *real : NAN;
  return std::any_of(std::begin(kNeutral), std::end(kNeutral), [&](const Neutral &neutral) {
    return attribute.name == neutral.name && (value == neutral.first || value == neutral.second);
  });
}

const Attribute *Attributes::find(std::string_view name) {
  const Attribute *attribute = node_->find(name);
  if (attribute)
    asked_[attribute - node_->attributes.data()] = true;
  return attribute;
}

template <typename T> const T *Attributes::get(std::string_view name, std::string_view kind) {
  const Attribute *attribute = find(name);
  if (!attribute)
    return nullptr;
  const T *value = std::get_if<T>(&attribute->value);
  if (!value && error_.ok())
    error_ = absl::InvalidArgumentError(
        strCat(node_->describe(), ": expected attribute '", name, "' to be ", kind));
  return value;
}

int64_t Attributes::integer(std::string_view name, int64_t fallback) {
  const int64_t *value = get<int64_t>(name, "an integer");
  return value ? *value : fallback;
}

double Attributes::real(std::string_view name, double fallback) {
  const float *value = get<float>(name, "a float");
  return value ? *value : fallback;
}

std::string Attributes::text(std::string_view name, std::string fallback) {
  const std::string *value = get<std::string>(name, "a string");
  return value ? *value : fallback;
}

std::vector<int64_t> Attributes::integers(std::string_view name, std::vector<int64_t> fallback) {
  const auto *value = get<std::vector<int64_t>>(name, "a list of integers");
  return value ? *value : fallback;
}

std::vector<double> Attributes::reals(std::string_view name) {
  const auto *value = get<std::vector<float>>(name, "a list of floats");
  return value ? std::vector<double>(value->begin(), value->end()) : std::vector<double>();
}

const TensorConstant *Attributes::tensor(std::string_view name) {
  return get<TensorConstant>(name, "a tensor");
}

const Graph *Attributes::graph(std::string_view name) {
  const auto *value = get<std::unique_ptr<Graph>>(name, "a graph");
  return value ? value->get() : nullptr;
}

absl::Status Attributes::checkAttributes() const {
  if (!error_.ok())
    return error_;
  for (size_t i = 0; i < asked_.size(); ++i)
    if (!asked_[i] && !isNeutral(node_->attributes[i]))
      return absl::UnimplementedError(strCat(node_->describe(), ": attribute ",
                                             quoteName(node_->attributes[i].name),
                                             " or its value is not known and may change results"));
  return absl::OkStatus();
}

} // namespace lamina::onnx
