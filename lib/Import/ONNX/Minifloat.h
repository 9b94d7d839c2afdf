//===- Minifloat.h - the floating-point element types of at most eight bits -------------------*- C++ -*-===//
//
// Float8E4M3FN, E4M3FNUZ, E5M2, E5M2FNUZ, E8M0, Float6E2M3, Float6E3M2 and Float4E2M1 as one description
// each. All functions are pure.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_MINIFLOAT_H
#define LAMINA_LIB_IMPORT_ONNX_MINIFLOAT_H

#include "lib/Import/ONNX/Model.h"

namespace lamina::onnx {

bool isMinifloat(ElementType type);

/// What `code` means as an element of `type`.
double decodeMinifloat(ElementType type, uint8_t code);

/// The nearest code, ties to even. A number beyond the largest becomes the largest if `saturate`, otherwise
/// infinity or, where the type has none, NaN. Types of four and six bits always saturate, and NaN becomes -0
/// in them.
uint8_t encodeMinifloat(ElementType type, double value, bool saturate);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_MINIFLOAT_H
