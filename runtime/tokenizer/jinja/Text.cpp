//===- Text.cpp - strings as Python sees them -----------------------------------------------------------===//

#include "runtime/tokenizer/jinja/Text.h"

#include "runtime/tokenizer/Utf8.h"

namespace lamina::jinja {
namespace {

/// The last character of a text that is not empty.
std::string_view lastCharacter(std::string_view text) {
  for (size_t length = 1; length <= 4 && length <= text.size(); ++length) {
    std::string_view tail = text.substr(text.size() - length);
    utf8::Unit unit = utf8::decode(tail);
    if (unit.wellFormed && unit.length == length)
      return tail;
  }
  return text.substr(text.size() - 1);
}

template <typename Predicate> std::string_view trimLeft(std::string_view text, Predicate drop) {
  while (!text.empty()) {
    std::string_view first = text.substr(0, utf8::decode(text).length);
    if (!drop(first))
      break;
    text.remove_prefix(first.size());
  }
  return text;
}

template <typename Predicate> std::string_view trimRight(std::string_view text, Predicate drop) {
  while (!text.empty()) {
    std::string_view last = lastCharacter(text);
    if (!drop(last))
      break;
    text.remove_suffix(last.size());
  }
  return text;
}

bool isSpaceCharacter(std::string_view character) { return isSpace(utf8::decode(character).codepoint); }

} // namespace

bool isSpace(uint32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

std::string_view stripLeft(std::string_view text) { return trimLeft(text, isSpaceCharacter); }
std::string_view stripRight(std::string_view text) { return trimRight(text, isSpaceCharacter); }

std::string_view stripLeft(std::string_view text, std::string_view set) {
  return trimLeft(text, [&](std::string_view c) { return set.find(c) != std::string_view::npos; });
}

std::string_view stripRight(std::string_view text, std::string_view set) {
  return trimRight(text, [&](std::string_view c) { return set.find(c) != std::string_view::npos; });
}

std::vector<std::string_view> splitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t start = 0, at = 0;
  while (at < text.size()) {
    utf8::Unit unit = utf8::decode(text.substr(at));
    uint32_t c = unit.codepoint;
    size_t next = at + unit.length;
    if ((c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029) {
      lines.push_back(text.substr(start, at - start));
      if (c == '\r' && next < text.size() && text[next] == '\n')
        ++next;
      start = next;
    }
    at = next;
  }
  if (start < text.size())
    lines.push_back(text.substr(start));
  return lines;
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> result;
  while (!text.empty()) {
    result.push_back(text.substr(0, utf8::decode(text).length));
    text.remove_prefix(result.back().size());
  }
  return result;
}

} // namespace lamina::jinja
