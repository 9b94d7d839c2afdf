//===- Lookup.cpp - attributes, items, iteration, membership --------------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/jinja/Builtins.h"
#include "runtime/tokenizer/jinja/Text.h"

#include <algorithm>

namespace lamina::jinja {
namespace {

using ValueOr = absl::StatusOr<Value>;
using Names = std::initializer_list<std::string_view>;

bool isOneOf(std::string_view name, Names names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value method(const Value &self, std::string_view name) {
  return Value(std::make_shared<const Function>(Function{Function::Sort::Method, std::string(name), self}));
}

absl::Status noMethod(const Value &self, std::string_view name) {
  return absl::UnimplementedError(strCat("the method ", typeName(self), ".", name, " is not supported"));
}

Value missing(const Value &object, std::string_view name) {
  return Value::undefined(strCat("\"", name.substr(0, 100), "\" of a ", typeName(object)));
}

ValueOr dictAttribute(const Value &object, std::string_view name) {
  if (isOneOf(name, {"items", "keys", "values", "get", "copy"}))
    return method(object, name);
  if (isOneOf(name, {"clear", "fromkeys", "pop", "popitem", "setdefault", "update"}))
    return noMethod(object, name);
  if (const Value *value = object.dict().find(name))
    return *value;
  return missing(object, name);
}

ValueOr stringAttribute(const Value &object, std::string_view name) {
  if (isOneOf(name, {"strip", "lstrip",     "rstrip",       "split",        "rsplit",  "splitlines", "upper",
                     "lower", "capitalize", "startswith",   "endswith",     "replace", "find",       "rfind",
                     "count", "join",       "removeprefix", "removesuffix", "isdigit", "isspace"}))
    return method(object, name);
  if (isOneOf(name, {"casefold",  "center",    "encode",      "expandtabs", "format",     "format_map",
                     "index",     "isalnum",   "isalpha",     "isascii",    "isdecimal",  "isidentifier",
                     "islower",   "isnumeric", "isprintable", "istitle",    "isupper",    "ljust",
                     "maketrans", "partition", "rindex",      "rjust",      "rpartition", "swapcase",
                     "title",     "translate", "zfill"}))
    return noMethod(object, name);
  return missing(object, name);
}

ValueOr listAttribute(const Value &object, std::string_view name) {
  if (isOneOf(name, {"index", "count"}))
    return method(object, name);
  if (!object.list().tuple &&
      isOneOf(name, {"append", "clear", "copy", "extend", "insert", "pop", "remove", "reverse", "sort"}))
    return noMethod(object, name);
  return missing(object, name);
}

ValueOr loopAttribute(const Value &object, std::string_view name) {
  const Loop &loop = object.loop();
  int64_t index = static_cast<int64_t>(loop.index), length = static_cast<int64_t>(loop.items->size());
  if (name == "index")
    return Value(index + 1);
  if (name == "index0")
    return Value(index);
  if (name == "revindex")
    return Value(length - index);
  if (name == "revindex0")
    return Value(length - index - 1);
  if (name == "first")
    return Value(index == 0);
  if (name == "last")
    return Value(index + 1 == length);
  if (name == "length")
    return Value(length);
  if (name == "previtem")
    return index > 0 ? (*loop.items)[index - 1] : Value::undefined("the item before the first of a loop");
  if (name == "nextitem")
    return index + 1 < length ? (*loop.items)[index + 1]
                              : Value::undefined("the item after the last of a loop");
  if (name == "cycle")
    return method(object, name);
  return absl::UnimplementedError(strCat("loop.", name.substr(0, 40), " is not supported"));
}

} // namespace

ValueOr getAttribute(const Value &object, std::string_view name) {
  switch (object.kind()) {
  case Kind::Undefined:
    return absl::InvalidArgumentError(
        strCat(object.what(), " is undefined, so it has no attribute \"", name.substr(0, 100), "\""));
  case Kind::Dict:
    return dictAttribute(object, name);
  case Kind::String:
    return stringAttribute(object, name);
  case Kind::List:
    return listAttribute(object, name);
  case Kind::Loop:
    return loopAttribute(object, name);
  case Kind::Namespace:
    for (const auto &[known, value] : object.space().attributes)
      if (known == name)
        return value;
    return missing(object, name);
  case Kind::Function:
    if (object.function().sort != Function::Sort::Method)
      return absl::UnimplementedError(strCat("attributes of ", object.function().name, " are not supported"));
    return missing(object, name);
  default:
    return missing(object, name);
  }
}

ValueOr getItem(const Value &object, const Value &key, Budget &budget) {
  if (object.is(Kind::Undefined))
    return absl::InvalidArgumentError(strCat(object.what(), " is undefined, so it has no items"));
  if (key.is(Kind::String)) {
    if (object.is(Kind::Dict)) {
      LAMINA_RETURN_IF_ERROR(budget.charge(1 + object.dict().entries.size() / 16));
      if (const Value *value = object.dict().find(key.text()))
        return *value;
    }
    return getAttribute(object, key.text());
  }
  if (!key.isIntegral())
    return Value::undefined(strCat("an item of a ", typeName(object)));
  int64_t index = key.integer();
  if (object.is(Kind::List)) {
    int64_t size = static_cast<int64_t>(object.items().size());
    if (index >= -size && index < size)
      return object.items()[index < 0 ? index + size : index];
  } else if (object.is(Kind::String)) {
    LAMINA_RETURN_IF_ERROR(budget.chargeText(object.text().size()));
    std::vector<std::string_view> letters = characters(object.text());
    int64_t size = static_cast<int64_t>(letters.size());
    if (index >= -size && index < size)
      return Value(std::string(letters[index < 0 ? index + size : index]), object.isSafe());
  }
  return Value::undefined(strCat("item ", index, " of a ", typeName(object)));
}

absl::StatusOr<std::vector<Value>> iterate(const Value &value, Budget &budget) {
  std::vector<Value> items;
  switch (value.kind()) {
  case Kind::Undefined:
    return items;
  case Kind::List:
    items = value.items();
    break;
  case Kind::Dict:
    for (const auto &[key, item] : value.dict().entries)
      items.emplace_back(key);
    break;
  case Kind::String:
    LAMINA_RETURN_IF_ERROR(budget.charge(value.text().size()));
    for (std::string_view letter : characters(value.text()))
      items.emplace_back(std::string(letter), value.isSafe());
    break;
  default:
    return absl::InvalidArgumentError(strCat("a ", typeName(value), " cannot be iterated over"));
  }
  LAMINA_RETURN_IF_ERROR(budget.charge(items.size()));
  return items;
}

absl::StatusOr<bool> contains(const Value &container, const Value &value, Budget &budget) {
  switch (container.kind()) {
  case Kind::Undefined:
    return false;
  case Kind::String:
    if (!value.is(Kind::String))
      return absl::InvalidArgumentError(strCat("a string cannot contain a ", typeName(value)));
    LAMINA_RETURN_IF_ERROR(budget.chargeText(container.text().size()));
    return container.text().find(value.text()) != std::string::npos;
  case Kind::List:
    LAMINA_RETURN_IF_ERROR(budget.charge(container.weight()));
    return std::any_of(container.items().begin(), container.items().end(),
                       [&](const Value &item) { return equal(item, value); });
  case Kind::Dict:
    LAMINA_RETURN_IF_ERROR(budget.charge(1 + container.dict().entries.size() / 16));
    return value.is(Kind::String) && container.dict().find(value.text());
  default:
    return absl::InvalidArgumentError(strCat("a ", typeName(container), " cannot contain anything"));
  }
}

absl::StatusOr<bool> lessThan(const Value &a, const Value &b) {
  if (a.isIntegral() && b.isIntegral())
    return a.integer() < b.integer();
  if (a.isNumber() && b.isNumber())
    return a.number() < b.number();
  if (a.is(Kind::String) && b.is(Kind::String))
    return a.text() < b.text();
  if (a.is(Kind::List) && b.is(Kind::List) && a.list().tuple == b.list().tuple) {
    for (size_t i = 0; i < a.items().size() && i < b.items().size(); ++i)
      if (!equal(a.items()[i], b.items()[i]))
        return lessThan(a.items()[i], b.items()[i]);
    return a.items().size() < b.items().size();
  }
  for (const Value *value : {&a, &b})
    if (value->is(Kind::Undefined))
      return absl::InvalidArgumentError(strCat(value->what(), " is undefined"));
  return absl::InvalidArgumentError(strCat("a ", typeName(a), " and a ", typeName(b), " have no order"));
}

absl::StatusOr<std::string> textOf(const Value &value, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(budget.charge(value.weight()));
  LAMINA_ASSIGN_OR_RETURN(std::string text, toText(value));
  LAMINA_RETURN_IF_ERROR(budget.chargeText(text.size()));
  return text;
}

absl::StatusOr<std::vector<std::optional<Value>>>
bindArguments(std::string_view callee, const Arguments &arguments, Names parameters, size_t required) {
  std::vector<std::optional<Value>> bound(parameters.size());
  if (arguments.positional.size() > parameters.size())
    return absl::InvalidArgumentError(
        strCat(callee, " takes ", parameters.size(), " arguments, got ", arguments.positional.size()));
  for (size_t i = 0; i < arguments.positional.size(); ++i)
    bound[i] = arguments.positional[i];
  for (const auto &[name, value] : arguments.keywords) {
    size_t index = std::find(parameters.begin(), parameters.end(), name) - parameters.begin();
    if (index == parameters.size())
      return absl::UnimplementedError(
          strCat("the argument ", name.substr(0, 40), " of ", callee, " is not supported"));
    if (bound[index])
      return absl::InvalidArgumentError(strCat(callee, " got the argument ", name, " twice"));
    bound[index] = value;
  }
  for (size_t i = 0; i < required; ++i)
    if (!bound[i])
      return absl::InvalidArgumentError(strCat(callee, " needs its argument ", *(parameters.begin() + i)));
  return bound;
}

} // namespace lamina::jinja
