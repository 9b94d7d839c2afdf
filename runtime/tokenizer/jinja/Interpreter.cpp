//===- Interpreter.cpp - runs statements ----------------------------------------------------------------===//

#include "runtime/tokenizer/jinja/Interpreter.h"

#include "runtime/base/StrCat.h"

namespace lamina::jinja {

void Scope::set(std::string_view name, Value value) {
  for (auto &[known, old] : names)
    if (known == name) {
      old = std::move(value);
      return;
    }
  names.emplace_back(name, std::move(value));
}

absl::StatusOr<std::string> Interpreter::run(const Template &parsed, Scope &globals) {
  std::string text;
  out_ = &text;
  LAMINA_RETURN_IF_ERROR(execute(parsed.body, globals).status());
  return text;
}

absl::Status Interpreter::enter(Position at) {
  if (nesting_ > maxNesting)
    return errorAt(at, absl::StatusCode::kResourceExhausted, "macro calls nest too deeply");
  if (absl::Status status = budget_.charge(1); !status.ok())
    return errorAt(at, status);
  return absl::OkStatus();
}

absl::Status Interpreter::write(Position at, std::string_view text) {
  if (absl::Status status = budget_.chargeText(
          out_->size() + text.size() > Budget::maxText ? Budget::maxText + 1 : text.size());
      !status.ok())
    return errorAt(at, status);
  *out_ += text;
  return absl::OkStatus();
}

Interpreter::FlowOr Interpreter::execute(const Body &body, Scope &scope) {
  for (const std::unique_ptr<Stmt> &stmt : body) {
    LAMINA_ASSIGN_OR_RETURN(Flow flow, execute(*stmt, scope));
    if (flow != Flow::Normal)
      return flow;
  }
  return Flow::Normal;
}

Interpreter::FlowOr Interpreter::execute(const Stmt &stmt, Scope &scope) {
  Nesting nesting(*this);
  LAMINA_RETURN_IF_ERROR(enter(stmt.at));
  switch (stmt.kind) {
  case StmtKind::Text:
    LAMINA_RETURN_IF_ERROR(write(stmt.at, stmt.text));
    return Flow::Normal;
  case StmtKind::Output: {
    LAMINA_ASSIGN_OR_RETURN(Value value, evaluate(*stmt.value, scope));
    LAMINA_ASSIGN_OR_RETURN(std::string text, located(stmt.at, textOf(value, budget_)));
    LAMINA_RETURN_IF_ERROR(write(stmt.at, text));
    return Flow::Normal;
  }
  case StmtKind::If:
    return executeIf(stmt, scope);
  case StmtKind::For:
    return executeFor(stmt, scope);
  case StmtKind::Set: {
    LAMINA_ASSIGN_OR_RETURN(Value value, evaluate(*stmt.value, scope));
    LAMINA_RETURN_IF_ERROR(assign(stmt, std::move(value), scope));
    return Flow::Normal;
  }
  case StmtKind::SetBlock:
  case StmtKind::Filter:
    return executeCapture(stmt, scope);
  case StmtKind::With: {
    Scope inner{&scope, {}};
    LAMINA_RETURN_IF_ERROR(executeWith(stmt, scope, inner));
    return execute(stmt.body, inner);
  }
  case StmtKind::Scope: {
    Scope inner{&scope, {}};
    return execute(stmt.body, inner);
  }
  case StmtKind::Macro: {
    Function macro{Function::Sort::Macro, stmt.text, Value(), &stmt, &scope};
    scope.set(stmt.text, Value(std::make_shared<const Function>(std::move(macro))));
    return Flow::Normal;
  }
  case StmtKind::Break:
    return Flow::Break;
  case StmtKind::Continue:
    return Flow::Continue;
  }
  return Flow::Normal;
}

Interpreter::FlowOr Interpreter::executeIf(const Stmt &stmt, Scope &scope) {
  for (const Branch &branch : stmt.branches) {
    if (branch.condition) {
      LAMINA_ASSIGN_OR_RETURN(Value condition, evaluate(*branch.condition, scope));
      if (!condition.truthy())
        continue;
    }
    return execute(branch.body, scope);
  }
  return Flow::Normal;
}

absl::StatusOr<std::vector<Value>> Interpreter::loopItems(const Stmt &stmt, Scope &scope) {
  LAMINA_ASSIGN_OR_RETURN(Value iterable, evaluate(*stmt.value, scope));
  LAMINA_ASSIGN_OR_RETURN(std::vector<Value> items, located(stmt.value->at, iterate(iterable, budget_)));
  if (!stmt.filter)
    return items;
  std::vector<Value> kept;
  for (Value &item : items) {
    Scope inner{&scope, {}};
    LAMINA_RETURN_IF_ERROR(bindTargets(stmt, item, inner));
    LAMINA_ASSIGN_OR_RETURN(Value keep, evaluate(*stmt.filter, inner));
    if (keep.truthy())
      kept.push_back(std::move(item));
  }
  return kept;
}

Interpreter::FlowOr Interpreter::executeFor(const Stmt &stmt, Scope &scope) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<Value> items, loopItems(stmt, scope));
  if (items.empty()) {
    Scope inner{&scope, {}};
    return execute(stmt.otherwise, inner);
  }
  auto loop = std::make_shared<Loop>();
  loop->items = std::make_shared<const std::vector<Value>>(std::move(items));
  for (size_t i = 0; i < loop->items->size(); ++i) {
    loop->index = i;
    Scope inner{&scope, {}};
    inner.set("loop", Value(std::shared_ptr<const Loop>(loop)));
    LAMINA_RETURN_IF_ERROR(bindTargets(stmt, (*loop->items)[i], inner));
    LAMINA_ASSIGN_OR_RETURN(Flow flow, execute(stmt.body, inner));
    if (flow == Flow::Break)
      break;
  }
  return Flow::Normal;
}

/// A block whose text is filtered or assigned instead of written.
Interpreter::FlowOr Interpreter::executeCapture(const Stmt &stmt, Scope &scope) {
  std::string text;
  std::string *outer = std::exchange(out_, &text);
  Scope inner{&scope, {}};
  FlowOr flow = execute(stmt.body, inner);
  out_ = outer;
  if (!flow.ok() || *flow != Flow::Normal)
    return flow;
  Value value(std::move(text));
  if (stmt.filter) {
    Scope captured{&scope, {}};
    captured.set(capturedText, std::move(value));
    LAMINA_ASSIGN_OR_RETURN(value, evaluate(*stmt.filter, captured));
  }
  if (stmt.kind == StmtKind::SetBlock) {
    LAMINA_RETURN_IF_ERROR(assign(stmt, std::move(value), scope));
    return Flow::Normal;
  }
  LAMINA_ASSIGN_OR_RETURN(text, located(stmt.at, textOf(value, budget_)));
  LAMINA_RETURN_IF_ERROR(write(stmt.at, text));
  return Flow::Normal;
}

absl::Status Interpreter::executeWith(const Stmt &stmt, Scope &scope, Scope &inner) {
  for (size_t i = 0; i < stmt.targets.size(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(Value value, evaluate(*stmt.values[i], scope));
    inner.set(stmt.targets[i], std::move(value));
  }
  return absl::OkStatus();
}

absl::Status Interpreter::assign(const Stmt &stmt, Value value, Scope &scope) {
  if (stmt.space.empty())
    return bindTargets(stmt, value, scope);
  const Value *space = nullptr;
  for (Scope *at = &scope; at && !space; at = at->parent)
    for (const auto &[name, known] : at->names)
      if (name == stmt.space)
        space = &known;
  if (!space || !space->is(Kind::Namespace))
    return fail(stmt.at, strCat("cannot set an attribute of \"", stmt.space, "\": it is ",
                                space ? "no namespace" : "undefined"));
  // A namespace that held a namespace, itself for one, could never be freed.
  if (value.is(Kind::Namespace) || value.is(Kind::Loop) || value.is(Kind::Function))
    return errorAt(stmt.at, absl::StatusCode::kUnimplemented,
                   strCat("a ", typeName(value), " as an attribute of a namespace is not supported"));
  for (auto &[name, old] : space->space().attributes)
    if (name == stmt.targets[0]) {
      old = std::move(value);
      return absl::OkStatus();
    }
  space->space().attributes.emplace_back(stmt.targets[0], std::move(value));
  return absl::OkStatus();
}

absl::Status Interpreter::bindTargets(const Stmt &stmt, const Value &value, Scope &scope) {
  if (stmt.targets.size() == 1) {
    scope.set(stmt.targets[0], value);
    return absl::OkStatus();
  }
  LAMINA_ASSIGN_OR_RETURN(std::vector<Value> items, located(stmt.at, iterate(value, budget_)));
  if (items.size() != stmt.targets.size())
    return fail(stmt.at,
                strCat("cannot unpack ", items.size(), " values into ", stmt.targets.size(), " names"));
  for (size_t i = 0; i < items.size(); ++i)
    scope.set(stmt.targets[i], std::move(items[i]));
  return absl::OkStatus();
}

} // namespace lamina::jinja
