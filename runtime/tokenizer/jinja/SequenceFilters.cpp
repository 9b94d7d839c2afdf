//===- SequenceFilters.cpp - filters on lists and dicts -------------------------------------------------===//
//
// Where Jinja makes generators, these make lists.
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/jinja/Filters.h"
#include "runtime/tokenizer/jinja/Operators.h"
#include "runtime/tokenizer/jinja/Text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace lamina::jinja {
namespace {

using ValueOr = absl::StatusOr<Value>;
using Items = std::vector<Value>;

/// The item itself, or what a path like "function.name" or an index leads to from it.
ValueOr attributeOf(const Value &item, const std::optional<Value> &path, Budget &budget) {
  if (!path || path->is(Kind::None))
    return item;
  if (path->isIntegral())
    return getItem(item, *path, budget);
  if (!path->is(Kind::String))
    return absl::InvalidArgumentError(strCat("an attribute is named by a string, got a ", typeName(*path)));
  Value value = item;
  std::string_view rest = path->text();
  for (;;) {
    std::string_view part = rest.substr(0, rest.find('.'));
    int64_t index = 0;
    bool digits = !part.empty() &&
                  std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
                  std::from_chars(part.data(), part.data() + part.size(), index).ec == std::errc();
    LAMINA_ASSIGN_OR_RETURN(value, getItem(value, digits ? Value(index) : Value(std::string(part)), budget));
    if (part.size() == rest.size())
      return value;
    rest.remove_prefix(part.size() + 1);
  }
}

/// What sort, unique, min and max compare: strings without their case unless told otherwise.
ValueOr sortKey(const Value &item, const std::optional<Value> &attribute, bool caseSensitive,
                Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(Value key, attributeOf(item, attribute, budget));
  if (caseSensitive || !key.is(Kind::String))
    return key;
  LAMINA_ASSIGN_OR_RETURN(std::string text, changeCase(key.text(), /*upper=*/false));
  return Value(std::move(text));
}

/// Indices of `keys` in ascending order, equal ones as they come.
absl::StatusOr<std::vector<size_t>> sortedOrder(const Items &keys, bool descending, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(budget.charge(keys.size() * 20));
  std::vector<size_t> order(keys.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  // Check first that all have an order with each other: a comparison within the sort cannot fail.
  for (size_t i = 0; i < keys.size(); ++i) {
    bool number = keys[0].isNumber() && keys[i].isNumber() && !std::isnan(keys[i].number());
    if (keys.size() > 1 && !number && !(keys[0].is(Kind::String) && keys[i].is(Kind::String)))
      return absl::UnimplementedError(
          strCat("sorting a ", typeName(keys[0]), " with a ", typeName(keys[i]), " is not supported"));
  }
  auto less = [&](const Value &a, const Value &b) {
    absl::StatusOr<bool> result = lessThan(a, b);
    return result.ok() && *result;
  };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Value &first = descending ? keys[b] : keys[a], &second = descending ? keys[a] : keys[b];
    return less(first, second) || (!less(second, first) && a < b);
  });
  return order;
}

ValueOr join(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("join", arguments, {"d", "attribute"}));
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  LAMINA_ASSIGN_OR_RETURN(std::string separator, textOf(bound[0].value_or(Value("")), budget));
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(Value item, attributeOf(items[i], bound[1], budget));
    LAMINA_ASSIGN_OR_RETURN(std::string text, textOf(item, budget));
    LAMINA_RETURN_IF_ERROR(budget.chargeText(out.size() > Budget::maxText ? out.size() : separator.size()));
    out += i > 0 ? separator + text : text;
  }
  LAMINA_RETURN_IF_ERROR(budget.chargeText(out.size()));
  return Value(std::move(out));
}

ValueOr list(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("list", arguments, {}).status());
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  return makeList(std::move(items));
}

ValueOr first(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("first", arguments, {}).status());
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  return items.empty() ? Value::undefined("the first item of nothing") : items.front();
}

ValueOr last(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("last", arguments, {}).status());
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  return items.empty() ? Value::undefined("the last item of nothing") : items.back();
}

ValueOr reverse(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("reverse", arguments, {}).status());
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  std::reverse(items.begin(), items.end());
  if (!input.is(Kind::String))
    return makeList(std::move(items));
  std::string text;
  for (const Value &item : items)
    text += item.text();
  return Value(std::move(text));
}

ValueOr sort(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound,
                          bindArguments("sort", arguments, {"reverse", "case_sensitive", "attribute"}));
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  if (bound[2] && bound[2]->is(Kind::String) && bound[2]->text().find(',') != std::string::npos)
    return absl::UnimplementedError("sorting by several attributes is not supported");
  Items keys, sorted;
  for (const Value &item : items) {
    LAMINA_ASSIGN_OR_RETURN(Value key, sortKey(item, bound[2], bound[1] && bound[1]->truthy(), budget));
    keys.push_back(std::move(key));
  }
  LAMINA_ASSIGN_OR_RETURN(std::vector<size_t> order,
                          sortedOrder(keys, bound[0] && bound[0]->truthy(), budget));
  for (size_t index : order)
    sorted.push_back(items[index]);
  return makeList(std::move(sorted));
}

ValueOr unique(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("unique", arguments, {"case_sensitive", "attribute"}));
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  Items keys, kept;
  for (const Value &item : items) {
    LAMINA_ASSIGN_OR_RETURN(Value key, sortKey(item, bound[1], bound[0] && bound[0]->truthy(), budget));
    LAMINA_RETURN_IF_ERROR(budget.charge(keys.size() * key.weight()));
    if (std::any_of(keys.begin(), keys.end(), [&](const Value &known) { return equal(known, key); }))
      continue;
    keys.push_back(std::move(key));
    kept.push_back(item);
  }
  return makeList(std::move(kept));
}

ValueOr extreme(std::string_view name, const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"case_sensitive", "attribute"}));
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  if (items.empty())
    return Value::undefined(strCat("the ", name, " of nothing"));
  size_t best = 0;
  Value bestKey;
  for (size_t i = 0; i < items.size(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(Value key, sortKey(items[i], bound[1], bound[0] && bound[0]->truthy(), budget));
    if (i > 0) {
      LAMINA_ASSIGN_OR_RETURN(bool better, name == "min" ? lessThan(key, bestKey) : lessThan(bestKey, key));
      if (!better)
        continue;
    }
    best = i;
    bestKey = std::move(key);
  }
  return items[best];
}

ValueOr minimum(const Value &input, const Arguments &arguments, Budget &budget) {
  return extreme("min", input, arguments, budget);
}

ValueOr maximum(const Value &input, const Arguments &arguments, Budget &budget) {
  return extreme("max", input, arguments, budget);
}

ValueOr sum(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("sum", arguments, {"attribute", "start"}));
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  Value total = bound[1].value_or(Value(int64_t(0)));
  for (const Value &item : items) {
    LAMINA_ASSIGN_OR_RETURN(Value value, attributeOf(item, bound[0], budget));
    LAMINA_ASSIGN_OR_RETURN(total, binary("+", total, value, budget));
  }
  return total;
}

/// map(filter, arguments...) or map(attribute=..., default=...).
ValueOr map(const Value &input, const Arguments &arguments, Budget &budget) {
  if (!input.truthy())
    return makeList({});
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  Arguments inner = arguments;
  std::string filter;
  std::optional<Value> attribute, otherwise;
  if (arguments.positional.empty()) {
    LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments("map", arguments, {"attribute", "default"}, 1));
    attribute = bound[0];
    otherwise = bound[1];
  } else if (arguments.positional[0].is(Kind::String)) {
    filter = arguments.positional[0].text();
    inner.positional.erase(inner.positional.begin());
  } else {
    return absl::InvalidArgumentError("map needs the name of a filter or an attribute");
  }
  Items mapped;
  for (const Value &item : items) {
    LAMINA_ASSIGN_OR_RETURN(Value value, filter.empty() ? attributeOf(item, attribute, budget)
                                                        : applyFilter(filter, item, inner, budget));
    mapped.push_back(value.is(Kind::Undefined) && otherwise ? *otherwise : std::move(value));
  }
  return makeList(std::move(mapped));
}

/// select and its kin: a test by name (or truth), on the item or an attribute of it.
ValueOr filterItems(std::string_view name, const Value &input, const Arguments &arguments, Budget &budget) {
  if (!input.truthy())
    return makeList({});
  LAMINA_ASSIGN_OR_RETURN(Items items, iterate(input, budget));
  bool byAttribute = name.ends_with("attr"), keep = name.starts_with("select");
  Arguments inner = arguments;
  auto take = [&]() -> std::optional<Value> {
    if (inner.positional.empty())
      return std::nullopt;
    Value value = std::move(inner.positional.front());
    inner.positional.erase(inner.positional.begin());
    return value;
  };
  std::optional<Value> attribute, test;
  if (byAttribute && !(attribute = take()))
    return absl::InvalidArgumentError(strCat(name, " needs an attribute"));
  test = take();
  if (test && !test->is(Kind::String))
    return absl::InvalidArgumentError(strCat(name, " needs the name of a test, got a ", typeName(*test)));
  Items kept;
  for (Value &item : items) {
    LAMINA_ASSIGN_OR_RETURN(Value value, attributeOf(item, attribute, budget));
    bool holds = value.truthy();
    if (test) {
      LAMINA_ASSIGN_OR_RETURN(holds, applyTest(test->text(), value, inner, budget));
    }
    if (holds == keep)
      kept.push_back(std::move(item));
  }
  return makeList(std::move(kept));
}

ValueOr select(const Value &input, const Arguments &arguments, Budget &budget) {
  return filterItems("select", input, arguments, budget);
}
ValueOr reject(const Value &input, const Arguments &arguments, Budget &budget) {
  return filterItems("reject", input, arguments, budget);
}
ValueOr selectAttribute(const Value &input, const Arguments &arguments, Budget &budget) {
  return filterItems("selectattr", input, arguments, budget);
}
ValueOr rejectAttribute(const Value &input, const Arguments &arguments, Budget &budget) {
  return filterItems("rejectattr", input, arguments, budget);
}

ValueOr items(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(bindArguments("items", arguments, {}).status());
  if (input.is(Kind::Undefined))
    return makeList({});
  if (!input.is(Kind::Dict))
    return absl::InvalidArgumentError(strCat("items needs a dict, got a ", typeName(input)));
  LAMINA_RETURN_IF_ERROR(budget.charge(input.dict().entries.size()));
  Items pairs;
  for (const auto &[key, value] : input.dict().entries) {
    LAMINA_ASSIGN_OR_RETURN(Value pair, makeTuple({Value(key), value}));
    pairs.push_back(std::move(pair));
  }
  return makeList(std::move(pairs));
}

ValueOr dictsort(const Value &input, const Arguments &arguments, Budget &budget) {
  LAMINA_ASSIGN_OR_RETURN(auto bound,
                          bindArguments("dictsort", arguments, {"case_sensitive", "by", "reverse"}));
  if (!input.is(Kind::Dict))
    return absl::InvalidArgumentError(strCat("dictsort needs a dict, got a ", typeName(input)));
  if (bound[1] && (!bound[1]->is(Kind::String) || (bound[1]->text() != "key" && bound[1]->text() != "value")))
    return absl::InvalidArgumentError("dictsort sorts by \"key\" or \"value\"");
  bool byValue = bound[1] && bound[1]->text() == "value";
  LAMINA_ASSIGN_OR_RETURN(Value pairs, items(input, Arguments(), budget));
  Arguments how;
  how.keywords = {{"reverse", bound[2].value_or(Value(false))},
                  {"case_sensitive", bound[0].value_or(Value(false))},
                  {"attribute", Value(int64_t(byValue))}};
  return sort(pairs, how, budget);
}

constexpr NamedFilter table[] = {
    {"join", join},
    {"list", list},
    {"first", first},
    {"last", last},
    {"reverse", reverse},
    {"sort", sort},
    {"unique", unique},
    {"min", minimum},
    {"max", maximum},
    {"sum", sum},
    {"map", map},
    {"select", select},
    {"reject", reject},
    {"selectattr", selectAttribute},
    {"rejectattr", rejectAttribute},
    {"items", items},
    {"dictsort", dictsort},
};

} // namespace

std::span<const NamedFilter> sequenceFilters() { return table; }

} // namespace lamina::jinja
