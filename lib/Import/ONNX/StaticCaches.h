//===- StaticCaches.h - caches of a fixed size, of which a step writes some rows ---------------*- C++ -*-===//
//
// Some decoders are given caches that have room for all positions, and write the rows of the new ones. What
// they compute is what a decoder with growing caches computes: the rows beyond those are masked. So the axis
// of the room is read as the past before the step's keys and values are written, and as the context after.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_STATICCACHES_H
#define LAMINA_LIB_IMPORT_ONNX_STATICCACHES_H

#include "lib/Import/ONNX/Probe.h"

namespace lamina::onnx {

/// How a node writes rows of a tensor: TensorScatter, ScatterND, ScatterElements.
struct RowUpdate {
  size_t places = 0, rows = 0; ///< inputs
  int64_t axis = 0;            ///< of the rows
};
std::optional<RowUpdate> rowUpdateOf(const Node &node, size_t rank);

/// Gives the axes of rooms in `probed` the sizes that growing caches have. The smallest room, none if there
/// is no such cache; an error where a size cannot be told from others.
absl::StatusOr<std::optional<int64_t>> readStaticCaches(const Graph &graph, std::vector<ProbedValue> &probed);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_STATICCACHES_H
