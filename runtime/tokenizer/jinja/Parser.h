//===- Parser.h - tokens to a tree ------------------------------------------------------------*- C++ -*-===//
//
// A recursive descent parser; Parser.cpp holds statements, ParserExpr.cpp expressions. Internal to the jinja
// folder: parseTemplate() of AST.h is the way in.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_JINJA_PARSER_H
#define LAMINA_RUNTIME_TOKENIZER_JINJA_PARSER_H

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/jinja/Lexer.h"

#include <initializer_list>

namespace lamina::jinja {

/// Operands as a list, which could not be initialised with them.
template <typename... Exprs> std::vector<ExprPtr> pack(Exprs... exprs) {
  std::vector<ExprPtr> result;
  (result.push_back(std::move(exprs)), ...);
  return result;
}

class Parser {
public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  absl::StatusOr<Template> run();

private:
  /// Nesting of blocks and parentheses, and height of expressions (a + b + c is 3 high).
  static constexpr int maxNesting = 60;
  static constexpr uint32_t maxHeight = 120;

  using ExprOr = absl::StatusOr<ExprPtr>;

  /// Counts one level of nesting while it lives.
  class Nesting {
  public:
    explicit Nesting(Parser &parser) : parser_(parser) { ++parser_.nesting_; }
    ~Nesting() { --parser_.nesting_; }

  private:
    Parser &parser_;
  };

  const Token &token(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  void next() { at_ = std::min(at_ + 1, tokens_.size() - 1); }
  bool isName(std::string_view name, size_t ahead = 0) const {
    return token(ahead).kind == TokenKind::Name && token(ahead).text == name;
  }
  bool isOperator(std::string_view op, size_t ahead = 0) const {
    return token(ahead).kind == TokenKind::Operator && token(ahead).text == op;
  }
  bool skipName(std::string_view name);
  bool skipOperator(std::string_view op);

  absl::Status fail(Position at, std::string_view message) const {
    return errorAt(at, absl::StatusCode::kInvalidArgument, message);
  }
  absl::Status unsupported(Position at, std::string_view message) const {
    return errorAt(at, absl::StatusCode::kUnimplemented, message);
  }
  absl::Status expectOperator(std::string_view op);
  absl::Status expectEnd();
  absl::StatusOr<std::string> expectName(std::string_view what);
  std::string describe(const Token &token) const;
  absl::Status checkNesting() const;

  // Statements.
  absl::Status parseBody(std::initializer_list<std::string_view> ends, Body &body);
  absl::StatusOr<std::unique_ptr<Stmt>> parseTag();
  absl::Status parseIf(Stmt &stmt);
  absl::Status parseFor(Stmt &stmt);
  absl::Status parseSet(Stmt &stmt);
  absl::Status parseWith(Stmt &stmt);
  absl::Status parseMacro(Stmt &stmt);
  absl::Status parseFilterBlock(Stmt &stmt);
  absl::Status parseTargets(std::vector<std::string> &targets);
  absl::StatusOr<std::string> parseTarget();

  // Expressions.
  ExprOr parseTuple(bool conditional);
  ExprOr parseExpression();
  ExprOr parseOr();
  ExprOr parseAnd();
  ExprOr parseNot();
  ExprOr parseCompare();
  ExprOr parseSum();
  ExprOr parseConcat();
  ExprOr parseProduct();
  ExprOr parsePower();
  ExprOr parseUnary(bool filters);
  ExprOr parsePrimary();
  ExprOr parseParentheses();
  ExprOr parseListLiteral();
  ExprOr parseDictLiteral();
  ExprOr parsePostfix(ExprPtr expr);
  ExprOr parseSubscript(ExprPtr object);
  ExprOr parseCall(ExprPtr callee);
  ExprOr parseFilters(ExprPtr expr);
  ExprOr parseFilter(ExprPtr input);
  ExprOr parseTest(ExprPtr input);
  absl::Status parseArguments(Expr &call);

  ExprPtr make(ExprKind kind, Position at) const;
  /// Adds operands and checks the height.
  absl::StatusOr<ExprPtr> adopt(ExprPtr parent, std::vector<ExprPtr> operands) const;
  absl::StatusOr<ExprPtr> measured(ExprPtr expr) const;

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0; ///< for loops around the current statement, within the current macro
};

} // namespace lamina::jinja

#endif // LAMINA_RUNTIME_TOKENIZER_JINJA_PARSER_H
