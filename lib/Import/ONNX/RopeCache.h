//===- RopeCache.h - frequencies from tables of cosines and sines -----------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_ROPECACHE_H
#define LAMINA_LIB_IMPORT_ONNX_ROPECACHE_H

#include "lib/Import/ONNX/Tensor.h"

namespace lamina::onnx {

struct RopeCache {
  std::vector<double> frequencies; ///< radians per position
  double magnitude = 1;
  int64_t positions = 0; ///< rows of the tables
};

/// What the tables, [positions, frequencies], were computed from: row p has magnitude · cos(p · frequency) and the sines.
/// Frequencies are read off the turning from row to row, at distances that double, and taken as powers of a
/// base of few digits where the tables agree. Fails if they have no frequencies.
absl::StatusOr<RopeCache> readRopeCache(const Tensor &cosines, const Tensor &sines);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_ROPECACHE_H
