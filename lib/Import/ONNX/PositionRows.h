//===- PositionRows.h - tables that have a row for each position ------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_POSITIONROWS_H
#define LAMINA_LIB_IMPORT_ONNX_POSITIONROWS_H

#include "lib/Import/ONNX/ProbeInputs.h"

namespace lamina::onnx {

using Rows = std::map<int64_t, std::vector<double>>; // by position

/// The rows along an axis, of which the first is of position `first`, if what is seen at a position is the
/// same in every sample.
std::optional<Rows> rowsOf(std::span<const Tensor> samples, std::span<const ProbePoint> points, int64_t axis,
                           const Affine &first);

/// Whether all rows are their position times frequencies, and these.
bool readAngles(const Rows &rows, ElementType type, std::vector<double> &frequencies);

/// Finds out which of the rows by position are cosines and sines of angles: those that are among the values,
/// because frequencies cannot be read off a cosine precisely; or if there are none, those that two tables by
/// position are cosines and sines of. `samples` are by point, then by value.
void nameRotations(std::vector<ProbedValue> &values, const std::vector<std::vector<Tensor>> &samples,
                   std::span<const ProbePoint> points);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_POSITIONROWS_H
