//===- Operators.cpp - what operators do to values ------------------------------------------------------===//

#include "runtime/tokenizer/jinja/Operators.h"

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/jinja/Text.h"

#include <algorithm>
#include <cmath>

namespace lamina::jinja {
namespace {

using ValueOr = absl::StatusOr<Value>;

absl::Status overflow() { return absl::OutOfRangeError("an integer does not fit 64 bits"); }
absl::Status zeroDivision() { return absl::InvalidArgumentError("division by zero"); }

absl::Status mismatch(std::string_view op, const Value &a, const Value &b) {
  for (const Value *value : {&a, &b})
    if (value->is(Kind::Undefined))
      return absl::InvalidArgumentError(strCat(value->what(), " is undefined"));
  return absl::InvalidArgumentError(strCat("cannot compute ", typeName(a), " ", op, " ", typeName(b)));
}

ValueOr power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if (exponent & 1 && __builtin_mul_overflow(result, base, &result))
      return overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base))
      return overflow();
  }
  return Value(result);
}

ValueOr integerArithmetic(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+")
    return __builtin_add_overflow(a, b, &result) ? ValueOr(overflow()) : Value(result);
  if (op == "-")
    return __builtin_sub_overflow(a, b, &result) ? ValueOr(overflow()) : Value(result);
  if (op == "*")
    return __builtin_mul_overflow(a, b, &result) ? ValueOr(overflow()) : Value(result);
  if (op == "**")
    return b >= 0 ? power(a, b) : Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
  if (b == 0)
    return zeroDivision();
  if (op == "/")
    return Value(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1)
    return op == "%" ? ValueOr(Value(int64_t(0))) : integerArithmetic("-", 0, a);
  // Python rounds quotients down and gives remainders the sign of the divisor.
  int64_t quotient = a / b, remainder = a % b;
  bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
  return op == "%" ? Value(adjust ? remainder + b : remainder) : Value(adjust ? quotient - 1 : quotient);
}

ValueOr realArithmetic(std::string_view op, double a, double b) {
  if (op == "+")
    return Value(a + b);
  if (op == "-")
    return Value(a - b);
  if (op == "*")
    return Value(a * b);
  if (op == "**")
    return Value(std::pow(a, b));
  if (b == 0.0)
    return zeroDivision();
  if (op == "/")
    return Value(a / b);
  if (op == "//")
    return Value(std::floor(a / b));
  double remainder = std::fmod(a, b);
  return Value(remainder != 0.0 && (remainder < 0.0) != (b < 0.0) ? remainder + b : remainder);
}

ValueOr addStrings(const Value &a, const Value &b, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(budget.chargeText(a.text().size() + b.text().size()));
  if (!a.isSafe() && !b.isSafe())
    return Value(a.text() + b.text());
  std::string text = a.isSafe() ? a.text() : escapeMarkup(a.text());
  text += b.isSafe() ? b.text() : escapeMarkup(b.text());
  return Value(std::move(text), /*safe=*/true);
}

ValueOr addLists(const Value &a, const Value &b, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(budget.charge(a.items().size() + b.items().size()));
  std::vector<Value> items = a.items();
  items.insert(items.end(), b.items().begin(), b.items().end());
  return a.list().tuple ? makeTuple(std::move(items)) : makeList(std::move(items));
}

ValueOr repeat(const Value &value, int64_t count, Budget &budget) {
  uint64_t times = static_cast<uint64_t>(std::max<int64_t>(count, 0));
  size_t size = value.is(Kind::String) ? value.text().size() : value.items().size();
  if (size != 0 && times > Budget::maxText / size)
    return absl::ResourceExhaustedError("a repetition is too large");
  if (value.is(Kind::String)) {
    LAMINA_RETURN_IF_ERROR(budget.chargeText(size * times));
    std::string text;
    text.reserve(size * times);
    if (size != 0 && times != 0)
      text = value.text();
    while (text.size() < size * times)
      text.append(text, 0, size * times - text.size());
    return Value(std::move(text), value.isSafe());
  }
  LAMINA_RETURN_IF_ERROR(budget.charge(size * times));
  std::vector<Value> items;
  if (size != 0)
    for (uint64_t i = 0; i < times; ++i)
      items.insert(items.end(), value.items().begin(), value.items().end());
  return value.list().tuple ? makeTuple(std::move(items)) : makeList(std::move(items));
}

bool isSequence(const Value &value) { return value.is(Kind::String) || value.is(Kind::List); }

} // namespace

ValueOr binary(std::string_view op, const Value &a, const Value &b, Budget &budget) {
  if (a.isIntegral() && b.isIntegral())
    return integerArithmetic(op, a.integer(), b.integer());
  if (a.isNumber() && b.isNumber())
    return realArithmetic(op, a.number(), b.number());
  if (op == "+" && a.is(Kind::String) && b.is(Kind::String))
    return addStrings(a, b, budget);
  if (op == "+" && a.is(Kind::List) && b.is(Kind::List) && a.list().tuple == b.list().tuple)
    return addLists(a, b, budget);
  if (op == "*" && isSequence(a) && b.isIntegral())
    return repeat(a, b.integer(), budget);
  if (op == "*" && a.isIntegral() && isSequence(b))
    return repeat(b, a.integer(), budget);
  if (op == "%" && a.is(Kind::String))
    return absl::UnimplementedError("formatting with % is not supported");
  return mismatch(op, a, b);
}

absl::StatusOr<bool> compare(std::string_view op, const Value &a, const Value &b, Budget &budget) {
  LAMINA_RETURN_IF_ERROR(budget.charge(std::min(a.weight(), b.weight())));
  if (op == "==")
    return equal(a, b);
  if (op == "!=")
    return !equal(a, b);
  if (op == "in")
    return contains(b, a, budget);
  if (op == "not in") {
    LAMINA_ASSIGN_OR_RETURN(bool in, contains(b, a, budget));
    return !in;
  }
  if (op == "<")
    return lessThan(a, b);
  if (op == ">")
    return lessThan(b, a);
  LAMINA_ASSIGN_OR_RETURN(bool less, op == "<=" ? lessThan(a, b) : lessThan(b, a));
  return less || equal(a, b);
}

ValueOr slice(const Value &object, std::optional<int64_t> start, std::optional<int64_t> stop,
              std::optional<int64_t> step, Budget &budget) {
  if (!isSequence(object))
    return absl::InvalidArgumentError(object.is(Kind::Undefined)
                                          ? strCat(object.what(), " is undefined")
                                          : strCat("a ", typeName(object), " has no slices"));
  int64_t stride = step.value_or(1);
  if (stride == 0)
    return absl::InvalidArgumentError("a slice with step zero");
  std::vector<std::string_view> letters;
  if (object.is(Kind::String))
    letters = characters(object.text());
  int64_t size = static_cast<int64_t>(object.is(Kind::String) ? letters.size() : object.items().size());
  LAMINA_RETURN_IF_ERROR(budget.charge(static_cast<uint64_t>(size)));
  auto clamp = [&](std::optional<int64_t> index, int64_t otherwise) {
    if (!index)
      return otherwise;
    int64_t low = stride > 0 ? 0 : -1, high = stride > 0 ? size : size - 1;
    int64_t at = *index < 0 ? (*index < -size ? low : *index + size) : *index;
    return std::clamp(at, low, high);
  };
  int64_t first = clamp(start, stride > 0 ? 0 : size - 1);
  int64_t last = clamp(stop, stride > 0 ? size : -1);

  std::string text;
  std::vector<Value> items;
  for (int64_t i = first; stride > 0 ? i < last : i > last;) {
    if (object.is(Kind::String))
      text += letters[i];
    else
      items.push_back(object.items()[i]);
    if (__builtin_add_overflow(i, stride, &i))
      break;
  }
  if (object.is(Kind::String))
    return Value(std::move(text), object.isSafe());
  return object.list().tuple ? makeTuple(std::move(items)) : makeList(std::move(items));
}

ValueOr makeRange(const Arguments &arguments, Budget &budget) {
  constexpr size_t maxRange = 100000;
  if (!arguments.keywords.empty() || arguments.positional.empty() || arguments.positional.size() > 3)
    return absl::InvalidArgumentError("range takes one to three integers");
  for (const Value &value : arguments.positional)
    if (!value.isIntegral())
      return absl::InvalidArgumentError(strCat("range takes integers, got a ", typeName(value)));
  bool onlyStop = arguments.positional.size() == 1;
  int64_t start = onlyStop ? 0 : arguments.positional[0].integer();
  int64_t stop = arguments.positional[onlyStop ? 0 : 1].integer();
  int64_t step = arguments.positional.size() == 3 ? arguments.positional[2].integer() : 1;
  if (step == 0)
    return absl::InvalidArgumentError("range with step zero");
  std::vector<Value> items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (items.size() == maxRange)
      return absl::ResourceExhaustedError(strCat("a range of more than ", maxRange, " integers"));
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i))
      break;
  }
  LAMINA_RETURN_IF_ERROR(budget.charge(items.size()));
  return makeList(std::move(items));
}

} // namespace lamina::jinja
