//===- PackedWeight.h - weights in the layout that kernels read -----------------------------*- C++ -*-===//
//
// The same layout on every device: docs/formats/packed-weights.md.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_KERNELS_PACKEDWEIGHT_H
#define LAMINA_LIB_TARGET_KERNELS_PACKEDWEIGHT_H

#include "runtime/io/BlockFormat.h"

#include "absl/status/status.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <span>
#include <vector>

namespace lamina {

/// Bytes of a weight in the packed layout; `type` has a static shape and block or f32 elements. A multiple of
/// 16; 0 for elements of a format that does not exist.
int64_t packedSize(mlir::RankedTensorType type);

/// A tensor as it lies in a model file.
struct WeightBytes {
  const BlockFormat *format;
  const uint8_t
      *data; ///< as many bytes as the format needs for the tensor's elements, or as a pitch spreads them over
};

/// A weight to be packed: what lm.weight says, with the bytes in place of their addresses.
struct WeightSource {
  mlir::RankedTensorType type;
  std::vector<WeightBytes> parts; ///< stacked along the leading dimension in equal shares
  int64_t ropeHeads = 0;          ///< 0: rows keep their order
  int64_t ropeLength = 0;
  int64_t columnPitch = 0; ///< 0: rows lie one after another; otherwise lm.weight's column_pitch
};

/// Writes the packedSize(type) bytes of a weight in order, a few MiB at a time. Packs on up to `threads`
/// threads; `sink` is called on the calling thread alone, and its error ends the work. Fails if a part has a
/// format that the weight's type cannot be made of. Thread-safe.
absl::Status packWeight(const WeightSource &weight, unsigned threads,
                        llvm::function_ref<absl::Status(std::span<const uint8_t>)> sink);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_PACKEDWEIGHT_H
