//===- Value.cpp - what a template computes with --------------------------------------------------------===//

#include "runtime/tokenizer/jinja/Value.h"

#include "runtime/base/StrCat.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace lamina::jinja {
namespace {

struct Extent {
  uint32_t depth = 1;
  uint64_t weight = 1;
};

absl::Status grow(Extent &extent, const Value &item) {
  if (item.is(Kind::Namespace) || item.is(Kind::Loop) || item.is(Kind::Function))
    return absl::UnimplementedError(strCat("a ", typeName(item), " inside a list or dict is not supported"));
  extent.depth = std::max(extent.depth, item.depth() + 1);
  extent.weight += item.weight();
  if (extent.depth > maxDepth)
    return absl::ResourceExhaustedError(strCat("values nest deeper than ", maxDepth));
  if (extent.weight > maxWeight)
    return absl::ResourceExhaustedError(strCat("a list or dict holds more than ", maxWeight, " values"));
  return absl::OkStatus();
}

absl::StatusOr<Value> makeSequence(std::vector<Value> items, bool tuple) {
  Extent extent;
  for (const Value &item : items)
    LAMINA_RETURN_IF_ERROR(grow(extent, item));
  return Value(std::make_shared<const List>(List{std::move(items), tuple, extent.depth, extent.weight}));
}

/// `level` bounds the recursion before containers exist that could be measured.
absl::StatusOr<Value> convert(const nlohmann::ordered_json &json, uint32_t level) {
  if (level > maxDepth)
    return absl::ResourceExhaustedError(strCat("values nest deeper than ", maxDepth));
  switch (json.type()) {
  case nlohmann::json::value_t::null:
    return Value(nullptr);
  case nlohmann::json::value_t::boolean:
    return Value(*json.get_ptr<const bool *>());
  case nlohmann::json::value_t::number_integer:
    return Value(*json.get_ptr<const int64_t *>());
  case nlohmann::json::value_t::number_unsigned: {
    uint64_t value = *json.get_ptr<const uint64_t *>();
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return absl::UnimplementedError(strCat("the number ", value, " does not fit 64 bits with a sign"));
    return Value(static_cast<int64_t>(value));
  }
  case nlohmann::json::value_t::number_float:
    return Value(*json.get_ptr<const double *>());
  case nlohmann::json::value_t::string:
    return Value(*json.get_ptr<const std::string *>());
  case nlohmann::json::value_t::array: {
    std::vector<Value> items;
    for (const nlohmann::ordered_json &item : json) {
      LAMINA_ASSIGN_OR_RETURN(Value value, convert(item, level + 1));
      items.push_back(std::move(value));
    }
    return makeList(std::move(items));
  }
  case nlohmann::json::value_t::object: {
    std::vector<std::pair<std::string, Value>> entries;
    for (auto entry = json.begin(); entry != json.end(); ++entry) {
      LAMINA_ASSIGN_OR_RETURN(Value value, convert(entry.value(), level + 1));
      entries.emplace_back(entry.key(), std::move(value));
    }
    return makeDict(std::move(entries));
  }
  default:
    return absl::InvalidArgumentError("a value is not JSON");
  }
}

bool equalItems(const std::vector<Value> &a, const std::vector<Value> &b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), equal);
}

bool equalDicts(const Dict &a, const Dict &b) {
  if (a.entries.size() != b.entries.size())
    return false;
  for (const auto &[key, value] : a.entries) {
    const Value *other = b.find(key);
    if (!other || !equal(value, *other))
      return false;
  }
  return true;
}

} // namespace

const Value *Dict::find(std::string_view key) const {
  for (const auto &[name, value] : entries)
    if (name == key)
      return &value;
  return nullptr;
}

bool Value::truthy() const {
  switch (kind()) {
  case Kind::Undefined:
  case Kind::None:
    return false;
  case Kind::Bool:
  case Kind::Int:
    return integer() != 0;
  case Kind::Float:
    return real() != 0.0;
  case Kind::String:
    return !text().empty();
  case Kind::List:
    return !items().empty();
  case Kind::Dict:
    return !dict().entries.empty();
  case Kind::Namespace:
  case Kind::Loop:
  case Kind::Function:
    return true;
  }
  return false;
}

uint32_t Value::depth() const { return is(Kind::List) ? list().depth : is(Kind::Dict) ? dict().depth : 0; }

uint64_t Value::weight() const {
  if (is(Kind::List))
    return list().weight;
  if (is(Kind::Dict))
    return dict().weight;
  return is(Kind::String) ? 1 + text().size() / 64 : 1;
}

absl::StatusOr<Value> makeList(std::vector<Value> items) {
  return makeSequence(std::move(items), /*tuple=*/false);
}
absl::StatusOr<Value> makeTuple(std::vector<Value> items) {
  return makeSequence(std::move(items), /*tuple=*/true);
}

absl::StatusOr<Value> makeDict(std::vector<std::pair<std::string, Value>> entries) {
  Extent extent;
  for (const auto &[key, value] : entries) {
    LAMINA_RETURN_IF_ERROR(grow(extent, value));
    extent.weight += 1 + key.size() / 64;
  }
  return Value(std::make_shared<const Dict>(Dict{std::move(entries), extent.depth, extent.weight}));
}

absl::StatusOr<Value> fromJson(const nlohmann::ordered_json &json) { return convert(json, 0); }

bool equal(const Value &a, const Value &b) {
  if (a.isIntegral() && b.isIntegral())
    return a.integer() == b.integer();
  if (a.isNumber() && b.isNumber())
    return a.number() == b.number();
  if (a.kind() != b.kind())
    return false;
  switch (a.kind()) {
  case Kind::Undefined:
  case Kind::None:
    return true;
  case Kind::String:
    return a.text() == b.text();
  case Kind::List:
    return a.list().tuple == b.list().tuple && equalItems(a.items(), b.items());
  case Kind::Dict:
    return equalDicts(a.dict(), b.dict());
  case Kind::Namespace:
    return &a.space() == &b.space();
  case Kind::Loop:
    return &a.loop() == &b.loop();
  case Kind::Function:
    return &a.function() == &b.function();
  default:
    return false;
  }
}

std::string_view typeName(const Value &value) {
  switch (value.kind()) {
  case Kind::Undefined:
    return "undefined value";
  case Kind::None:
    return "none";
  case Kind::Bool:
    return "bool";
  case Kind::Int:
    return "integer";
  case Kind::Float:
    return "float";
  case Kind::String:
    return "string";
  case Kind::List:
    return value.list().tuple ? "tuple" : "list";
  case Kind::Dict:
    return "dict";
  case Kind::Namespace:
    return "namespace";
  case Kind::Loop:
    return "loop";
  case Kind::Function:
    return "function";
  }
  return "value";
}

} // namespace lamina::jinja
