//===- Norm.h - normalising rows --------------------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_OPS_NORM_H
#define LAMINA_LIB_IMPORT_ONNX_OPS_NORM_H

#include <cmath>
#include <cstdint>

namespace lamina::onnx {

/// What normalises a row: y = (x - mean) * inverse, where the mean is 0 for RMS norms.
struct RowStatistics {
  double mean = 0, inverse = 0;
};

/// x(i) gives the elements of a row.
template <typename X> RowStatistics rowStatistics(int64_t count, double epsilon, bool centred, X x) {
  RowStatistics row;
  if (centred) {
    for (int64_t i = 0; i < count; ++i)
      row.mean += x(i);
    row.mean /= static_cast<double>(count);
  }
  double squares = 0;
  for (int64_t i = 0; i < count; ++i)
    squares += (x(i) - row.mean) * (x(i) - row.mean);
  row.inverse = 1 / std::sqrt(squares / static_cast<double>(count) + epsilon);
  return row;
}

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_OPS_NORM_H
