//===- StrCat.cpp - names for messages ------------------------------------------------------------------------===//

#include "runtime/base/StrCat.h"

#include "absl/strings/escaping.h"

namespace lamina {

std::string quoteName(std::string_view name) {
  constexpr size_t limit = 80;
  std::string text = strCat("'", absl::CHexEscape(toAbsl(name.substr(0, limit))), "'");
  if (name.size() > limit)
    text += "...";
  return text;
}

} // namespace lamina
