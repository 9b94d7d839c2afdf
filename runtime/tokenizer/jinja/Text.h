//===- Text.h - strings as Python sees them ---------------------------------------------------*- C++ -*-===//
//
// Python's idea of white space and of lines, on UTF-8.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_JINJA_TEXT_H
#define LAMINA_RUNTIME_TOKENIZER_JINJA_TEXT_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lamina::jinja {

/// str.isspace() of one character.
bool isSpace(uint32_t codepoint);

/// str.lstrip() and str.rstrip(): of white space, or of the characters in `set`.
std::string_view stripLeft(std::string_view text);
std::string_view stripRight(std::string_view text);
std::string_view stripLeft(std::string_view text, std::string_view set);
std::string_view stripRight(std::string_view text, std::string_view set);

/// str.splitlines().
std::vector<std::string_view> splitLines(std::string_view text);

/// The characters of a text; an ill-formed byte is one.
std::vector<std::string_view> characters(std::string_view text);

} // namespace lamina::jinja

#endif // LAMINA_RUNTIME_TOKENIZER_JINJA_TEXT_H
