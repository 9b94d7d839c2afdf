//===- Utf8.cpp - well-formed and ill-formed UTF-8 ------------------------------------------------------===//

#include "runtime/tokenizer/Utf8.h"

namespace lamina::utf8 {
namespace {

/// What a lead byte promises: how many bytes, and the bounds of the second (which exclude overlong forms,
/// surrogates and values above U+10FFFF; every later byte is 80..BF).
struct Lead {
  size_t length;
  uint8_t low, high;
};

Lead classify(uint8_t byte) {
  if (byte < 0x80)
    return {1, 0, 0};
  if (byte < 0xc2)
    return {0, 0, 0};
  if (byte < 0xe0)
    return {2, 0x80, 0xbf};
  if (byte < 0xf0)
    return {3, static_cast<uint8_t>(byte == 0xe0 ? 0xa0 : 0x80),
            static_cast<uint8_t>(byte == 0xed ? 0x9f : 0xbf)};
  if (byte < 0xf5)
    return {4, static_cast<uint8_t>(byte == 0xf0 ? 0x90 : 0x80),
            static_cast<uint8_t>(byte == 0xf4 ? 0x8f : 0xbf)};
  return {0, 0, 0};
}

/// Bytes after the lead that fit its promise.
size_t matchingBytes(std::string_view text, Lead lead) {
  size_t matched = 1;
  for (; matched < lead.length && matched < text.size(); ++matched) {
    uint8_t byte = static_cast<uint8_t>(text[matched]);
    uint8_t low = matched == 1 ? lead.low : 0x80, high = matched == 1 ? lead.high : 0xbf;
    if (byte < low || byte > high)
      break;
  }
  return matched;
}

} // namespace

Unit decode(std::string_view text) {
  uint8_t first = static_cast<uint8_t>(text[0]);
  if (first < 0x80)
    return {first, 1, true};
  Lead lead = classify(first);
  if (lead.length == 0 || matchingBytes(text, lead) < lead.length)
    return {};
  uint32_t value = first & (0x7fu >> lead.length);
  for (size_t i = 1; i < lead.length; ++i)
    value = value << 6 | (static_cast<uint8_t>(text[i]) & 0x3f);
  return {value, lead.length, true};
}

void append(uint32_t codepoint, std::string &out) {
  if (codepoint > 0x10ffff || (codepoint >= 0xd800 && codepoint < 0xe000))
    codepoint = 0xfffd;
  if (codepoint < 0x80) {
    out += static_cast<char>(codepoint);
  } else if (codepoint < 0x800) {
    out += static_cast<char>(0xc0 | codepoint >> 6);
    out += static_cast<char>(0x80 | (codepoint & 0x3f));
  } else if (codepoint < 0x10000) {
    out += static_cast<char>(0xe0 | codepoint >> 12);
    out += static_cast<char>(0x80 | (codepoint >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (codepoint & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | codepoint >> 18);
    out += static_cast<char>(0x80 | (codepoint >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (codepoint >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (codepoint & 0x3f));
  }
}

size_t wellFormedPrefix(std::string_view text) {
  size_t offset = 0;
  while (offset < text.size()) {
    Unit unit = decode(text.substr(offset));
    if (!unit.wellFormed)
      break;
    offset += unit.length;
  }
  return offset;
}

bool isIncomplete(std::string_view text) {
  if (text.empty())
    return false;
  Lead lead = classify(static_cast<uint8_t>(text[0]));
  return text.size() < lead.length && matchingBytes(text, lead) == text.size();
}

size_t countCodepoints(std::string_view text) {
  size_t count = 0;
  for (size_t offset = 0; offset < text.size(); ++count)
    offset += decode(text.substr(offset)).length;
  return count;
}

std::string replaceAll(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0;;) {
    size_t next = text.find(from, at);
    out += text.substr(at, next - at);
    if (next == std::string_view::npos)
      return out;
    out += to;
    at = next + from.size();
  }
}

} // namespace lamina::utf8
