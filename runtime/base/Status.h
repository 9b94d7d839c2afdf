//===- Status.h - absl::Status with the two macros ------------------------------------------------*- C++ -*-===//
//
// Errors of the runtime are values. A message is one line: what is wrong, where (file, byte offset, key), what to do;
// lower case, no full stop. Nothing that input can cause aborts.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_BASE_STATUS_H
#define LAMINA_RUNTIME_BASE_STATUS_H

#include "absl/status/status.h"
#include "absl/status/statusor.h"

/// Returns from the enclosing function if the expression is an error.
#define LAMINA_RETURN_IF_ERROR(expr)                                                                         \
  do {                                                                                                       \
    if (absl::Status laminaStatus_ = (expr); !laminaStatus_.ok())                                            \
      return laminaStatus_;                                                                                  \
  } while (false)

#define LAMINA_STATUS_CONCAT_INNER_(a, b) a##b
#define LAMINA_STATUS_CONCAT_(a, b) LAMINA_STATUS_CONCAT_INNER_(a, b)

/// Evaluates a StatusOr; declares or assigns `lhs` with its value or returns its error.
#define LAMINA_ASSIGN_OR_RETURN(lhs, expr)                                                                   \
  LAMINA_ASSIGN_OR_RETURN_IMPL_(LAMINA_STATUS_CONCAT_(laminaStatusOr_, __LINE__), lhs, expr)
#define LAMINA_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr)                                                        \
  auto tmp = (expr);                                                                                         \
  if (!tmp.ok())                                                                                             \
    return tmp.status();                                                                                     \
  lhs = std::move(*tmp)

#endif // LAMINA_RUNTIME_BASE_STATUS_H
