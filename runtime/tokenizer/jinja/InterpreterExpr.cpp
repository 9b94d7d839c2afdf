//===- InterpreterExpr.cpp - computes expressions -------------------------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/jinja/Interpreter.h"
#include "runtime/tokenizer/jinja/Operators.h"
#include "runtime/tokenizer/jinja/Text.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace lamina::jinja {

Interpreter::ValueOr Interpreter::evaluate(const Expr &expr, Scope &scope) {
  Nesting nesting(*this);
  LAMINA_RETURN_IF_ERROR(enter(expr.at));
  switch (expr.kind) {
  case ExprKind::Constant:
    return expr.constant;
  case ExprKind::Name:
    return evaluateName(expr, scope);
  case ExprKind::List:
  case ExprKind::Tuple:
  case ExprKind::Dict:
    return evaluateContainer(expr, scope);
  case ExprKind::Attribute:
  case ExprKind::Subscript:
    return evaluateLookup(expr, scope);
  case ExprKind::Slice:
    return evaluateSlice(expr, scope);
  case ExprKind::Call:
    return evaluateCall(expr, scope);
  case ExprKind::Filter:
  case ExprKind::Test:
    return evaluateFilterOrTest(expr, scope);
  case ExprKind::Not:
  case ExprKind::And:
  case ExprKind::Or:
  case ExprKind::Conditional:
    return evaluateLogic(expr, scope);
  case ExprKind::Negate:
  case ExprKind::Plus:
    return evaluateSign(expr, scope);
  case ExprKind::Binary:
    return evaluateBinary(expr, scope);
  case ExprKind::Concat:
    return evaluateConcat(expr, scope);
  case ExprKind::Compare:
    return evaluateCompare(expr, scope);
  }
  return Value();
}

Interpreter::ValueOr Interpreter::evaluateName(const Expr &expr, Scope &scope) {
  for (Scope *at = &scope; at; at = at->parent)
    for (const auto &[name, value] : at->names)
      if (name == expr.name)
        return value;
  for (std::string_view global : {"raise_exception", "namespace", "range", "dict", "strftime_now"})
    if (expr.name == global && (global != "strftime_now" || now_))
      return Value(std::make_shared<const Function>(Function{Function::Sort::Global, expr.name, Value()}));
  return Value::undefined(strCat("\"", expr.name, "\""));
}

Interpreter::ValueOr Interpreter::evaluateContainer(const Expr &expr, Scope &scope) {
  std::vector<Value> items;
  for (const ExprPtr &operand : expr.operands) {
    LAMINA_ASSIGN_OR_RETURN(Value value, evaluate(*operand, scope));
    items.push_back(std::move(value));
  }
  if (expr.kind == ExprKind::List)
    return located(expr.at, makeList(std::move(items)));
  if (expr.kind == ExprKind::Tuple)
    return located(expr.at, makeTuple(std::move(items)));
  std::vector<std::pair<std::string, Value>> entries;
  for (size_t i = 0; i < items.size(); i += 2) {
    if (!items[i].is(Kind::String))
      return errorAt(expr.at, absl::StatusCode::kUnimplemented,
                     strCat("a ", typeName(items[i]), " as the key of a dict is not supported"));
    auto same = [&](const auto &entry) { return entry.first == items[i].text(); };
    if (auto known = std::find_if(entries.begin(), entries.end(), same); known != entries.end())
      known->second = items[i + 1];
    else
      entries.emplace_back(items[i].text(), items[i + 1]);
  }
  return located(expr.at, makeDict(std::move(entries)));
}

Interpreter::ValueOr Interpreter::evaluateLookup(const Expr &expr, Scope &scope) {
  LAMINA_ASSIGN_OR_RETURN(Value object, evaluate(*expr.operands[0], scope));
  if (expr.kind == ExprKind::Attribute)
    return located(expr.at, getAttribute(object, expr.name));
  LAMINA_ASSIGN_OR_RETURN(Value key, evaluate(*expr.operands[1], scope));
  return located(expr.at, getItem(object, key, budget_));
}

Interpreter::ValueOr Interpreter::evaluateSlice(const Expr &expr, Scope &scope) {
  LAMINA_ASSIGN_OR_RETURN(Value object, evaluate(*expr.operands[0], scope));
  std::array<std::optional<int64_t>, 3> parts;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!expr.operands[i + 1])
      continue;
    LAMINA_ASSIGN_OR_RETURN(Value part, evaluate(*expr.operands[i + 1], scope));
    if (part.is(Kind::None))
      continue;
    if (!part.isIntegral())
      return fail(expr.at, strCat("a slice needs integers, got a ", typeName(part)));
    parts[i] = part.integer();
  }
  return located(expr.at, slice(object, parts[0], parts[1], parts[2], budget_));
}

Interpreter::ValueOr Interpreter::evaluateLogic(const Expr &expr, Scope &scope) {
  if (expr.kind == ExprKind::Conditional) {
    LAMINA_ASSIGN_OR_RETURN(Value condition, evaluate(*expr.operands[1], scope));
    if (condition.truthy())
      return evaluate(*expr.operands[0], scope);
    if (expr.operands[2])
      return evaluate(*expr.operands[2], scope);
    return Value::undefined("the missing else of an inline if");
  }
  LAMINA_ASSIGN_OR_RETURN(Value left, evaluate(*expr.operands[0], scope));
  if (expr.kind == ExprKind::Not)
    return Value(!left.truthy());
  // As in Python the result is one of the operands.
  if (left.truthy() == (expr.kind == ExprKind::Or))
    return left;
  return evaluate(*expr.operands[1], scope);
}

Interpreter::ValueOr Interpreter::evaluateSign(const Expr &expr, Scope &scope) {
  LAMINA_ASSIGN_OR_RETURN(Value operand, evaluate(*expr.operands[0], scope));
  if (!operand.isNumber())
    return fail(expr.at, strCat("a sign in front of a ", typeName(operand)));
  if (expr.kind == ExprKind::Plus)
    return operand.is(Kind::Bool) ? Value(operand.integer()) : operand;
  return located(expr.at, binary("-", Value(int64_t(0)), operand, budget_));
}

Interpreter::ValueOr Interpreter::evaluateBinary(const Expr &expr, Scope &scope) {
  LAMINA_ASSIGN_OR_RETURN(Value left, evaluate(*expr.operands[0], scope));
  LAMINA_ASSIGN_OR_RETURN(Value right, evaluate(*expr.operands[1], scope));
  return located(expr.at, binary(expr.name, left, right, budget_));
}

Interpreter::ValueOr Interpreter::evaluateConcat(const Expr &expr, Scope &scope) {
  std::string joined;
  for (const ExprPtr &operand : expr.operands) {
    LAMINA_ASSIGN_OR_RETURN(Value value, evaluate(*operand, scope));
    LAMINA_ASSIGN_OR_RETURN(std::string text, located(operand->at, textOf(value, budget_)));
    joined += text;
  }
  if (absl::Status status = budget_.chargeText(joined.size()); !status.ok())
    return errorAt(expr.at, status);
  return Value(std::move(joined));
}

Interpreter::ValueOr Interpreter::evaluateCompare(const Expr &expr, Scope &scope) {
  LAMINA_ASSIGN_OR_RETURN(Value left, evaluate(*expr.operands[0], scope));
  for (size_t i = 0; i < expr.names.size(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(Value right, evaluate(*expr.operands[i + 1], scope));
    LAMINA_ASSIGN_OR_RETURN(bool holds, located(expr.at, compare(expr.names[i], left, right, budget_)));
    if (!holds)
      return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

absl::StatusOr<Arguments> Interpreter::evaluateArguments(const Expr &expr, Scope &scope) {
  Arguments arguments;
  for (size_t i = 1; i < expr.operands.size(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(Value value, evaluate(*expr.operands[i], scope));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto &[name, operand] : expr.keywords) {
    LAMINA_ASSIGN_OR_RETURN(Value value, evaluate(*operand, scope));
    arguments.keywords.emplace_back(name, std::move(value));
  }
  return arguments;
}

Interpreter::ValueOr Interpreter::evaluateFilterOrTest(const Expr &expr, Scope &scope) {
  LAMINA_ASSIGN_OR_RETURN(Value input, evaluate(*expr.operands[0], scope));
  LAMINA_ASSIGN_OR_RETURN(Arguments arguments, evaluateArguments(expr, scope));
  if (expr.kind == ExprKind::Filter)
    return located(expr.at, applyFilter(expr.name, input, arguments, budget_));
  LAMINA_ASSIGN_OR_RETURN(bool holds, located(expr.at, applyTest(expr.name, input, arguments, budget_)));
  return Value(holds);
}

Interpreter::ValueOr Interpreter::evaluateCall(const Expr &expr, Scope &scope) {
  LAMINA_ASSIGN_OR_RETURN(Value callee, evaluate(*expr.operands[0], scope));
  if (callee.is(Kind::Undefined))
    return fail(expr.at, strCat(callee.what(), " is undefined, so it cannot be called"));
  if (!callee.is(Kind::Function))
    return fail(expr.at, strCat("a ", typeName(callee), " cannot be called"));
  LAMINA_ASSIGN_OR_RETURN(Arguments arguments, evaluateArguments(expr, scope));
  const Function &function = callee.function();
  switch (function.sort) {
  case Function::Sort::Method:
    return located(expr.at, callMethod(function.self, function.name, arguments, budget_));
  case Function::Sort::Global:
    return callGlobal(expr, function.name, arguments);
  case Function::Sort::Macro:
    return callMacro(expr, function, arguments);
  }
  return Value();
}

/// A date in the C locale, as Python's strftime gives it.
static absl::StatusOr<Value> formatTime(int64_t now, const std::string &format) {
  for (size_t i = 0; i < format.size(); ++i)
    if (format[i] == '%' &&
        (++i == format.size() ||
         std::string_view("aAbBcdHIjmMpSUwWxXyYZ%eF").find(format[i]) == std::string_view::npos))
      return absl::UnimplementedError(
          strCat("strftime_now: the format \"", format.substr(0, 40), "\" is not supported"));
  std::time_t seconds = static_cast<std::time_t>(now);
  std::tm fields{};
  char text[512];
  if (format.empty() || format.size() > 128 || !gmtime_r(&seconds, &fields))
    return absl::InvalidArgumentError("strftime_now: no such time or format");
  return Value(std::string(text, std::strftime(text, sizeof(text), format.c_str(), &fields)));
}

Interpreter::ValueOr Interpreter::callGlobal(const Expr &expr, std::string_view name,
                                             const Arguments &arguments) {
  if (name == "raise_exception") {
    LAMINA_ASSIGN_OR_RETURN(auto bound, located(expr.at, bindArguments(name, arguments, {"message"}, 1)));
    LAMINA_ASSIGN_OR_RETURN(std::string text, located(expr.at, textOf(*bound[0], budget_)));
    return fail(expr.at, strCat("the template does not accept this input: ", text.substr(0, 1000)));
  }
  if (name == "strftime_now") {
    LAMINA_ASSIGN_OR_RETURN(auto bound, located(expr.at, bindArguments(name, arguments, {"format"}, 1)));
    if (!bound[0]->is(Kind::String))
      return fail(expr.at, "strftime_now needs a string");
    return located(expr.at, formatTime(*now_, bound[0]->text()));
  }
  if (name == "range")
    return located(expr.at, makeRange(arguments, budget_));
  // namespace() and dict(): keywords become attributes or entries.
  if (!arguments.positional.empty())
    return errorAt(expr.at, absl::StatusCode::kUnimplemented,
                   strCat(name, "() with arguments that have no name is not supported"));
  LAMINA_ASSIGN_OR_RETURN(Value dict, located(expr.at, makeDict(arguments.keywords)));
  if (name == "dict")
    return dict;
  return Value(std::make_shared<Namespace>(Namespace{arguments.keywords}));
}

Interpreter::ValueOr Interpreter::callMacro(const Expr &expr, const Function &function,
                                            const Arguments &arguments) {
  const Stmt &macro = *function.macro;
  if (arguments.positional.size() > macro.targets.size())
    return fail(expr.at, strCat("the macro ", macro.text, " takes ", macro.targets.size(), " arguments, got ",
                                arguments.positional.size()));
  Scope scope{function.scope, {}};
  size_t defaultsFrom = macro.targets.size() - macro.values.size();
  for (const auto &[name, value] : arguments.keywords)
    if (std::find(macro.targets.begin(), macro.targets.end(), name) == macro.targets.end())
      return fail(expr.at, strCat("the macro ", macro.text, " has no parameter ", name));
  for (size_t i = 0; i < macro.targets.size(); ++i) {
    const std::string &name = macro.targets[i];
    auto keyword = std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                                [&](const auto &entry) { return entry.first == name; });
    if (i < arguments.positional.size()) {
      scope.set(name, arguments.positional[i]);
    } else if (keyword != arguments.keywords.end()) {
      scope.set(name, keyword->second);
    } else if (i >= defaultsFrom) {
      LAMINA_ASSIGN_OR_RETURN(Value value, evaluate(*macro.values[i - defaultsFrom], scope));
      scope.set(name, std::move(value));
    } else {
      scope.set(name, Value::undefined(strCat("the parameter ", name, " of ", macro.text)));
    }
  }
  std::string text;
  std::string *outer = std::exchange(out_, &text);
  FlowOr flow = execute(macro.body, scope);
  out_ = outer;
  LAMINA_RETURN_IF_ERROR(flow.status());
  return Value(std::move(text));
}

} // namespace lamina::jinja
