//===- Interpreter.h - runs a parsed template -------------------------------------------------*- C++ -*-===//
//
// One object per rendering. Interpreter.cpp runs statements, InterpreterExpr.cpp computes expressions. Every
// evaluation costs one step of the budget and one level of the nesting limit.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_JINJA_INTERPRETER_H
#define LAMINA_RUNTIME_TOKENIZER_JINJA_INTERPRETER_H

#include "runtime/tokenizer/jinja/AST.h"
#include "runtime/tokenizer/jinja/Builtins.h"

#include <optional>

namespace lamina::jinja {

/// The names of a block. Lookups go outwards, assignments stay inside.
struct Scope {
  Scope *parent = nullptr;
  std::vector<std::pair<std::string, Value>> names;

  void set(std::string_view name, Value value);
};

class Interpreter {
public:
  /// `now`: for strftime_now(), which does not exist without it.
  explicit Interpreter(std::optional<int64_t> now) : now_(now) {}

  /// The text of the template with the names in `globals`.
  absl::StatusOr<std::string> run(const Template &parsed, Scope &globals);

private:
  /// Bounds the C++ stack: about 33 nested macro calls.
  static constexpr int maxNesting = 500;

  enum class Flow { Normal, Break, Continue };
  using FlowOr = absl::StatusOr<Flow>;
  using ValueOr = absl::StatusOr<Value>;

  class Nesting {
  public:
    explicit Nesting(Interpreter &interpreter) : interpreter_(interpreter) { ++interpreter_.nesting_; }
    ~Nesting() { --interpreter_.nesting_; }

  private:
    Interpreter &interpreter_;
  };

  absl::Status enter(Position at);
  absl::Status fail(Position at, std::string_view message) const {
    return errorAt(at, absl::StatusCode::kInvalidArgument, message);
  }

  // Statements.
  FlowOr execute(const Body &body, Scope &scope);
  FlowOr execute(const Stmt &stmt, Scope &scope);
  FlowOr executeIf(const Stmt &stmt, Scope &scope);
  FlowOr executeFor(const Stmt &stmt, Scope &scope);
  absl::StatusOr<std::vector<Value>> loopItems(const Stmt &stmt, Scope &scope);
  FlowOr executeCapture(const Stmt &stmt, Scope &scope);
  absl::Status executeWith(const Stmt &stmt, Scope &scope, Scope &inner);
  absl::Status assign(const Stmt &stmt, Value value, Scope &scope);
  absl::Status bindTargets(const Stmt &stmt, const Value &value, Scope &scope);
  absl::Status write(Position at, std::string_view text);

  // Expressions.
  ValueOr evaluate(const Expr &expr, Scope &scope);
  ValueOr evaluateName(const Expr &expr, Scope &scope);
  ValueOr evaluateContainer(const Expr &expr, Scope &scope);
  ValueOr evaluateSlice(const Expr &expr, Scope &scope);
  ValueOr evaluateLogic(const Expr &expr, Scope &scope);
  ValueOr evaluateSign(const Expr &expr, Scope &scope);
  ValueOr evaluateBinary(const Expr &expr, Scope &scope);
  ValueOr evaluateConcat(const Expr &expr, Scope &scope);
  ValueOr evaluateCompare(const Expr &expr, Scope &scope);
  ValueOr evaluateLookup(const Expr &expr, Scope &scope);
  ValueOr evaluateFilterOrTest(const Expr &expr, Scope &scope);
  ValueOr evaluateCall(const Expr &expr, Scope &scope);
  ValueOr callGlobal(const Expr &expr, std::string_view name, const Arguments &arguments);
  ValueOr callMacro(const Expr &expr, const Function &function, const Arguments &arguments);
  absl::StatusOr<Arguments> evaluateArguments(const Expr &expr, Scope &scope);

  /// Gives an error of a builtin the position of the expression.
  template <typename T> absl::StatusOr<T> located(Position at, absl::StatusOr<T> result) const {
    if (!result.ok())
      return errorAt(at, result.status());
    return result;
  }

  std::optional<int64_t> now_;
  Budget budget_;
  int nesting_ = 0;
  std::string *out_ = nullptr;
};

} // namespace lamina::jinja

#endif // LAMINA_RUNTIME_TOKENIZER_JINJA_INTERPRETER_H
