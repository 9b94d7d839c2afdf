//===- TokenizerFuzzer.cpp - any bytes as text ----------------------------------------------------------===//
//
// Encodes the input with a small vocabulary of each kind and checks that decoding gives the same bytes. The
// first byte picks the pre-tokenizer.
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/tokenizer/BpeTokenizer.h"
#include "runtime/tokenizer/StreamDecoder.h"

#include <cstdio>
#include <cstdlib>

namespace lamina {
namespace {

std::unique_ptr<Tokenizer> sentencePiece() {
  TokenizerData data;
  data.model = "llama";
  data.tokens = {"<unk>", "<s>", "</s>"};
  data.types = {TokenType::Unknown, TokenType::Control, TokenType::Control};
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", byte);
    data.tokens.push_back(text);
    data.types.push_back(TokenType::Byte);
  }
  for (const char *text : {"a", "b", "ab", "\u2581", "\u2581a", "aba", "\u2581\u2581", "\u017c", "a\u017c"}) {
    data.tokens.push_back(text);
    data.types.push_back(TokenType::Normal);
  }
  data.addSpacePrefix = true;
  return *Tokenizer::create(data);
}

std::unique_ptr<Tokenizer> byteLevel(const char *pre) {
  TokenizerData data;
  data.model = "gpt2";
  data.pre = pre;
  for (int byte = 0; byte < 256; ++byte)
    data.tokens.emplace_back(byteLetter(static_cast<uint8_t>(byte)));
  data.merges = {"a b", "ab a", "\u0120 a", "\u0120 \u0120", "\u00c5 \u00bc", "\u0120a b"};
  for (std::string merge : data.merges)
    data.tokens.push_back(merge.erase(merge.find(' '), 1));
  return *Tokenizer::create(data);
}

void check(const Tokenizer &tokenizer, std::string_view text) {
  absl::StatusOr<std::vector<int32_t>> ids = tokenizer.encode(text, {.parseSpecial = false});
  if (!ids.ok())
    return;
  if (*tokenizer.decode(*ids) != text)
    std::abort();
  StreamDecoder stream(tokenizer);
  for (int32_t id : *ids)
    stream.push(id);
  stream.finish();
}

} // namespace
} // namespace lamina

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  using namespace lamina;
  static const std::unique_ptr<Tokenizer> spm = sentencePiece();
  static const std::vector<std::unique_ptr<Tokenizer>> *bpe = [] {
    auto *all = new std::vector<std::unique_ptr<Tokenizer>>();
    for (const PreTokenizerSpec &spec : allPreTokenizers())
      all->push_back(byteLevel(spec.names.front()));
    return all;
  }();
  if (size == 0)
    return 0;
  std::string_view text(reinterpret_cast<const char *>(bytes) + 1, size - 1);
  if (text.find("\u2581") == std::string_view::npos)
    check(*spm, text);
  check(*(*bpe)[bytes[0] % bpe->size()], text);
  return 0;
}
