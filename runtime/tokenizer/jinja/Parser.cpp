//===- Parser.cpp - statements --------------------------------------------------------------------------===//

#include "runtime/tokenizer/jinja/Parser.h"

#include <algorithm>

namespace lamina::jinja {

bool Parser::skipName(std::string_view name) {
  if (!isName(name))
    return false;
  next();
  return true;
}

bool Parser::skipOperator(std::string_view op) {
  if (!isOperator(op))
    return false;
  next();
  return true;
}

std::string Parser::describe(const Token &token) const {
  switch (token.kind) {
  case TokenKind::End:
    return "the end of the template";
  case TokenKind::BlockEnd:
    return "%}";
  case TokenKind::OutputEnd:
    return "}}";
  case TokenKind::String:
    return "a string";
  default:
    return strCat("\"", token.text.substr(0, 40), "\"");
  }
}

absl::Status Parser::expectOperator(std::string_view op) {
  if (!skipOperator(op))
    return fail(token().at, strCat("expected \"", op, "\", got ", describe(token())));
  return absl::OkStatus();
}

absl::Status Parser::expectEnd() {
  if (token().kind != TokenKind::BlockEnd)
    return fail(token().at, strCat("expected %}, got ", describe(token())));
  next();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Parser::expectName(std::string_view what) {
  if (token().kind != TokenKind::Name)
    return fail(token().at, strCat("expected ", what, ", got ", describe(token())));
  std::string name = token().text;
  next();
  return name;
}

absl::Status Parser::checkNesting() const {
  if (nesting_ > maxNesting)
    return errorAt(token().at, absl::StatusCode::kResourceExhausted,
                   strCat("the template nests deeper than ", maxNesting));
  return absl::OkStatus();
}

absl::StatusOr<Template> Parser::run() {
  Template result;
  LAMINA_RETURN_IF_ERROR(parseBody({}, result.body));
  return result;
}

/// Reads statements up to a tag whose name is one of `ends`; stops behind that name.
absl::Status Parser::parseBody(std::initializer_list<std::string_view> ends, Body &body) {
  Nesting nesting(*this);
  LAMINA_RETURN_IF_ERROR(checkNesting());
  for (;;) {
    const Token &current = token();
    if (current.kind == TokenKind::End) {
      if (ends.size() == 0)
        return absl::OkStatus();
      return fail(current.at, strCat("the template ends where ", *(ends.end() - 1), " is expected"));
    }
    auto stmt = std::make_unique<Stmt>();
    stmt->at = current.at;
    next();
    if (current.kind == TokenKind::Text) {
      stmt->kind = StmtKind::Text;
      stmt->text = current.text;
    } else if (current.kind == TokenKind::OutputBegin) {
      stmt->kind = StmtKind::Output;
      LAMINA_ASSIGN_OR_RETURN(stmt->value, parseTuple(/*conditional=*/true));
      if (token().kind != TokenKind::OutputEnd)
        return fail(token().at, strCat("expected }}, got ", describe(token())));
      next();
    } else {
      if (token().kind == TokenKind::Name && std::find(ends.begin(), ends.end(), token().text) != ends.end())
        return absl::OkStatus();
      LAMINA_ASSIGN_OR_RETURN(stmt, parseTag());
    }
    body.push_back(std::move(stmt));
  }
}

absl::StatusOr<std::unique_ptr<Stmt>> Parser::parseTag() {
  auto stmt = std::make_unique<Stmt>();
  stmt->at = token().at;
  LAMINA_ASSIGN_OR_RETURN(std::string tag, expectName("the name of a tag"));
  absl::Status status;
  if (tag == "if") {
    status = parseIf(*stmt);
  } else if (tag == "for") {
    status = parseFor(*stmt);
  } else if (tag == "set") {
    status = parseSet(*stmt);
  } else if (tag == "with") {
    status = parseWith(*stmt);
  } else if (tag == "macro") {
    status = parseMacro(*stmt);
  } else if (tag == "filter") {
    status = parseFilterBlock(*stmt);
  } else if (tag == "break" || tag == "continue") {
    stmt->kind = tag == "break" ? StmtKind::Break : StmtKind::Continue;
    if (loops_ == 0)
      return fail(stmt->at, strCat(tag, " outside of a for loop"));
    status = expectEnd();
  } else if (tag == "generation") {
    // Marks what the model wrote, for training; the text is the same.
    stmt->kind = StmtKind::Scope;
    LAMINA_RETURN_IF_ERROR(expectEnd());
    LAMINA_RETURN_IF_ERROR(parseBody({"endgeneration"}, stmt->body));
    next();
    status = expectEnd();
  } else {
    return unsupported(stmt->at, strCat("the tag \"", tag.substr(0, 40), "\" is not supported"));
  }
  LAMINA_RETURN_IF_ERROR(status);
  return stmt;
}

absl::Status Parser::parseIf(Stmt &stmt) {
  stmt.kind = StmtKind::If;
  for (;;) {
    Branch &branch = stmt.branches.emplace_back();
    LAMINA_ASSIGN_OR_RETURN(branch.condition, parseTuple(/*conditional=*/false));
    LAMINA_RETURN_IF_ERROR(expectEnd());
    LAMINA_RETURN_IF_ERROR(parseBody({"elif", "else", "endif"}, branch.body));
    if (skipName("elif"))
      continue;
    if (skipName("else")) {
      LAMINA_RETURN_IF_ERROR(expectEnd());
      LAMINA_RETURN_IF_ERROR(parseBody({"endif"}, stmt.branches.emplace_back().body));
    }
    next();
    return expectEnd();
  }
}

absl::Status Parser::parseFor(Stmt &stmt) {
  stmt.kind = StmtKind::For;
  LAMINA_RETURN_IF_ERROR(parseTargets(stmt.targets));
  if (!skipName("in"))
    return fail(token().at, strCat("expected \"in\", got ", describe(token())));
  LAMINA_ASSIGN_OR_RETURN(stmt.value, parseTuple(/*conditional=*/false));
  if (skipName("if")) {
    LAMINA_ASSIGN_OR_RETURN(stmt.filter, parseExpression());
  }
  if (isName("recursive"))
    return unsupported(token().at, "recursive for loops are not supported");
  LAMINA_RETURN_IF_ERROR(expectEnd());
  ++loops_;
  absl::Status status = parseBody({"else", "endfor"}, stmt.body);
  --loops_;
  LAMINA_RETURN_IF_ERROR(status);
  if (skipName("else")) {
    LAMINA_RETURN_IF_ERROR(expectEnd());
    LAMINA_RETURN_IF_ERROR(parseBody({"endfor"}, stmt.otherwise));
  }
  next();
  return expectEnd();
}

absl::StatusOr<std::string> Parser::parseTarget() {
  Position at = token().at;
  LAMINA_ASSIGN_OR_RETURN(std::string name, expectName("a name to assign to"));
  for (std::string_view constant : {"true", "false", "none", "True", "False", "None"})
    if (name == constant)
      return fail(at, strCat("cannot assign to ", name));
  return name;
}

/// a, or a, b, or (a, b). More than one target (or a comma) unpacks.
absl::Status Parser::parseTargets(std::vector<std::string> &targets) {
  bool parentheses = skipOperator("(");
  do {
    LAMINA_ASSIGN_OR_RETURN(std::string name, parseTarget());
    targets.push_back(std::move(name));
    if (isName("in"))
      break;
  } while (skipOperator(","));
  return parentheses ? expectOperator(")") : absl::OkStatus();
}

absl::Status Parser::parseSet(Stmt &stmt) {
  if (token().kind == TokenKind::Name && isOperator(".", 1)) {
    LAMINA_ASSIGN_OR_RETURN(stmt.space, parseTarget());
    next();
    LAMINA_ASSIGN_OR_RETURN(std::string attribute, expectName("an attribute"));
    stmt.targets.push_back(std::move(attribute));
  } else {
    LAMINA_RETURN_IF_ERROR(parseTargets(stmt.targets));
  }
  if (skipOperator("=")) {
    stmt.kind = StmtKind::Set;
    LAMINA_ASSIGN_OR_RETURN(stmt.value, parseTuple(/*conditional=*/true));
    return expectEnd();
  }
  stmt.kind = StmtKind::SetBlock;
  if (stmt.targets.size() != 1)
    return fail(token().at, strCat("expected \"=\", got ", describe(token())));
  if (isOperator("|")) {
    ExprPtr captured = make(ExprKind::Name, token().at);
    captured->name = capturedText;
    LAMINA_ASSIGN_OR_RETURN(stmt.filter, parseFilters(std::move(captured)));
  }
  LAMINA_RETURN_IF_ERROR(expectEnd());
  LAMINA_RETURN_IF_ERROR(parseBody({"endset"}, stmt.body));
  next();
  return expectEnd();
}

absl::Status Parser::parseWith(Stmt &stmt) {
  stmt.kind = StmtKind::With;
  while (token().kind != TokenKind::BlockEnd) {
    if (!stmt.targets.empty())
      LAMINA_RETURN_IF_ERROR(expectOperator(","));
    LAMINA_ASSIGN_OR_RETURN(std::string name, parseTarget());
    LAMINA_RETURN_IF_ERROR(expectOperator("="));
    LAMINA_ASSIGN_OR_RETURN(ExprPtr value, parseExpression());
    stmt.targets.push_back(std::move(name));
    stmt.values.push_back(std::move(value));
  }
  LAMINA_RETURN_IF_ERROR(expectEnd());
  LAMINA_RETURN_IF_ERROR(parseBody({"endwith"}, stmt.body));
  next();
  return expectEnd();
}

absl::Status Parser::parseMacro(Stmt &stmt) {
  stmt.kind = StmtKind::Macro;
  LAMINA_ASSIGN_OR_RETURN(stmt.text, parseTarget());
  LAMINA_RETURN_IF_ERROR(expectOperator("("));
  while (!skipOperator(")")) {
    if (!stmt.targets.empty())
      LAMINA_RETURN_IF_ERROR(expectOperator(","));
    LAMINA_ASSIGN_OR_RETURN(std::string name, parseTarget());
    stmt.targets.push_back(std::move(name));
    if (skipOperator("=")) {
      LAMINA_ASSIGN_OR_RETURN(ExprPtr value, parseExpression());
      stmt.values.push_back(std::move(value));
    } else if (!stmt.values.empty()) {
      return fail(token().at, "a parameter without a default follows one with a default");
    }
  }
  LAMINA_RETURN_IF_ERROR(expectEnd());
  int loops = std::exchange(loops_, 0);
  absl::Status status = parseBody({"endmacro"}, stmt.body);
  loops_ = loops;
  LAMINA_RETURN_IF_ERROR(status);
  next();
  return expectEnd();
}

absl::Status Parser::parseFilterBlock(Stmt &stmt) {
  stmt.kind = StmtKind::Filter;
  ExprPtr captured = make(ExprKind::Name, token().at);
  captured->name = capturedText;
  LAMINA_ASSIGN_OR_RETURN(ExprPtr first, parseFilter(std::move(captured)));
  LAMINA_ASSIGN_OR_RETURN(stmt.filter, parseFilters(std::move(first)));
  LAMINA_RETURN_IF_ERROR(expectEnd());
  LAMINA_RETURN_IF_ERROR(parseBody({"endfilter"}, stmt.body));
  next();
  return expectEnd();
}

absl::StatusOr<Template> parseTemplate(std::string_view source) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(source));
  return Parser(std::move(tokens)).run();
}

} // namespace lamina::jinja
