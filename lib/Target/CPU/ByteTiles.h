//===- ByteTiles.h - products of tiles of bytes ---------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CPU_BYTETILES_H
#define LAMINA_LIB_TARGET_CPU_BYTETILES_H

#include "lib/Target/Kernels/KernelBuilder.h"

namespace lamina {

/// Generates products of 16 rows of activations and the 16 rows of a packed group on a unit that multiplies
/// tiles of signed bytes (AMX). Sums are exact.
class ByteTiles {
public:
  /// Tokens of a tile.
  static constexpr int64_t kTokens = 16;

  /// Takes some of the kernel's stack.
  explicit ByteTiles(KernelBuilder &builder);

  /// The unit has to be set up before the first product of a call, and freed after the last.
  static void setUp(KernelBuilder &builder);
  static void free(KernelBuilder &builder);

  /// Memory for the weights of a product of 32 elements.
  Value weights() { return weights_; }
  /// Multiplies `elements` (16 or 32) codes of each of kTokens rows, which lie `pitch` bytes apart from
  /// `activations` on, by `weights`: for each four elements the words of 16 rows. Returns where the sums lie, for
  /// each token those of 16 rows; the next product overwrites them.
  Value multiply(Value activations, int64_t pitch, Value weights, int64_t elements);

private:
  KernelBuilder &b_;
  Value weights_, sums_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_BYTETILES_H
