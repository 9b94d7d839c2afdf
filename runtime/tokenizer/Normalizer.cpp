//===- Normalizer.cpp - Unicode's normal forms ----------------------------------------------------------===//

#include "runtime/tokenizer/Normalizer.h"

#include "runtime/tokenizer/Utf8.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utf8proc.h>

namespace lamina {

/// Appends the normal form of well-formed text.
static void appendComposed(std::string_view text, std::string &out) {
  utf8proc_uint8_t *result = nullptr;
  utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t *>(text.data()),
                                       static_cast<utf8proc_ssize_t>(text.size()), &result,
                                       static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) // well-formed text lacks nothing but memory
    throw std::bad_alloc();
  out.append(reinterpret_cast<const char *>(result), static_cast<size_t>(size));
  std::free(result);
}

std::string composed(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }))
    return std::string(text);
  std::string out;
  while (!text.empty()) {
    size_t length = utf8::wellFormedPrefix(text);
    appendComposed(text.substr(0, length), out);
    text.remove_prefix(length);
    if (!text.empty()) {
      out += text.front();
      text.remove_prefix(1);
    }
  }
  return out;
}

} // namespace lamina
