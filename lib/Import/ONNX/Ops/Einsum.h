//===- Einsum.h - equations of indices --------------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_OPS_EINSUM_H
#define LAMINA_LIB_IMPORT_ONNX_OPS_EINSUM_H

#include "lib/Import/ONNX/OpContext.h"

#include <map>

namespace lamina::onnx {

/// An equation like "b...ij,jk->b...ik". The axes that an ellipsis stands for are labels '0', '1', …, counted
/// from the right so that they broadcast.
struct Equation {
  std::vector<std::string> operands;
  std::string result;
  std::map<char, int64_t> sizes;
};

/// What the attribute of an Einsum says of its inputs.
absl::StatusOr<Equation> equationOf(OpContext &context);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_OPS_EINSUM_H
