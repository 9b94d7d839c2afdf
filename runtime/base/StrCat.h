//===- StrCat.h - absl::StrCat for std::string_view ------------------------------------------------*- C++ -*-===//
//
// Distributions build abseil with a string_view of its own, which std::string_view does not convert to. strCat takes
// both, and everything else that absl::StrCat takes.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_BASE_STRCAT_H
#define LAMINA_RUNTIME_BASE_STRCAT_H

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include <string>
#include <string_view>
#include <type_traits>

namespace lamina {

inline absl::string_view toAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view toStd(absl::string_view text) { return {text.data(), text.size()}; }

namespace detail {
template <typename T> decltype(auto) catPiece(const T &part) {
  if constexpr (std::is_convertible_v<const T &, std::string_view>)
    return toAbsl(part);
  else
    return (part);
}
} // namespace detail

template <typename... Parts> std::string strCat(const Parts &...parts) {
  return absl::StrCat(detail::catPiece(parts)...);
}

/// A name from a file, fit for a one-line message: quoted, cut to a sane length, other bytes than printable ASCII
/// escaped.
std::string quoteName(std::string_view name);

} // namespace lamina

#endif // LAMINA_RUNTIME_BASE_STRCAT_H
