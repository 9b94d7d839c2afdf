//===- Operators.h - what operators do to values ----------------------------------------------*- C++ -*-===//
//
// Python's operators; errors have no position.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_JINJA_OPERATORS_H
#define LAMINA_RUNTIME_TOKENIZER_JINJA_OPERATORS_H

#include "runtime/tokenizer/jinja/Builtins.h"

namespace lamina::jinja {

/// a op b for + - * / // % **. Integers have 64 bits; an overflow is an error.
absl::StatusOr<Value> binary(std::string_view op, const Value &a, const Value &b, Budget &budget);

/// a op b for == != < > <= >= in, not in.
absl::StatusOr<bool> compare(std::string_view op, const Value &a, const Value &b, Budget &budget);

/// object[start:stop:step] of a string, list or tuple.
absl::StatusOr<Value> slice(const Value &object, std::optional<int64_t> start, std::optional<int64_t> stop,
                            std::optional<int64_t> step, Budget &budget);

/// range(stop) or range(start, stop, step), as a list of at most 100000 integers.
absl::StatusOr<Value> makeRange(const Arguments &arguments, Budget &budget);

} // namespace lamina::jinja

#endif // LAMINA_RUNTIME_TOKENIZER_JINJA_OPERATORS_H
