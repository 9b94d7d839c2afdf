//===- Recognize.h - closed forms of values seen at probes ------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_RECOGNIZE_H
#define LAMINA_LIB_IMPORT_ONNX_RECOGNIZE_H

#include "lib/Import/ONNX/ProbeInputs.h"

namespace lamina::onnx {

/// The affine function that gives these numbers at the points, if there is one with integers.
std::optional<Affine> fitAffine(std::span<const int64_t> numbers, std::span<const ProbePoint> points);

/// What a value is, from its samples at the points.
ProbedValue recognize(std::span<const Tensor> samples, std::span<const ProbePoint> points);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_RECOGNIZE_H
