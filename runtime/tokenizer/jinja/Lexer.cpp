//===- Lexer.cpp - template source to tokens ------------------------------------------------------------===//

#include "runtime/tokenizer/jinja/Lexer.h"

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/Utf8.h"
#include "runtime/tokenizer/jinja/Text.h"

#include <algorithm>
#include <charconv>

namespace lamina::jinja {
namespace {

constexpr size_t maxSourceBytes = size_t(1) << 20;

std::string normalizeLineEnds(std::string_view source) {
  std::string text;
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n')
      continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n'))
    text.pop_back();
  return text;
}

bool isNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool isDigit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  absl::StatusOr<std::vector<Token>> run() {
    while (at_ < source_.size())
      LAMINA_RETURN_IF_ERROR(lexRoot());
    add(TokenKind::End, at_);
    return std::move(tokens_);
  }

private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool skip(std::string_view text) {
    if (!rest().starts_with(text))
      return false;
    at_ += text.size();
    return true;
  }
  void skipSpace() { at_ = source_.size() - stripLeft(rest()).size(); }

  Position position(size_t offset) {
    // Offsets come in ascending order but for errors, which may look back a little.
    if (offset < counted_) {
      counted_ = lineStart_ = 0;
      line_ = 1;
    }
    for (; counted_ < offset; ++counted_)
      if (source_[counted_] == '\n') {
        ++line_;
        lineStart_ = counted_ + 1;
      }
    return {line_, static_cast<uint32_t>(offset - lineStart_ + 1)};
  }

  absl::Status fail(size_t offset, std::string_view message) {
    return errorAt(position(offset), absl::StatusCode::kInvalidArgument, message);
  }

  Token &add(TokenKind kind, size_t offset) {
    Token &token = tokens_.emplace_back();
    token.kind = kind;
    token.at = position(offset);
    return token;
  }

  /// Emits text in front of a tag whose opening ends with `sign` ('-', '+' or 0).
  void addText(size_t begin, size_t end, char sign, bool block) {
    std::string_view text = std::string_view(source_).substr(begin, end - begin);
    if (sign == '-') {
      text = stripRight(text);
    } else if (sign != '+' && block) {
      size_t lineBegin = text.rfind('\n') + 1; // 0 if there is none
      if ((lineBegin > 0 || lineStarting_) && stripLeft(text.substr(lineBegin)).empty())
        text = text.substr(0, lineBegin);
    }
    if (!text.empty())
      add(TokenKind::Text, begin).text = text;
  }

  char takeSign() {
    char sign = at_ < source_.size() ? source_[at_] : 0;
    if (sign != '-' && sign != '+')
      return 0;
    ++at_;
    return sign;
  }

  /// The end of a block tag or comment at the current position; takes the white space that goes with it.
  bool takeEnd(std::string_view mark) {
    size_t begin = at_;
    if (skip("+") && skip(mark)) {
    } else if (at_ = begin; skip("-") && skip(mark)) {
      skipSpace();
    } else if (at_ = begin; skip(mark)) {
      skip("\n");
    } else {
      return false;
    }
    lineStarting_ = source_[at_ - 1] == '\n';
    return true;
  }

  absl::Status lexRoot() {
    size_t begin = at_, tag = begin;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        add(TokenKind::Text, begin).text = source_.substr(begin);
        at_ = source_.size();
        return absl::OkStatus();
      }
      if (char c = source_[tag + 1]; c == '{' || c == '%' || c == '#')
        break;
    }
    char kind = source_[tag + 1];
    at_ = tag + 2;
    char sign = takeSign();
    addText(begin, tag, sign, /*block=*/kind != '{');
    lineStarting_ = false;
    if (kind == '#')
      return lexComment(tag);
    if (kind == '%') {
      LAMINA_ASSIGN_OR_RETURN(bool raw, lexRaw(tag));
      if (raw)
        return absl::OkStatus();
    }
    add(kind == '%' ? TokenKind::BlockBegin : TokenKind::OutputBegin, tag);
    return lexTag(tag, kind == '%');
  }

  absl::Status lexComment(size_t tag) {
    for (; at_ < source_.size(); ++at_)
      if (takeEnd("#}"))
        return absl::OkStatus();
    return fail(tag, "comment without an end");
  }

  /// A raw block at {%: its text, up to and with endraw.
  absl::StatusOr<bool> lexRaw(size_t tag) {
    size_t begin = at_;
    skipSpace();
    if (!skip("raw") || (at_ < source_.size() && (isNameStart(source_[at_]) || isDigit(source_[at_])))) {
      at_ = begin;
      return false;
    }
    skipSpace();
    if (skip("-%}"))
      skipSpace();
    else if (!skip("%}"))
      return fail(tag, "raw tag without an end");
    lineStarting_ = source_[at_ - 1] == '\n';
    size_t text = at_;
    for (; at_ < source_.size(); ++at_) {
      size_t end = at_;
      if (!skip("{%"))
        continue;
      char sign = takeSign();
      skipSpace();
      if (skip("endraw")) {
        skipSpace();
        bool before = lineStarting_;
        if (takeEnd("%}")) {
          bool after = std::exchange(lineStarting_, before);
          addText(text, end, sign, /*block=*/true);
          lineStarting_ = after;
          return true;
        }
      }
      at_ = end;
    }
    return fail(tag, "raw block without endraw");
  }

  absl::Status lexTag(size_t tag, bool block) {
    std::string open; // brackets that are open
    for (;;) {
      skipSpace();
      if (at_ >= source_.size())
        return fail(tag,
                    block ? "tag without an end: expected %}" : "expression without an end: expected }}");
      size_t begin = at_;
      if (open.empty() && block && takeEnd("%}")) {
        add(TokenKind::BlockEnd, begin);
        return absl::OkStatus();
      }
      if (open.empty() && !block && (skip("}}") || skip("-}}"))) {
        if (source_[begin] == '-')
          skipSpace();
        lineStarting_ = source_[at_ - 1] == '\n';
        add(TokenKind::OutputEnd, begin);
        return absl::OkStatus();
      }
      LAMINA_RETURN_IF_ERROR(lexToken(open));
    }
  }

  absl::Status lexToken(std::string &open) {
    size_t begin = at_;
    char c = source_[at_];
    if (isNameStart(c)) {
      while (at_ < source_.size() && (isNameStart(source_[at_]) || isDigit(source_[at_])))
        ++at_;
      add(TokenKind::Name, begin).text = source_.substr(begin, at_ - begin);
      return absl::OkStatus();
    }
    if (isDigit(c))
      return lexNumber();
    if (c == '"' || c == '\'')
      return lexString(c);
    for (std::string_view op : {"//", "**", "==", "!=", ">=", "<="})
      if (skip(op)) {
        add(TokenKind::Operator, begin).text = op;
        return absl::OkStatus();
      }
    if (std::string_view("+-/*%~[](){}<>=.:|,").find(c) == std::string_view::npos)
      return fail(begin,
                  strCat("unexpected character \"", rest().substr(0, utf8::decode(rest()).length), "\""));
    if (std::string_view opening = "([{"; opening.find(c) != std::string_view::npos) {
      open += c;
    } else if (size_t closing = std::string_view(")]}").find(c); closing != std::string_view::npos) {
      if (open.empty() || open.back() != opening[closing])
        return fail(begin, strCat("unexpected \"", std::string(1, c), "\""));
      open.pop_back();
    }
    ++at_;
    add(TokenKind::Operator, begin).text = std::string(1, c);
    return absl::OkStatus();
  }

  absl::Status lexNumber() {
    size_t begin = at_;
    std::string digits;
    auto takeDigits = [&] {
      while (at_ < source_.size() &&
             (isDigit(source_[at_]) ||
              (source_[at_] == '_' && at_ + 1 < source_.size() && isDigit(source_[at_ + 1]))))
        if (char c = source_[at_++]; c != '_')
          digits += c;
    };
    takeDigits();
    bool real = false;
    if (at_ + 1 < source_.size() && source_[at_] == '.' && isDigit(source_[at_ + 1])) {
      real = true;
      digits += source_[at_++];
      takeDigits();
    }
    size_t exponent = at_;
    if (skip("e") || skip("E")) {
      char sign = takeSign();
      if (at_ < source_.size() && isDigit(source_[at_])) {
        real = true;
        digits += sign == '-' ? "e-" : "e";
        takeDigits();
      } else {
        at_ = exponent;
      }
    }
    if (at_ < source_.size() && (isNameStart(source_[at_])))
      return fail(begin, "malformed number (only decimal numbers are supported)");
    Token &token = add(real ? TokenKind::Float : TokenKind::Integer, begin);
    const char *first = digits.data(), *last = first + digits.size();
    std::errc error =
        real ? std::from_chars(first, last, token.real).ec : std::from_chars(first, last, token.integer).ec;
    if (error != std::errc())
      return fail(begin, strCat("number ", digits.substr(0, 32), " is out of range"));
    token.text = std::move(digits);
    return absl::OkStatus();
  }

  absl::Status lexString(char quote) {
    size_t begin = at_++;
    std::string text;
    while (at_ < source_.size() && source_[at_] != quote) {
      if (source_[at_] != '\\') {
        text += source_[at_++];
        continue;
      }
      LAMINA_RETURN_IF_ERROR(lexEscape(text));
    }
    if (!skip(std::string_view(&quote, 1)))
      return fail(begin, "string without an end");
    add(TokenKind::String, begin).text = std::move(text);
    return absl::OkStatus();
  }

  absl::Status lexEscape(std::string &text) {
    size_t begin = at_++;
    if (at_ >= source_.size())
      return fail(begin, "string without an end");
    char c = source_[at_++];
    constexpr std::string_view letters = "\\'\"nrtabfv\n", meanings = "\\'\"\n\r\t\a\b\f\v";
    if (size_t index = letters.find(c); index != std::string_view::npos) {
      if (c != '\n')
        text += meanings[index];
      return absl::OkStatus();
    }
    size_t length = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    int base = 16;
    if (c >= '0' && c <= '7') {
      base = 8;
      --at_;
      while (length < 3 && at_ + length < source_.size() && source_[at_ + length] >= '0' &&
             source_[at_ + length] <= '7')
        ++length;
    }
    if (c == 'N')
      return fail(begin, "the escape \\N is not supported");
    if (length == 0) {
      text += {'\\', c};
      return absl::OkStatus();
    }
    uint32_t value = 0;
    const char *first = source_.data() + at_;
    const char *last = first + std::min(length, source_.size() - at_);
    auto [end, error] = std::from_chars(first, last, value, base);
    if (error != std::errc() || end != first + length || value > 0x10ffff ||
        (value >= 0xd800 && value < 0xe000))
      return fail(begin, "escape that is not a character");
    utf8::append(value, text);
    at_ += length;
    return absl::OkStatus();
  }

  std::string source_;
  size_t at_ = 0;
  bool lineStarting_ = true; ///< the token before ended with a line end
  size_t counted_ = 0, lineStart_ = 0;
  uint32_t line_ = 1;
  std::vector<Token> tokens_;
};

} // namespace

absl::Status errorAt(Position at, absl::StatusCode code, std::string_view message) {
  std::string line = strCat("chat template: line ", at.line, ", column ", at.column, ": ", message);
  std::replace_if(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return absl::Status(code, toAbsl(line));
}

absl::Status errorAt(Position at, const absl::Status &status) {
  return errorAt(at, status.code(), toStd(status.message()));
}

absl::StatusOr<std::vector<Token>> tokenize(std::string_view source) {
  if (source.size() > maxSourceBytes)
    return absl::ResourceExhaustedError(strCat("chat template of ", source.size(),
                                               " bytes is longer than the ", maxSourceBytes,
                                               " that are accepted"));
  return Lexer(normalizeLineEnds(source)).run();
}

} // namespace lamina::jinja
