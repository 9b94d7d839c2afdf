//===- Lexer.h - template source to tokens ----------------------------------------------------*- C++ -*-===//
//
// Splits the source into text and the tokens within {{ }} and {% %}. Comments are dropped, raw blocks become
// text, and white space control is done here: "-" and "+" marks, trim_blocks (the line end after a block tag
// goes) and lstrip_blocks (spaces before a block tag that starts its line go). Line ends become \n and the
// last one of the source goes.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_JINJA_LEXER_H
#define LAMINA_RUNTIME_TOKENIZER_JINJA_LEXER_H

#include "runtime/tokenizer/jinja/AST.h"

namespace lamina::jinja {

enum class TokenKind {
  Text,
  OutputBegin,
  OutputEnd,
  BlockBegin,
  BlockEnd,
  Name,
  String,
  Integer,
  Float,
  Operator,
  End
};

struct Token {
  TokenKind kind = TokenKind::End;
  Position at;
  std::string text; ///< decoded, for strings
  int64_t integer = 0;
  double real = 0.0;
};

absl::StatusOr<std::vector<Token>> tokenize(std::string_view source);

} // namespace lamina::jinja

#endif // LAMINA_RUNTIME_TOKENIZER_JINJA_LEXER_H
