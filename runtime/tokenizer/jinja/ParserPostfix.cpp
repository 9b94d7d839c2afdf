//===- ParserPostfix.cpp - what follows a primary expression ----------------------------------------------===//
//
// Attributes, subscripts and calls bind tightest, then filters and tests.
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/tokenizer/jinja/Builtins.h"
#include "runtime/tokenizer/jinja/Parser.h"

#include <array>

namespace lamina::jinja {

Parser::ExprOr Parser::parsePostfix(ExprPtr expr) {
  for (;;) {
    if (isOperator(".")) {
      ExprPtr attribute = make(ExprKind::Attribute, token().at);
      next();
      if (token().kind == TokenKind::Integer) {
        ExprPtr index = make(ExprKind::Constant, token().at);
        index->constant = Value(token().integer);
        next();
        attribute->kind = ExprKind::Subscript;
        LAMINA_ASSIGN_OR_RETURN(expr, adopt(std::move(attribute), pack(std::move(expr), std::move(index))));
        continue;
      }
      LAMINA_ASSIGN_OR_RETURN(attribute->name, expectName("the name of an attribute"));
      LAMINA_ASSIGN_OR_RETURN(expr, adopt(std::move(attribute), pack(std::move(expr))));
    } else if (isOperator("[")) {
      LAMINA_ASSIGN_OR_RETURN(expr, parseSubscript(std::move(expr)));
    } else if (isOperator("(")) {
      LAMINA_ASSIGN_OR_RETURN(expr, parseCall(std::move(expr)));
    } else {
      return expr;
    }
  }
}

Parser::ExprOr Parser::parseSubscript(ExprPtr object) {
  ExprPtr result = make(ExprKind::Subscript, token().at);
  next();
  std::array<ExprPtr, 3> parts;
  size_t part = 0;
  for (;;) {
    if (skipOperator(":")) {
      result->kind = ExprKind::Slice;
      if (++part == parts.size())
        return fail(token().at, "a slice has at most three parts");
      continue;
    }
    if (isOperator("]") || parts[part])
      break;
    LAMINA_ASSIGN_OR_RETURN(parts[part], parseExpression());
  }
  if (isOperator(","))
    return unsupported(token().at, "subscripts with more than one part are not supported");
  LAMINA_RETURN_IF_ERROR(expectOperator("]"));
  if (result->kind == ExprKind::Slice)
    return adopt(std::move(result),
                 pack(std::move(object), std::move(parts[0]), std::move(parts[1]), std::move(parts[2])));
  if (!parts[0])
    return fail(result->at, "expected an expression in []");
  return adopt(std::move(result), pack(std::move(object), std::move(parts[0])));
}

Parser::ExprOr Parser::parseCall(ExprPtr callee) {
  ExprPtr call = make(ExprKind::Call, token().at);
  call->operands.push_back(std::move(callee));
  LAMINA_RETURN_IF_ERROR(parseArguments(*call));
  return measured(std::move(call));
}

Parser::ExprOr Parser::parseFilters(ExprPtr expr) {
  for (;;) {
    if (skipOperator("|")) {
      LAMINA_ASSIGN_OR_RETURN(expr, parseFilter(std::move(expr)));
    } else if (isName("is")) {
      LAMINA_ASSIGN_OR_RETURN(expr, parseTest(std::move(expr)));
    } else if (isOperator("(")) {
      LAMINA_ASSIGN_OR_RETURN(expr, parseCall(std::move(expr)));
    } else {
      return expr;
    }
  }
}

Parser::ExprOr Parser::parseFilter(ExprPtr input) {
  ExprPtr filter = make(ExprKind::Filter, token().at);
  LAMINA_ASSIGN_OR_RETURN(filter->name, expectName("the name of a filter"));
  if (!isFilter(filter->name))
    return unsupported(filter->at,
                       strCat("the filter \"", filter->name.substr(0, 40), "\" is not supported"));
  filter->operands.push_back(std::move(input));
  if (isOperator("("))
    LAMINA_RETURN_IF_ERROR(parseArguments(*filter));
  return measured(std::move(filter));
}

Parser::ExprOr Parser::parseTest(ExprPtr input) {
  next();
  Position at = token().at;
  bool negated = skipName("not");
  ExprPtr test = make(ExprKind::Test, token().at);
  LAMINA_ASSIGN_OR_RETURN(test->name, expectName("the name of a test"));
  if (!isTest(test->name))
    return unsupported(test->at, strCat("the test \"", test->name.substr(0, 40), "\" is not supported"));
  test->operands.push_back(std::move(input));
  TokenKind kind = token().kind;
  if (isOperator("(")) {
    LAMINA_RETURN_IF_ERROR(parseArguments(*test));
  } else if ((kind == TokenKind::Name && !isName("else") && !isName("or") && !isName("and") &&
              !isName("is") && !isName("if") && !isName("not") && !isName("in")) ||
             kind == TokenKind::String || kind == TokenKind::Integer || kind == TokenKind::Float ||
             isOperator("[") || isOperator("{")) {
    // "x is divisibleby 3": one argument without parentheses.
    LAMINA_ASSIGN_OR_RETURN(ExprPtr argument, parsePrimary());
    LAMINA_ASSIGN_OR_RETURN(argument, parsePostfix(std::move(argument)));
    test->operands.push_back(std::move(argument));
  } else if (isName("is")) {
    return fail(token().at, "tests cannot be chained with is");
  }
  LAMINA_ASSIGN_OR_RETURN(ExprPtr result, measured(std::move(test)));
  if (!negated)
    return result;
  return adopt(make(ExprKind::Not, at), pack(std::move(result)));
}

absl::Status Parser::parseArguments(Expr &call) {
  LAMINA_RETURN_IF_ERROR(expectOperator("("));
  for (bool first = true; !skipOperator(")"); first = false) {
    if (!first) {
      LAMINA_RETURN_IF_ERROR(expectOperator(","));
      if (skipOperator(")"))
        break;
    }
    if (isOperator("*") || isOperator("**"))
      return unsupported(token().at, "unpacking arguments with * is not supported");
    if (token().kind == TokenKind::Name && isOperator("=", 1)) {
      std::string name = token().text;
      next();
      next();
      LAMINA_ASSIGN_OR_RETURN(ExprPtr value, parseExpression());
      call.keywords.emplace_back(std::move(name), std::move(value));
      continue;
    }
    if (!call.keywords.empty())
      return fail(token().at, "an argument without a name follows one with a name");
    LAMINA_ASSIGN_OR_RETURN(ExprPtr value, parseExpression());
    call.operands.push_back(std::move(value));
  }
  return absl::OkStatus();
}

} // namespace lamina::jinja
