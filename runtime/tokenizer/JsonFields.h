//===- JsonFields.h - members of JSON objects that may be anything --------------------------*- C++ -*-===//
//
// JSON from strangers: whatever a value is, asking for a member or a text never fails. null counts as absent.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_JSONFIELDS_H
#define LAMINA_RUNTIME_TOKENIZER_JSONFIELDS_H

#include "runtime/base/Status.h"
#include "runtime/base/StrCat.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace lamina {

using Json = nlohmann::json;

/// The object in `text`; the error names `file`.
inline absl::StatusOr<Json> parseJsonObject(std::string_view text, std::string_view file) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    return absl::InvalidArgumentError(strCat(file, ": expected a JSON object"));
  return json;
}

/// Null if `object` is none or has no such member.
inline const Json *member(const Json &object, const char *key) {
  if (!object.is_object())
    return nullptr;
  auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

inline std::string textOr(const Json &object, const char *key, std::string_view otherwise) {
  const Json *value = member(object, key);
  return value && value->is_string() ? value->get<std::string>() : std::string(otherwise);
}

inline bool flagOr(const Json &object, const char *key, bool otherwise) {
  const Json *value = member(object, key);
  return value && value->is_boolean() ? value->get<bool>() : otherwise;
}

/// An integer from 0 up.
inline std::optional<int64_t> natural(const Json &value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{1} << 62)
    return std::nullopt;
  return static_cast<int64_t>(value.get<uint64_t>());
}

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_JSONFIELDS_H
