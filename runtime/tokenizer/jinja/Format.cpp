//===- Format.cpp - values as text, as Python writes them -----------------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/Utf8.h"
#include "runtime/tokenizer/jinja/Value.h"

#include "absl/strings/str_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace lamina::jinja {
namespace {

/// Python's repr of a float: the shortest digits that read back, with an exponent only for very large and
/// small ones.
std::string formatFloat(double value, bool json) {
  if (std::isnan(value))
    return json ? "NaN" : "nan";
  if (std::isinf(value))
    return strCat(value < 0 ? "-" : "", json ? "Infinity" : "inf");
  double magnitude = std::fabs(value);
  bool scientific = magnitude != 0.0 && (magnitude >= 1e16 || magnitude < 1e-4);
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value,
                                    scientific ? std::chars_format::scientific : std::chars_format::fixed);
  std::string text(buffer, end);
  if (!scientific && text.find('.') == std::string::npos)
    text += ".0";
  return text;
}

void appendRepr(std::string_view text, std::string &out) {
  char quote =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  while (!text.empty()) {
    utf8::Unit unit = utf8::decode(text);
    uint32_t c = unit.codepoint;
    if (c == static_cast<uint32_t>(quote) || c == '\\')
      out += {'\\', static_cast<char>(c)};
    else if (c == '\n')
      out += "\\n";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\t')
      out += "\\t";
    else if (c < 0x20 || (c >= 0x7f && c < 0xa1) || c == 0xad)
      out += absl::StrFormat("\\x%02x", c);
    else
      out += text.substr(0, unit.length);
    text.remove_prefix(unit.length);
  }
  out += quote;
}

absl::Status noText(const Value &value) {
  return absl::UnimplementedError(strCat("a ", typeName(value), " as text is not supported"));
}

absl::Status appendValue(const Value &value, std::string &out) {
  switch (value.kind()) {
  case Kind::None:
    out += "None";
    return absl::OkStatus();
  case Kind::Bool:
    out += value.boolean() ? "True" : "False";
    return absl::OkStatus();
  case Kind::Int:
    out += strCat(value.integer());
    return absl::OkStatus();
  case Kind::Float:
    out += formatFloat(value.real(), /*json=*/false);
    return absl::OkStatus();
  case Kind::String:
    if (value.isSafe())
      return absl::UnimplementedError("the representation of a string marked safe is not supported");
    appendRepr(value.text(), out);
    return absl::OkStatus();
  case Kind::List: {
    bool tuple = value.list().tuple;
    out += tuple ? '(' : '[';
    for (size_t i = 0; i < value.items().size(); ++i) {
      if (i > 0)
        out += ", ";
      LAMINA_RETURN_IF_ERROR(appendValue(value.items()[i], out));
    }
    out += tuple ? value.items().size() == 1 ? ",)" : ")" : "]";
    return absl::OkStatus();
  }
  case Kind::Dict: {
    std::string_view separator = "{";
    for (const auto &[key, item] : value.dict().entries) {
      out += separator;
      separator = ", ";
      appendRepr(key, out);
      out += ": ";
      LAMINA_RETURN_IF_ERROR(appendValue(item, out));
    }
    out += value.dict().entries.empty() ? "{}" : "}";
    return absl::OkStatus();
  }
  case Kind::Undefined:
    out += "Undefined";
    return absl::OkStatus();
  default:
    return noText(value);
  }
}

void appendJsonString(std::string_view text, const JsonStyle &style, std::string &out) {
  out += '"';
  while (!text.empty()) {
    utf8::Unit unit = utf8::decode(text);
    uint32_t c = unit.codepoint;
    const char *shorts = "\"\"\\\\\nn\rr\tt\bb\ff";
    const char *found = nullptr;
    for (const char *s = shorts; *s && !found; s += 2)
      if (static_cast<uint32_t>(*s) == c)
        found = s;
    if (found)
      out += {'\\', found[1]};
    else if (c < 0x20 || (style.ensureAscii && c > 0x7e && c < 0x10000))
      out += absl::StrFormat("\\u%04x", c);
    else if (style.ensureAscii && c >= 0x10000)
      out +=
          absl::StrFormat("\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
    else
      out += text.substr(0, unit.length);
    text.remove_prefix(unit.length);
  }
  out += '"';
}

class JsonWriter {
public:
  JsonWriter(const JsonStyle &style, std::string &out) : style_(style), out_(out) {}

  absl::Status write(const Value &value, int level) {
    switch (value.kind()) {
    case Kind::None:
      out_ += "null";
      return absl::OkStatus();
    case Kind::Bool:
      out_ += value.boolean() ? "true" : "false";
      return absl::OkStatus();
    case Kind::Int:
      out_ += strCat(value.integer());
      return absl::OkStatus();
    case Kind::Float:
      out_ += formatFloat(value.real(), /*json=*/true);
      return absl::OkStatus();
    case Kind::String:
      appendJsonString(value.text(), style_, out_);
      return absl::OkStatus();
    case Kind::List:
      return writeList(value.items(), level);
    case Kind::Dict:
      return writeDict(value.dict(), level);
    default:
      return absl::InvalidArgumentError(strCat("a ", typeName(value), " cannot be written as JSON"));
    }
  }

private:
  absl::Status writeList(const std::vector<Value> &items, int level) {
    if (items.empty()) {
      out_ += "[]";
      return absl::OkStatus();
    }
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      startItem(i == 0, level + 1);
      LAMINA_RETURN_IF_ERROR(write(items[i], level + 1));
    }
    newLine(level);
    out_ += ']';
    return absl::OkStatus();
  }

  absl::Status writeDict(const Dict &dict, int level) {
    if (dict.entries.empty()) {
      out_ += "{}";
      return absl::OkStatus();
    }
    std::vector<const std::pair<std::string, Value> *> order;
    for (const auto &entry : dict.entries)
      order.push_back(&entry);
    if (style_.sortKeys)
      std::sort(order.begin(), order.end(), [](auto *a, auto *b) { return a->first < b->first; });
    out_ += '{';
    for (size_t i = 0; i < order.size(); ++i) {
      startItem(i == 0, level + 1);
      appendJsonString(order[i]->first, style_, out_);
      out_ += style_.keySeparator;
      LAMINA_RETURN_IF_ERROR(write(order[i]->second, level + 1));
    }
    newLine(level);
    out_ += '}';
    return absl::OkStatus();
  }

  void startItem(bool first, int level) {
    if (!first)
      out_ += style_.itemSeparator;
    newLine(level);
  }

  void newLine(int level) {
    if (style_.indent < 0)
      return;
    out_ += '\n';
    out_.append(static_cast<size_t>(level) * style_.indent, ' ');
  }

  const JsonStyle &style_;
  std::string &out_;
};

} // namespace

absl::StatusOr<std::string> toRepr(const Value &value) {
  std::string out;
  LAMINA_RETURN_IF_ERROR(appendValue(value, out));
  return out;
}

absl::StatusOr<std::string> toText(const Value &value) {
  if (value.is(Kind::String))
    return value.text();
  if (value.is(Kind::Undefined))
    return std::string();
  return toRepr(value);
}

absl::StatusOr<std::string> toJson(const Value &value, const JsonStyle &style) {
  std::string out;
  LAMINA_RETURN_IF_ERROR(JsonWriter(style, out).write(value, 0));
  return out;
}

} // namespace lamina::jinja
