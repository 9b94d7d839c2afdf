//===- StreamDecoder.cpp - tokens to text, as they come -------------------------------------------------===//

#include "runtime/tokenizer/StreamDecoder.h"

#include "runtime/tokenizer/Utf8.h"

namespace lamina {

std::string StreamDecoder::pushBytes(std::string_view bytes) {
  held_ += bytes;
  std::string text;
  std::string_view rest = held_;
  while (!rest.empty()) {
    size_t good = utf8::wellFormedPrefix(rest);
    text += rest.substr(0, good);
    rest.remove_prefix(good);
    if (rest.empty() || utf8::isIncomplete(rest))
      break;
    utf8::append(0xfffd, text);
    rest.remove_prefix(1);
  }
  held_ = std::string(rest);
  return text;
}

std::string StreamDecoder::finish() {
  std::string text;
  if (!held_.empty())
    utf8::append(0xfffd, text);
  held_.clear();
  return text;
}

} // namespace lamina
