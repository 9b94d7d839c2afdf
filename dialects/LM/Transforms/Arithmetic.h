//===- Arithmetic.h - numbers and sums in upstream operations -----------------------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_LM_TRANSFORMS_ARITHMETIC_H
#define LAMINA_DIALECTS_LM_TRANSFORMS_ARITHMETIC_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <optional>

namespace lamina::lm {

/// The number that a tensor has everywhere.
std::optional<double> numberOf(mlir::Value value);

/// Whether a reduction adds.
bool isSum(mlir::linalg::ReduceOp reduce);

} // namespace lamina::lm

#endif // LAMINA_DIALECTS_LM_TRANSFORMS_ARITHMETIC_H
