//===- Product.h - products of stacks of matrices ---------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_LOWERINGS_PRODUCT_H
#define LAMINA_LIB_IMPORT_ONNX_LOWERINGS_PRODUCT_H

#include "lib/Import/ONNX/Lowering.h"

namespace lamina::onnx {

/// Matrices are the last two axes, the axes before them broadcast. Elements become `sums` before they are multiplied. Columns are
/// the innermost loop, so it runs over neighbours unless `transposeB`.
struct Product {
  ElementType sums = ElementType::Float;
  bool transposeA = false, transposeB = false;

  Operand of(Lowering &low, Operand a, Operand b) const;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_LOWERINGS_PRODUCT_H
