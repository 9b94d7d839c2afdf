//===- Norm.h - rows less their mean, in units of their deviation ------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_LOWERINGS_NORM_H
#define LAMINA_LIB_IMPORT_ONNX_LOWERINGS_NORM_H

#include "lib/Import/ONNX/Lowerings/Rows.h"

#include <optional>

namespace lamina::onnx {

/// Statistics are f32, or f64 of double.
inline ElementType statisticsOf(ElementType type) {
  return type == ElementType::Double ? type : ElementType::Float;
}

struct Statistics {
  std::optional<Operand> mean; ///< of rows that are centred
  Operand inverse;             ///< 1 / sqrt(variance + epsilon)
};

Statistics statistics(Lowering &low, const RowsView &rows, ElementType type, bool centred, double epsilon);

/// (x - mean) * inverse * scale + bias as an output; scale and bias have shapes that broadcast.
void normalize(Lowering &low, Operand x, const Statistics &of, Operand scale, std::optional<Operand> bias,
               size_t output = 0);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_LOWERINGS_NORM_H
