//===- ParserExpr.cpp - expressions ---------------------------------------------------------------------===//
//
// Precedence, loosest first: if-else, or, and, not, comparisons, + -, ~, * / // %, **, signs; then what follows a primary
// (ParserPostfix.cpp).
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/tokenizer/jinja/Parser.h"

#include <algorithm>

namespace lamina::jinja {
namespace {

/// Names that Jinja binds in macros to what was not declared as a parameter.
bool isMacroMagic(std::string_view name) { return name == "caller" || name == "varargs" || name == "kwargs"; }

} // namespace

ExprPtr Parser::make(ExprKind kind, Position at) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->at = at;
  return expr;
}

Parser::ExprOr Parser::measured(ExprPtr expr) const {
  for (const ExprPtr &operand : expr->operands)
    if (operand)
      expr->depth = std::max(expr->depth, operand->depth + 1);
  for (const auto &[name, value] : expr->keywords)
    expr->depth = std::max(expr->depth, value->depth + 1);
  if (expr->depth > maxHeight)
    return errorAt(expr->at, absl::StatusCode::kResourceExhausted,
                   strCat("an expression has more than ", maxHeight, " levels"));
  return expr;
}

Parser::ExprOr Parser::adopt(ExprPtr parent, std::vector<ExprPtr> operands) const {
  for (ExprPtr &operand : operands)
    parent->operands.push_back(std::move(operand));
  return measured(std::move(parent));
}

/// An expression, or a tuple of several without parentheses. `conditional`: may use "if" (a for loop's may
/// not, its "if" is the loop's own).
Parser::ExprOr Parser::parseTuple(bool conditional) {
  Position at = token().at;
  std::vector<ExprPtr> items;
  bool tuple = false;
  for (;;) {
    LAMINA_ASSIGN_OR_RETURN(ExprPtr item, conditional ? parseExpression() : parseOr());
    items.push_back(std::move(item));
    if (!skipOperator(","))
      break;
    tuple = true;
    TokenKind kind = token().kind;
    if (kind == TokenKind::BlockEnd || kind == TokenKind::OutputEnd || isOperator(")") || isName("recursive"))
      break;
  }
  if (!tuple)
    return std::move(items.front());
  return adopt(make(ExprKind::Tuple, at), std::move(items));
}

Parser::ExprOr Parser::parseExpression() {
  Nesting nesting(*this);
  LAMINA_RETURN_IF_ERROR(checkNesting());
  LAMINA_ASSIGN_OR_RETURN(ExprPtr expr, parseOr());
  while (isName("if")) {
    ExprPtr choice = make(ExprKind::Conditional, token().at);
    next();
    LAMINA_ASSIGN_OR_RETURN(ExprPtr condition, parseOr());
    ExprPtr otherwise;
    if (skipName("else")) {
      LAMINA_ASSIGN_OR_RETURN(otherwise, parseExpression());
    }
    LAMINA_ASSIGN_OR_RETURN(
        expr, adopt(std::move(choice), pack(std::move(expr), std::move(condition), std::move(otherwise))));
  }
  return expr;
}

Parser::ExprOr Parser::parseOr() {
  LAMINA_ASSIGN_OR_RETURN(ExprPtr left, parseAnd());
  while (isName("or")) {
    ExprPtr expr = make(ExprKind::Or, token().at);
    next();
    LAMINA_ASSIGN_OR_RETURN(ExprPtr right, parseAnd());
    LAMINA_ASSIGN_OR_RETURN(left, adopt(std::move(expr), pack(std::move(left), std::move(right))));
  }
  return left;
}

Parser::ExprOr Parser::parseAnd() {
  LAMINA_ASSIGN_OR_RETURN(ExprPtr left, parseNot());
  while (isName("and")) {
    ExprPtr expr = make(ExprKind::And, token().at);
    next();
    LAMINA_ASSIGN_OR_RETURN(ExprPtr right, parseNot());
    LAMINA_ASSIGN_OR_RETURN(left, adopt(std::move(expr), pack(std::move(left), std::move(right))));
  }
  return left;
}

Parser::ExprOr Parser::parseNot() {
  if (!isName("not"))
    return parseCompare();
  Nesting nesting(*this);
  LAMINA_RETURN_IF_ERROR(checkNesting());
  ExprPtr expr = make(ExprKind::Not, token().at);
  next();
  LAMINA_ASSIGN_OR_RETURN(ExprPtr operand, parseNot());
  return adopt(std::move(expr), pack(std::move(operand)));
}

Parser::ExprOr Parser::parseCompare() {
  LAMINA_ASSIGN_OR_RETURN(ExprPtr first, parseSum());
  ExprPtr compare = make(ExprKind::Compare, token().at);
  std::vector<ExprPtr> operands = pack(std::move(first));
  for (;;) {
    std::string op;
    if (token().kind == TokenKind::Operator)
      for (std::string_view candidate : {"==", "!=", "<", ">", "<=", ">="})
        if (isOperator(candidate))
          op = candidate;
    if (isName("in"))
      op = "in";
    if (isName("not") && isName("in", 1)) {
      op = "not in";
      next();
    }
    if (op.empty())
      break;
    next();
    LAMINA_ASSIGN_OR_RETURN(ExprPtr operand, parseSum());
    operands.push_back(std::move(operand));
    compare->names.push_back(std::move(op));
  }
  if (operands.size() == 1)
    return std::move(operands.front());
  return adopt(std::move(compare), std::move(operands));
}

Parser::ExprOr Parser::parseSum() {
  LAMINA_ASSIGN_OR_RETURN(ExprPtr left, parseConcat());
  while (isOperator("+") || isOperator("-")) {
    ExprPtr expr = make(ExprKind::Binary, token().at);
    expr->name = token().text;
    next();
    LAMINA_ASSIGN_OR_RETURN(ExprPtr right, parseConcat());
    LAMINA_ASSIGN_OR_RETURN(left, adopt(std::move(expr), pack(std::move(left), std::move(right))));
  }
  return left;
}

Parser::ExprOr Parser::parseConcat() {
  LAMINA_ASSIGN_OR_RETURN(ExprPtr first, parseProduct());
  if (!isOperator("~"))
    return first;
  ExprPtr concat = make(ExprKind::Concat, token().at);
  std::vector<ExprPtr> operands = pack(std::move(first));
  while (skipOperator("~")) {
    LAMINA_ASSIGN_OR_RETURN(ExprPtr operand, parseProduct());
    operands.push_back(std::move(operand));
  }
  return adopt(std::move(concat), std::move(operands));
}

Parser::ExprOr Parser::parseProduct() {
  LAMINA_ASSIGN_OR_RETURN(ExprPtr left, parsePower());
  while (isOperator("*") || isOperator("/") || isOperator("//") || isOperator("%")) {
    ExprPtr expr = make(ExprKind::Binary, token().at);
    expr->name = token().text;
    next();
    LAMINA_ASSIGN_OR_RETURN(ExprPtr right, parsePower());
    LAMINA_ASSIGN_OR_RETURN(left, adopt(std::move(expr), pack(std::move(left), std::move(right))));
  }
  return left;
}

Parser::ExprOr Parser::parsePower() {
  LAMINA_ASSIGN_OR_RETURN(ExprPtr left, parseUnary(/*filters=*/true));
  while (isOperator("**")) {
    ExprPtr expr = make(ExprKind::Binary, token().at);
    expr->name = token().text;
    next();
    LAMINA_ASSIGN_OR_RETURN(ExprPtr right, parseUnary(/*filters=*/true));
    LAMINA_ASSIGN_OR_RETURN(left, adopt(std::move(expr), pack(std::move(left), std::move(right))));
  }
  return left;
}

Parser::ExprOr Parser::parseUnary(bool filters) {
  Nesting nesting(*this);
  LAMINA_RETURN_IF_ERROR(checkNesting());
  ExprPtr expr;
  if (isOperator("-") || isOperator("+")) {
    ExprPtr sign = make(isOperator("-") ? ExprKind::Negate : ExprKind::Plus, token().at);
    next();
    LAMINA_ASSIGN_OR_RETURN(ExprPtr operand, parseUnary(/*filters=*/false));
    LAMINA_ASSIGN_OR_RETURN(expr, adopt(std::move(sign), pack(std::move(operand))));
  } else {
    LAMINA_ASSIGN_OR_RETURN(expr, parsePrimary());
  }
  LAMINA_ASSIGN_OR_RETURN(expr, parsePostfix(std::move(expr)));
  if (!filters)
    return expr;
  return parseFilters(std::move(expr));
}

Parser::ExprOr Parser::parsePrimary() {
  const Token &current = token();
  ExprPtr expr = make(ExprKind::Constant, current.at);
  switch (current.kind) {
  case TokenKind::Name:
    next();
    if (current.text == "true" || current.text == "True" || current.text == "false" ||
        current.text == "False") {
      expr->constant = Value(current.text[0] == 't' || current.text[0] == 'T');
    } else if (current.text == "none" || current.text == "None") {
      expr->constant = Value(nullptr);
    } else if (isMacroMagic(current.text)) {
      return unsupported(current.at, strCat("\"", current.text, "\" is not supported"));
    } else {
      expr->kind = ExprKind::Name;
      expr->name = current.text;
    }
    return expr;
  case TokenKind::String: {
    std::string text;
    for (; token().kind == TokenKind::String; next())
      text += token().text;
    expr->constant = Value(std::move(text));
    return expr;
  }
  case TokenKind::Integer:
    next();
    expr->constant = Value(current.integer);
    return expr;
  case TokenKind::Float:
    next();
    expr->constant = Value(current.real);
    return expr;
  default:
    if (isOperator("("))
      return parseParentheses();
    if (isOperator("["))
      return parseListLiteral();
    if (isOperator("{"))
      return parseDictLiteral();
    return fail(current.at, strCat("expected an expression, got ", describe(current)));
  }
}

Parser::ExprOr Parser::parseParentheses() {
  Position at = token().at;
  next();
  if (skipOperator(")"))
    return make(ExprKind::Tuple, at);
  LAMINA_ASSIGN_OR_RETURN(ExprPtr expr, parseTuple(/*conditional=*/true));
  LAMINA_RETURN_IF_ERROR(expectOperator(")"));
  return expr;
}

Parser::ExprOr Parser::parseListLiteral() {
  ExprPtr list = make(ExprKind::List, token().at);
  next();
  while (!skipOperator("]")) {
    if (!list->operands.empty()) {
      LAMINA_RETURN_IF_ERROR(expectOperator(","));
      if (skipOperator("]"))
        break;
    }
    LAMINA_ASSIGN_OR_RETURN(ExprPtr item, parseExpression());
    list->operands.push_back(std::move(item));
  }
  return measured(std::move(list));
}

Parser::ExprOr Parser::parseDictLiteral() {
  ExprPtr dict = make(ExprKind::Dict, token().at);
  next();
  while (!skipOperator("}")) {
    if (!dict->operands.empty()) {
      LAMINA_RETURN_IF_ERROR(expectOperator(","));
      if (skipOperator("}"))
        break;
    }
    LAMINA_ASSIGN_OR_RETURN(ExprPtr key, parseExpression());
    LAMINA_RETURN_IF_ERROR(expectOperator(":"));
    LAMINA_ASSIGN_OR_RETURN(ExprPtr value, parseExpression());
    dict->operands.push_back(std::move(key));
    dict->operands.push_back(std::move(value));
  }
  return measured(std::move(dict));
}

} // namespace lamina::jinja
