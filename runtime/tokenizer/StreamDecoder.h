//===- StreamDecoder.h - tokens to text, as they come -----------------------------------------*- C++ -*-===//
//
// Tokens may end within a character. The decoder holds such bytes back until the character is complete, so
// every text it hands out is well-formed UTF-8; bytes that can no longer become a character come out as
// U+FFFD. It continues a text (the prompt): no leading space is removed. One per generated sequence; not
// thread-safe.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_STREAMDECODER_H
#define LAMINA_RUNTIME_TOKENIZER_STREAMDECODER_H

#include "runtime/tokenizer/Tokenizer.h"

#include <string>
#include <string_view>

namespace lamina {

class StreamDecoder {
public:
  /// `tokenizer` must outlive the decoder.
  explicit StreamDecoder(const Tokenizer &tokenizer, DecodeOptions options = {})
      : tokenizer_(tokenizer), options_(options) {}

  /// The text that this token completes; may be empty.
  std::string push(int32_t id) { return pushBytes(tokenizer_.decodePiece(id, options_)); }

  /// The same for bytes.
  std::string pushBytes(std::string_view bytes);

  /// What is still held back, as U+FFFD; the decoder is then as new.
  std::string finish();

private:
  const Tokenizer &tokenizer_;
  DecodeOptions options_;
  std::string held_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_STREAMDECODER_H
