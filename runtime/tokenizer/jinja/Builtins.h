//===- Builtins.h - filters, tests, methods and functions -------------------------------------*- C++ -*-===//
//
// What templates can call. Errors have no position; the interpreter adds it.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_JINJA_BUILTINS_H
#define LAMINA_RUNTIME_TOKENIZER_JINJA_BUILTINS_H

#include "runtime/tokenizer/jinja/Value.h"

#include <initializer_list>
#include <optional>
#include <span>

namespace lamina::jinja {

struct Stmt;
struct Scope;

/// What a template may still use up.
class Budget {
public:
  static constexpr int64_t maxSteps = 5000000;
  static constexpr size_t maxText = size_t(16) << 20;

  /// An evaluation or a visited value is one step, 256 bytes of text another.
  absl::Status charge(uint64_t steps) {
    if (steps > static_cast<uint64_t>(left_))
      return absl::ResourceExhaustedError("the template does too much work");
    left_ -= static_cast<int64_t>(steps);
    return absl::OkStatus();
  }
  /// A text of `bytes` is about to be made.
  absl::Status chargeText(size_t bytes) {
    if (bytes > maxText)
      return absl::ResourceExhaustedError("the template makes a text of more than 16 MiB");
    return charge(1 + bytes / 256);
  }

private:
  int64_t left_ = maxSteps;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

/// The arguments by parameter: positional ones first, then by keyword. An error names the callee and what is
/// wrong.
absl::StatusOr<std::vector<std::optional<Value>>>
bindArguments(std::string_view callee, const Arguments &arguments,
              std::initializer_list<std::string_view> parameters, size_t required = 0);

/// A method bound to its object, a global function, or a macro.
struct Function {
  enum class Sort { Method, Global, Macro };
  Sort sort;
  std::string name;
  Value self;                  ///< of a method
  const Stmt *macro = nullptr; ///< of a macro
  Scope *scope = nullptr;      ///< where the macro was defined; outlives it
};

/// The state of a for loop that `loop` shows.
struct Loop {
  std::shared_ptr<const std::vector<Value>> items;
  mutable size_t index = 0;
  size_t depth = 1;
};

bool isFilter(std::string_view name);
bool isTest(std::string_view name);

/// Filters and tests call each other by name (map, select).
absl::StatusOr<Value> applyFilter(std::string_view name, const Value &input, const Arguments &arguments,
                                  Budget &budget);
absl::StatusOr<bool> applyTest(std::string_view name, const Value &input, const Arguments &arguments,
                               Budget &budget);

absl::StatusOr<Value> callMethod(const Value &self, std::string_view name, const Arguments &arguments,
                                 Budget &budget);

/// object.name and object[key] as Jinja looks them up: the one that is asked for first, then the other.
absl::StatusOr<Value> getAttribute(const Value &object, std::string_view name);
absl::StatusOr<Value> getItem(const Value &object, const Value &key, Budget &budget);

/// What a for loop over a value visits; none and numbers are errors.
absl::StatusOr<std::vector<Value>> iterate(const Value &value, Budget &budget);

/// value in container.
absl::StatusOr<bool> contains(const Value &container, const Value &value, Budget &budget);

/// a < b for numbers, strings and lists.
absl::StatusOr<bool> lessThan(const Value &a, const Value &b);

/// Text with & < > " ' escaped.
std::string escapeMarkup(std::string_view text);

/// str() with its cost.
absl::StatusOr<std::string> textOf(const Value &value, Budget &budget);

/// str.upper() and str.lower(). An error where the text has letters beyond ASCII that may have another case.
absl::StatusOr<std::string> changeCase(std::string_view text, bool upper);

} // namespace lamina::jinja

#endif // LAMINA_RUNTIME_TOKENIZER_JINJA_BUILTINS_H
