//===- Methods.cpp - methods of strings, lists, dicts and loops -----------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/Utf8.h"
#include "runtime/tokenizer/jinja/Builtins.h"
#include "runtime/tokenizer/jinja/Text.h"

#include <algorithm>
#include <limits>

namespace lamina::jinja {
namespace {

using ValueOr = absl::StatusOr<Value>;

/// A string argument; absent or none where `optional`.
absl::StatusOr<std::optional<std::string>> stringArgument(std::string_view method,
                                                          const std::optional<Value> &value) {
  if (!value || value->is(Kind::None))
    return std::optional<std::string>();
  if (!value->is(Kind::String))
    return absl::InvalidArgumentError(strCat(method, " needs a string, got a ", typeName(*value)));
  return std::optional<std::string>(value->text());
}

absl::StatusOr<int64_t> integerArgument(std::string_view method, const std::optional<Value> &value,
                                        int64_t otherwise) {
  if (!value || value->is(Kind::None))
    return otherwise;
  if (!value->isIntegral())
    return absl::InvalidArgumentError(strCat(method, " needs an integer, got a ", typeName(*value)));
  return value->integer();
}

ValueOr strip(std::string_view name, const Value &self, const Arguments &arguments) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"chars"}));
  LAMINA_ASSIGN_OR_RETURN(std::optional<std::string> set, stringArgument(name, bound[0]));
  std::string_view text = self.text();
  if (name != "rstrip")
    text = set ? stripLeft(text, *set) : stripLeft(text);
  if (name != "lstrip")
    text = set ? stripRight(text, *set) : stripRight(text);
  return Value(std::string(text), self.isSafe());
}

/// The length of the word that a text begins with, or ends with.
size_t wordLength(std::string_view text, bool atEnd) {
  size_t length = 0;
  while (length < text.size()) {
    std::string_view rest = atEnd ? text.substr(0, text.size() - length) : text.substr(length);
    size_t letter = atEnd ? 1 : utf8::decode(rest).length;
    while (atEnd && letter < 4 && letter < rest.size() &&
           !utf8::decode(rest.substr(rest.size() - letter)).wellFormed)
      ++letter;
    if (isSpace(utf8::decode(atEnd ? rest.substr(rest.size() - letter) : rest).codepoint))
      break;
    length += letter;
  }
  return length;
}

/// str.split() without a separator: runs of white space separate, and do not count at the end that is split
/// from.
std::vector<std::string_view> splitSpace(std::string_view text, int64_t limit, bool fromRight) {
  std::vector<std::string_view> parts;
  for (;;) {
    text = fromRight ? stripRight(text) : stripLeft(text);
    if (text.empty())
      break;
    size_t length = static_cast<int64_t>(parts.size()) == limit ? text.size() : wordLength(text, fromRight);
    parts.push_back(fromRight ? text.substr(text.size() - length) : text.substr(0, length));
    text = fromRight ? text.substr(0, text.size() - length) : text.substr(length);
  }
  if (fromRight)
    std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> splitBy(std::string_view text, std::string_view separator, int64_t limit,
                                      bool fromRight) {
  std::vector<std::string_view> parts;
  while (static_cast<int64_t>(parts.size()) < limit) {
    size_t at = fromRight ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos)
      break;
    parts.push_back(fromRight ? text.substr(at + separator.size()) : text.substr(0, at));
    text = fromRight ? text.substr(0, at) : text.substr(at + separator.size());
  }
  parts.push_back(text);
  if (fromRight)
    std::reverse(parts.begin(), parts.end());
  return parts;
}

ValueOr listOf(const std::vector<std::string_view> &parts, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(budget.charge(parts.size()));
  std::vector<Value> items;
  for (std::string_view part : parts)
    items.emplace_back(std::string(part));
  return makeList(std::move(items));
}

ValueOr split(std::string_view name, const Value &self, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"sep", "maxsplit"}));
  LAMINA_ASSIGN_OR_RETURN(std::optional<std::string> separator, stringArgument(name, bound[0]));
  LAMINA_ASSIGN_OR_RETURN(int64_t limit, integerArgument(name, bound[1], -1));
  if (limit < 0)
    limit = std::numeric_limits<int64_t>::max();
  if (separator && separator->empty())
    return absl::InvalidArgumentError(strCat(name, " by an empty string"));
  bool fromRight = name == "rsplit";
  if (separator)
    return listOf(splitBy(self.text(), *separator, limit, fromRight), budget);
  return listOf(splitSpace(self.text(), limit, fromRight), budget);
}

ValueOr startsOrEnds(std::string_view name, const Value &self, const Arguments &arguments) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"affix"}, 1));
  std::vector<Value> affixes{*bound[0]};
  if (bound[0]->is(Kind::List) && bound[0]->list().tuple)
    affixes = bound[0]->items();
  bool result = false;
  for (const Value &affix : affixes) {
    if (!affix.is(Kind::String))
      return absl::InvalidArgumentError(
          strCat(name, " needs a string or a tuple of strings, got a ", typeName(affix)));
    result |=
        name == "startswith" ? self.text().starts_with(affix.text()) : self.text().ends_with(affix.text());
  }
  return Value(result);
}

ValueOr find(std::string_view name, const Value &self, const Arguments &arguments) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"sub"}, 1));
  LAMINA_ASSIGN_OR_RETURN(std::optional<std::string> sub, stringArgument(name, bound[0]));
  if (!sub)
    return absl::InvalidArgumentError(strCat(name, " needs a string, got none"));
  const std::string &text = self.text();
  if (name == "count") {
    if (sub->empty())
      return Value(static_cast<int64_t>(utf8::countCodepoints(text) + 1));
    int64_t count = 0;
    for (size_t at = text.find(*sub); at != std::string::npos; at = text.find(*sub, at + sub->size()))
      ++count;
    return Value(count);
  }
  size_t at = name == "find" ? text.find(*sub) : text.rfind(*sub);
  if (at == std::string::npos)
    return Value(int64_t(-1));
  return Value(static_cast<int64_t>(utf8::countCodepoints(std::string_view(text).substr(0, at))));
}

ValueOr removeAffix(std::string_view name, const Value &self, const Arguments &arguments) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"affix"}, 1));
  LAMINA_ASSIGN_OR_RETURN(std::optional<std::string> affix, stringArgument(name, bound[0]));
  std::string_view text = self.text();
  if (affix && name == "removeprefix" && text.starts_with(*affix))
    text.remove_prefix(affix->size());
  if (affix && name == "removesuffix" && text.ends_with(*affix))
    text.remove_suffix(affix->size());
  return Value(std::string(text));
}

ValueOr isAll(std::string_view name, const Value &self) {
  bool all = !self.text().empty();
  for (std::string_view letter : characters(self.text())) {
    uint32_t c = utf8::decode(letter).codepoint;
    if (name == "isdigit" && c >= 0x80)
      return absl::UnimplementedError("isdigit on text beyond ASCII is not supported");
    all &= name == "isspace" ? isSpace(c) : c >= '0' && c <= '9';
  }
  return Value(all);
}

ValueOr callString(const Value &self, std::string_view name, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(budget.chargeText(self.text().size()));
  if (name == "strip" || name == "lstrip" || name == "rstrip")
    return strip(name, self, arguments);
  if (self.isSafe())
    return absl::UnimplementedError(strCat("the method ", name, " of a string marked safe is not supported"));
  if (name == "split" || name == "rsplit")
    return split(name, self, arguments, budget);
  if (name == "startswith" || name == "endswith")
    return startsOrEnds(name, self, arguments);
  if (name == "find" || name == "rfind" || name == "count")
    return find(name, self, arguments);
  if (name == "removeprefix" || name == "removesuffix")
    return removeAffix(name, self, arguments);
  if (name == "join") {
    LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"iterable"}, 1));
    LAMINA_ASSIGN_OR_RETURN(std::vector<Value> items, iterate(*bound[0], budget));
    for (const Value &item : items)
      if (!item.is(Kind::String))
        return absl::InvalidArgumentError(strCat("join needs strings, got a ", typeName(item)));
    LAMINA_ASSIGN_OR_RETURN(Value list, makeList(std::move(items)));
    return applyFilter("join", list, Arguments{{self}, {}}, budget);
  }
  if (name == "replace") {
    LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"old", "new", "count"}, 2));
    if (!bound[0]->is(Kind::String) || !bound[1]->is(Kind::String))
      return absl::InvalidArgumentError("replace needs strings");
    return applyFilter(name, self, arguments, budget);
  }
  LAMINA_RETURN_IF_ERROR(bindArguments(name, arguments, {}).status());
  if (name == "splitlines")
    return listOf(splitLines(self.text()), budget);
  if (name == "isdigit" || name == "isspace")
    return isAll(name, self);
  return applyFilter(name, self, arguments, budget); // upper, lower, capitalize
}

ValueOr callDict(const Value &self, std::string_view name, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(budget.charge(self.dict().entries.size()));
  if (name == "get") {
    LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"key", "default"}, 1));
    if (bound[0]->is(Kind::String))
      if (const Value *value = self.dict().find(bound[0]->text()))
        return *value;
    return bound[1].value_or(Value(nullptr));
  }
  LAMINA_RETURN_IF_ERROR(bindArguments(name, arguments, {}).status());
  if (name == "items")
    return applyFilter(name, self, arguments, budget);
  if (name == "copy")
    return self;
  std::vector<Value> items;
  for (const auto &[key, value] : self.dict().entries)
    items.push_back(name == "keys" ? Value(key) : value);
  return makeList(std::move(items));
}

ValueOr callList(const Value &self, std::string_view name, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"value"}, 1));
  LAMINA_RETURN_IF_ERROR(budget.charge(self.weight()));
  int64_t count = 0;
  for (size_t i = 0; i < self.items().size(); ++i) {
    if (!equal(self.items()[i], *bound[0]))
      continue;
    if (name == "index")
      return Value(static_cast<int64_t>(i));
    ++count;
  }
  if (name == "index")
    return absl::InvalidArgumentError("index: the value is not in the list");
  return Value(count);
}

} // namespace

ValueOr callMethod(const Value &self, std::string_view name, const Arguments &arguments, Budget &budget) {
  if (self.is(Kind::String))
    return callString(self, name, arguments, budget);
  if (self.is(Kind::Dict))
    return callDict(self, name, arguments, budget);
  if (self.is(Kind::List))
    return callList(self, name, arguments, budget);
  if (!arguments.keywords.empty() || arguments.positional.empty())
    return absl::InvalidArgumentError("loop.cycle needs values");
  return arguments.positional[self.loop().index % arguments.positional.size()];
}

} // namespace lamina::jinja
