//===- AST.h - a parsed template --------------------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_TOKENIZER_JINJA_AST_H
#define LAMINA_RUNTIME_TOKENIZER_JINJA_AST_H

#include "runtime/tokenizer/jinja/Value.h"

#include <memory>
#include <string>
#include <vector>

namespace lamina::jinja {

/// Where something begins in the source; both count from 1, columns in bytes.
struct Position {
  uint32_t line = 1;
  uint32_t column = 1;
};

/// "chat template: line 3, column 7: MESSAGE", on one line whatever the message holds.
absl::Status errorAt(Position at, absl::StatusCode code, std::string_view message);
/// The same for a status that has no position yet.
absl::Status errorAt(Position at, const absl::Status &status);

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<std::unique_ptr<Stmt>>;

enum class ExprKind {
  Constant,    ///< constant
  Name,        ///< name
  List,        ///< operands
  Tuple,       ///< operands
  Dict,        ///< operands: key, value, key, value, ...
  Attribute,   ///< operands[0].name
  Subscript,   ///< operands[0][operands[1]]
  Slice,       ///< operands[0][1:2:3], absent parts null
  Call,        ///< operands[0](operands[1...], keywords)
  Filter,      ///< operands[0] | name(operands[1...], keywords)
  Test,        ///< operands[0] is name(operands[1...], keywords)
  Not,         ///< operands[0]
  Negate,      ///< operands[0]
  Plus,        ///< operands[0]
  And,         ///< operands[0] and operands[1]
  Or,          ///< operands[0] or operands[1]
  Conditional, ///< operands[0] if operands[1] else operands[2] (may be null)
  Binary,      ///< operands[0] name operands[1]: + - * / // % **
  Concat,      ///< operands joined by ~
  Compare,     ///< operands[0] names[0] operands[1] names[1] operands[2] ...
};

struct Expr {
  ExprKind kind;
  Position at;
  uint32_t depth = 1; ///< height of the tree, bounded by the parser
  std::string name;
  Value constant;
  std::vector<ExprPtr> operands;
  std::vector<std::pair<std::string, ExprPtr>> keywords;
  std::vector<std::string> names;
};

enum class StmtKind {
  Text,     ///< text
  Output,   ///< value
  If,       ///< branches, first true condition wins; a null condition is the else
  For,      ///< targets, value, filter, body, otherwise
  Set,      ///< targets or space.attribute, value
  SetBlock, ///< the same, filters, body
  With,     ///< targets, values, body
  Macro,    ///< name, targets (parameters), values (defaults of the last ones), body
  Filter,   ///< filters, body
  Scope,    ///< body (generation)
  Break,
  Continue,
};

struct Branch {
  ExprPtr condition;
  Body body;
};

struct Stmt {
  StmtKind kind;
  Position at;
  std::string text; ///< literal text; name of a macro
  ExprPtr value;
  ExprPtr filter; ///< condition of a for; chain of filters of a block, whose innermost operand is the name of
                  ///< the captured text
  std::vector<std::string> targets;
  std::string space; ///< set space.attribute: the namespace, the attribute is targets[0]
  std::vector<ExprPtr> values;
  std::vector<Branch> branches;
  Body body, otherwise;
};

struct Template {
  Body body;
};

/// The name under which a filter block's text is bound while its filters run. No identifier can be empty.
inline constexpr std::string_view capturedText = "";

/// Parses a template; docs/formats/chat-template.md is what it accepts. Errors have a position.
absl::StatusOr<Template> parseTemplate(std::string_view source);

} // namespace lamina::jinja

#endif // LAMINA_RUNTIME_TOKENIZER_JINJA_AST_H
