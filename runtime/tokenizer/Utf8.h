//===- Utf8.h - well-formed and ill-formed UTF-8 ----------------------------------------------*- C++ -*-===//
//
// The tokenizer takes any bytes. A sequence is well formed as in the Unicode standard (no surrogates, no
// overlong forms, nothing above U+10FFFF); every other byte counts as one ill-formed unit of length one.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_UTF8_H
#define LAMINA_RUNTIME_TOKENIZER_UTF8_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lamina::utf8 {

/// A decoded unit at the front of some text.
struct Unit {
  uint32_t codepoint = 0xfffd; ///< U+FFFD where ill formed
  size_t length = 1;           ///< bytes it covers
  bool wellFormed = false;
};

/// The unit that starts `text`, which must not be empty.
Unit decode(std::string_view text);

/// Appends the UTF-8 form of a scalar value; anything else becomes U+FFFD.
void append(uint32_t codepoint, std::string &out);

/// Length of the longest prefix of `text` that is well formed.
size_t wellFormedPrefix(std::string_view text);

/// True if `text` is the proper beginning of one well-formed sequence, so that more bytes could complete it.
bool isIncomplete(std::string_view text);

/// Number of code points; an ill-formed byte counts as one.
size_t countCodepoints(std::string_view text);

/// `text` with every `from` (not empty) replaced, left to right.
std::string replaceAll(std::string_view text, std::string_view from, std::string_view to);

} // namespace lamina::utf8

#endif // LAMINA_RUNTIME_TOKENIZER_UTF8_H
