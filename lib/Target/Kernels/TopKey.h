//===- TopKey.h - the order of a row's elements as integers -------------------------------*- C++ -*-===//
//
// lm.top_k orders by element, then by column. As one i64 both are compared at once, and the greatest of some keys
// says which element it is of.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_KERNELS_TOPKEY_H
#define LAMINA_LIB_TARGET_KERNELS_TOPKEY_H

#include "lib/Target/Kernels/KernelBuilder.h"

#include <limits>

namespace lamina {

/// Below the key of every element, and above.
inline constexpr int64_t kBelowKeys = std::numeric_limits<int64_t>::min();
inline constexpr int64_t kAboveKeys = std::numeric_limits<int64_t>::max();

/// The key of the f32 `element` in a column (i64).
Value topKey(KernelBuilder &b, Value element, Value column);
/// The column (i64) that a key is of.
Value columnOf(KernelBuilder &b, Value key);

/// The greatest key below `below` of every `step`-th column of a row from `begin` up to `end`.
Value greatestKey(KernelBuilder &b, Value row, Value begin, int64_t end, int64_t step, Value below);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_TOPKEY_H
