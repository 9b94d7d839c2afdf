//===- Filters.cpp - filters ----------------------------------------------------------------------------===//

#include "runtime/tokenizer/jinja/Filters.h"
#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/Utf8.h"
#include "runtime/tokenizer/jinja/Operators.h"
#include "runtime/tokenizer/jinja/Text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace lamina::jinja {
namespace {

using ValueOr = absl::StatusOr<Value>;

ValueOr trim(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("trim", arguments, {"chars"}));
  LAMINA_ASSIGN_OR_RETURN(std::string text, textOf(input, budget));
  std::string_view trimmed = text;
  if (bound[0] && !bound[0]->is(Kind::None)) {
    LAMINA_ASSIGN_OR_RETURN(std::string set, textOf(*bound[0], budget));
    trimmed = stripRight(stripLeft(trimmed, set), set);
  } else {
    trimmed = stripRight(stripLeft(trimmed));
  }
  return Value(std::string(trimmed), input.isSafe());
}

ValueOr length(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("length", arguments, {}).status());
  switch (input.kind()) {
  case Kind::Undefined:
    return Value(int64_t(0));
  case Kind::String:
    LAMINA_RETURN_IF_ERROR(budget.chargeText(input.text().size()));
    return Value(static_cast<int64_t>(utf8::countCodepoints(input.text())));
  case Kind::List:
    return Value(static_cast<int64_t>(input.items().size()));
  case Kind::Dict:
    return Value(static_cast<int64_t>(input.dict().entries.size()));
  default:
    return absl::InvalidArgumentError(strCat("a ", typeName(input), " has no length"));
  }
}

ValueOr upper(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("upper", arguments, {}).status());
  LAMINA_ASSIGN_OR_RETURN(std::string text, textOf(input, budget));
  LAMINA_ASSIGN_OR_RETURN(text, changeCase(text, /*upper=*/true));
  return Value(std::move(text));
}

ValueOr lower(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("lower", arguments, {}).status());
  LAMINA_ASSIGN_OR_RETURN(std::string text, textOf(input, budget));
  LAMINA_ASSIGN_OR_RETURN(text, changeCase(text, /*upper=*/false));
  return Value(std::move(text));
}

ValueOr capitalize(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("capitalize", arguments, {}).status());
  LAMINA_ASSIGN_OR_RETURN(std::string text, textOf(input, budget));
  size_t first = text.empty() ? 0 : utf8::decode(text).length;
  LAMINA_ASSIGN_OR_RETURN(std::string head, changeCase(text.substr(0, first), /*upper=*/true));
  LAMINA_ASSIGN_OR_RETURN(std::string tail, changeCase(text.substr(first), /*upper=*/false));
  return Value(head + tail);
}

/// Words begin after white space and after - ( { [ <.
ValueOr title(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("title", arguments, {}).status());
  LAMINA_ASSIGN_OR_RETURN(std::string text, textOf(input, budget));
  std::string out;
  bool begin = true;
  for (std::string_view letter : characters(text)) {
    LAMINA_ASSIGN_OR_RETURN(std::string changed, changeCase(letter, begin));
    out += changed;
    begin = stripLeft(letter).empty() || std::string_view("-({[<").find(letter) != std::string_view::npos;
  }
  return Value(std::move(out));
}

ValueOr defaultValue(const Value &input, const Arguments &arguments, Budget &) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("default", arguments, {"default_value", "boolean"}));
  bool falsy = bound[1] && bound[1]->truthy();
  if (input.is(Kind::Undefined) || (falsy && !input.truthy()))
    return bound[0].value_or(Value(""));
  return input;
}

ValueOr replace(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("replace", arguments, {"old", "new", "count"}, 2));
  LAMINA_ASSIGN_OR_RETURN(std::string text, textOf(input, budget));
  LAMINA_ASSIGN_OR_RETURN(std::string from, textOf(*bound[0], budget));
  LAMINA_ASSIGN_OR_RETURN(std::string to, textOf(*bound[1], budget));
  if (bound[2] && !bound[2]->is(Kind::None) && !bound[2]->isIntegral())
    return absl::InvalidArgumentError("the count of replace is no integer");
  int64_t count = bound[2] && bound[2]->isIntegral() ? bound[2]->integer() : -1;
  if (from.empty())
    return absl::UnimplementedError("replacing an empty string is not supported");
  std::string out;
  size_t at = 0;
  for (; count != 0; --count) {
    size_t next = text.find(from, at);
    if (next == std::string::npos)
      break;
    out.append(text, at, next - at);
    out += to;
    at = next + from.size();
    if (out.size() > Budget::maxText)
      break;
  }
  out.append(text, at);
  LAMINA_RETURN_IF_ERROR(budget.chargeText(out.size()));
  return Value(std::move(out));
}

ValueOr indent(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("indent", arguments, {"width", "first", "blank"}));
  if (!input.is(Kind::String))
    return absl::InvalidArgumentError(strCat("indent needs a string, got a ", typeName(input)));
  std::string space(4, ' ');
  if (bound[0] && bound[0]->is(Kind::String)) {
    space = bound[0]->text();
  } else if (bound[0]) {
    if (!bound[0]->isIntegral() || bound[0]->integer() > 10000)
      return absl::InvalidArgumentError("the width of indent is no string and no integer up to 10000");
    space.assign(static_cast<size_t>(std::max<int64_t>(bound[0]->integer(), 0)), ' ');
  }
  bool first = bound[1] && bound[1]->truthy(), blank = bound[2] && bound[2]->truthy();
  // The line end keeps a last empty line in being.
  std::string text = input.text() + "\n", out;
  std::vector<std::string_view> lines = splitLines(text);
  LAMINA_RETURN_IF_ERROR(budget.chargeText(text.size() + lines.size() * space.size()));
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0)
      out += '\n';
    if (i == 0 ? first : blank || !lines[i].empty())
      out += space;
    out += lines[i];
  }
  return Value(std::move(out));
}

ValueOr tojson(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(
      auto bound, bindArguments("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ensureAscii = bound[0] && bound[0]->truthy();
  style.sortKeys = bound[3] && bound[3]->truthy();
  if (bound[1] && !bound[1]->is(Kind::None)) {
    if (!bound[1]->isIntegral() || bound[1]->integer() < 0 || bound[1]->integer() > 100)
      return absl::UnimplementedError(
          "tojson with an indent that is no integer from 0 to 100 is not supported");
    style.indent = static_cast<int>(bound[1]->integer());
    style.itemSeparator = ",";
  }
  if (bound[2] && !bound[2]->is(Kind::None)) {
    if (!bound[2]->is(Kind::List) || bound[2]->items().size() != 2 ||
        !bound[2]->items()[0].is(Kind::String) || !bound[2]->items()[1].is(Kind::String))
      return absl::InvalidArgumentError("the separators of tojson are no two strings");
    style.itemSeparator = bound[2]->items()[0].text();
    style.keySeparator = bound[2]->items()[1].text();
  }
  LAMINA_RETURN_IF_ERROR(budget.charge(input.weight()));
  LAMINA_ASSIGN_OR_RETURN(std::string text, toJson(input, style));
  LAMINA_RETURN_IF_ERROR(budget.chargeText(text.size()));
  return Value(std::move(text));
}

ValueOr string(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("string", arguments, {}).status());
  LAMINA_ASSIGN_OR_RETURN(std::string text, textOf(input, budget));
  return Value(std::move(text), input.isSafe());
}

ValueOr safe(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("safe", arguments, {}).status());
  LAMINA_ASSIGN_OR_RETURN(std::string text, textOf(input, budget));
  return Value(std::move(text), /*safe=*/true);
}

ValueOr escape(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("escape", arguments, {}).status());
  if (input.isSafe())
    return input;
  LAMINA_ASSIGN_OR_RETURN(std::string text, textOf(input, budget));
  return Value(escapeMarkup(text), /*safe=*/true);
}

/// A number in decimal, as int() and float() read it from a string.
template <typename T> std::optional<T> parseNumber(std::string_view text) {
  text = stripRight(stripLeft(text));
  if (text.starts_with('+'))
    text.remove_prefix(1);
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

ValueOr toInteger(const Value &input, const Arguments &arguments, Budget &) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("int", arguments, {"default"}));
  Value otherwise = bound[0].value_or(Value(int64_t(0)));
  std::optional<double> real;
  if (input.isIntegral())
    return Value(input.integer());
  if (input.is(Kind::Float))
    real = input.real();
  if (input.is(Kind::String)) {
    if (std::optional<int64_t> integer = parseNumber<int64_t>(input.text()))
      return Value(*integer);
    real = parseNumber<double>(input.text());
  }
  if (!real || !(std::fabs(*real) < 9.2e18))
    return otherwise;
  return Value(static_cast<int64_t>(*real));
}

ValueOr toFloat(const Value &input, const Arguments &arguments, Budget &) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("float", arguments, {"default"}));
  if (input.isNumber())
    return Value(input.number());
  if (input.is(Kind::String))
    if (std::optional<double> real = parseNumber<double>(input.text()))
      return Value(*real);
  return bound[0].value_or(Value(0.0));
}

ValueOr absolute(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("abs", arguments, {}).status());
  if (!input.isNumber())
    return absl::InvalidArgumentError(strCat("abs of a ", typeName(input)));
  if (input.is(Kind::Float))
    return Value(std::fabs(input.real()));
  return input.integer() < 0 ? binary("-", Value(int64_t(0)), input, budget) : Value(input.integer());
}

ValueOr round(const Value &input, const Arguments &arguments, Budget &) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("round", arguments, {"precision", "method"}));
  std::string method = bound[1] && bound[1]->is(Kind::String) ? bound[1]->text() : "common";
  int64_t precision = bound[0] && bound[0]->isIntegral() ? bound[0]->integer() : 0;
  if (!input.isNumber() || precision < 0 || precision > 15 ||
      (method != "common" && method != "ceil" && method != "floor"))
    return absl::InvalidArgumentError(
        "round needs a number, a precision from 0 to 15 and the method common, ceil or floor");
  double scale = std::pow(10.0, static_cast<double>(precision)), value = input.number();
  if (method == "ceil")
    return Value(std::ceil(value * scale) / scale);
  if (method == "floor")
    return Value(std::floor(value * scale) / scale);
  if (input.isIntegral())
    return Value(input.integer());
  if (!std::isfinite(value) || std::fabs(value) > 1e15)
    return input;
  // Through decimal digits, because that is how Python rounds: correctly, halves to even.
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed,
                                    static_cast<int>(precision));
  std::from_chars(buffer, end, value);
  return Value(value);
}

constexpr NamedFilter scalarFilters[] = {
    {"trim", trim},      {"length", length},
    {"count", length},   {"upper", upper},
    {"lower", lower},    {"capitalize", capitalize},
    {"title", title},    {"default", defaultValue},
    {"d", defaultValue}, {"replace", replace},
    {"indent", indent},  {"tojson", tojson},
    {"string", string},  {"safe", safe},
    {"escape", escape},  {"e", escape},
    {"int", toInteger},  {"float", toFloat},
    {"abs", absolute},   {"round", round},
};

const NamedFilter *findFilter(std::string_view name) {
  for (std::span<const NamedFilter> table : {std::span<const NamedFilter>(scalarFilters), sequenceFilters()})
    for (const NamedFilter &filter : table)
      if (filter.name == name)
        return &filter;
  return nullptr;
}

/// Filters whose result does not depend on a string being marked safe, or that keep the mark.
bool acceptsSafe(std::string_view name) {
  for (std::string_view known :
       {"trim", "length", "count", "string", "safe", "escape", "e", "default", "d", "tojson"})
    if (name == known)
      return true;
  return false;
}

} // namespace

bool isFilter(std::string_view name) { return findFilter(name) != nullptr; }

ValueOr applyFilter(std::string_view name, const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(budget.charge(1));
  const NamedFilter *filter = findFilter(name);
  if (!filter)
    return absl::UnimplementedError(strCat("the filter \"", name.substr(0, 40), "\" is not supported"));
  if (input.isSafe() && !acceptsSafe(name))
    return absl::UnimplementedError(strCat("the filter ", name, " of a string marked safe is not supported"));
  return filter->apply(input, arguments, budget);
}

std::string escapeMarkup(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&#34;";
      break;
    case '\'':
      out += "&#39;";
      break;
    default:
      out += c;
    }
  }
  return out;
}

absl::StatusOr<std::string> changeCase(std::string_view text, bool upper) {
  std::string out;
  for (std::string_view letter : characters(text)) {
    uint32_t c = utf8::decode(letter).codepoint;
    // Punctuation, CJK, Hangul and pictographs have no case.
    bool caseless =
        (c >= 0xa0 && c < 0xb5 && c != 0xaa) || (c >= 0x2000 && c < 0x2070) || (c >= 0x2190 && c < 0x24b6) ||
        (c >= 0x2500 && c < 0x2c00) || (c >= 0x2e80 && c < 0xa4d0) || (c >= 0xac00 && c < 0xd7a4) ||
        (c >= 0xff00 && c < 0xff21) || (c >= 0x1f000 && c < 0x1f100) || (c >= 0x1f200 && c < 0x30000);
    if (c >= 0x80 && !caseless)
      return absl::UnimplementedError("changing the case of letters beyond ASCII is not supported");
    if (c >= 0x80)
      out += letter;
    else if (upper)
      out += static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    else
      out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return out;
}

} // namespace lamina::jinja
