//===- Tests.cpp - what may follow "is" -----------------------------------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/jinja/Operators.h"

#include <algorithm>
#include <cctype>

namespace lamina::jinja {
namespace {

/// Tests without an argument.
using Predicate = bool (*)(const Value &);

bool isCase(const Value &value, int (*other)(int), int (*wanted)(int)) {
  if (!value.is(Kind::String))
    return false;
  const std::string &text = value.text();
  return std::none_of(text.begin(), text.end(), [&](unsigned char c) { return other(c) != 0; }) &&
         std::any_of(text.begin(), text.end(), [&](unsigned char c) { return wanted(c) != 0; });
}

bool isIterable(const Value &value) {
  return value.is(Kind::Undefined) || value.is(Kind::String) || value.is(Kind::List) ||
         value.is(Kind::Dict) || value.is(Kind::Loop);
}

struct NamedPredicate {
  std::string_view name;
  Predicate holds;
};

constexpr NamedPredicate predicates[] = {
    {"defined", [](const Value &v) { return !v.is(Kind::Undefined); }},
    {"undefined", [](const Value &v) { return v.is(Kind::Undefined); }},
    {"none", [](const Value &v) { return v.is(Kind::None); }},
    {"boolean", [](const Value &v) { return v.is(Kind::Bool); }},
    {"true", [](const Value &v) { return v.is(Kind::Bool) && v.boolean(); }},
    {"false", [](const Value &v) { return v.is(Kind::Bool) && !v.boolean(); }},
    {"integer", [](const Value &v) { return v.is(Kind::Int); }},
    {"float", [](const Value &v) { return v.is(Kind::Float); }},
    {"number", [](const Value &v) { return v.isNumber(); }},
    {"string", [](const Value &v) { return v.is(Kind::String); }},
    {"mapping", [](const Value &v) { return v.is(Kind::Dict); }},
    // Everything that has a length and items; Jinja counts dicts and undefined values among them.
    {"sequence", [](const Value &v) { return v.is(Kind::String) || v.is(Kind::List) || v.is(Kind::Dict); }},
    {"iterable", isIterable},
    {"callable", [](const Value &v) { return v.is(Kind::Function); }},
    {"lower", [](const Value &v) { return isCase(v, std::isupper, std::islower); }},
    {"upper", [](const Value &v) { return isCase(v, std::islower, std::isupper); }},
};

/// The comparison that a test with one argument makes, or null.
const char *comparisonOf(std::string_view name) {
  struct Alias {
    std::string_view name;
    const char *op;
  };
  constexpr Alias aliases[] = {
      {"eq", "=="}, {"equalto", "=="}, {"==", "=="}, {"ne", "!="},         {"!=", "!="}, {"lt", "<"},
      {"<", "<"},   {"lessthan", "<"}, {"gt", ">"},  {"greaterthan", ">"}, {">", ">"},   {"le", "<="},
      {"<=", "<="}, {"ge", ">="},      {">=", ">="}, {"in", "in"},
  };
  for (const Alias &alias : aliases)
    if (alias.name == name)
      return alias.op;
  return nullptr;
}

absl::StatusOr<bool> divisible(std::string_view name, const Value &input, const Arguments &arguments,
                               Budget &budget) {
  Value divisor(int64_t(2));
  if (name == "divisibleby") {
    LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"num"}, 1));
    divisor = *bound[0];
  } else {
    LAMINA_RETURN_IF_ERROR(bindArguments(name, arguments, {}).status());
  }
  LAMINA_ASSIGN_OR_RETURN(Value remainder, binary("%", input, divisor, budget));
  return equal(remainder, Value(int64_t(name == "odd")));
}

} // namespace

bool isTest(std::string_view name) {
  if (comparisonOf(name) || name == "divisibleby" || name == "even" || name == "odd")
    return true;
  return std::any_of(std::begin(predicates), std::end(predicates),
                     [&](const NamedPredicate &test) { return test.name == name; });
}

absl::StatusOr<bool> applyTest(std::string_view name, const Value &input, const Arguments &arguments,
                               Budget &budget) {
  LAMINA_RETURN_IF_ERROR(budget.charge(1));
  if (const char *op = comparisonOf(name)) {
    LAMINA_ASSIGN_OR_RETURN(auto bound, bindArguments(name, arguments, {"other"}, 1));
    return compare(op, input, *bound[0], budget);
  }
  if (name == "divisibleby" || name == "even" || name == "odd")
    return divisible(name, input, arguments, budget);
  for (const NamedPredicate &test : predicates) {
    if (test.name != name)
      continue;
    LAMINA_RETURN_IF_ERROR(bindArguments(name, arguments, {}).status());
    return test.holds(input);
  }
  return absl::UnimplementedError(strCat("the test \"", name.substr(0, 40), "\" is not supported"));
}

} // namespace lamina::jinja
