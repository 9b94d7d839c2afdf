//===- IntegerDot.h - sums of products of bytes ---------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CPU_INTEGERDOT_H
#define LAMINA_LIB_TARGET_CPU_INTEGERDOT_H

#include "lib/Target/Kernels/KernelBuilder.h"

namespace lamina {

/// Generates sums of products of unsigned codes and signed activations in [-127, 127], exact in i32 lanes,
/// with whatever instructions the target has for them.
class IntegerDot {
public:
  /// Codes are at most `largestCode`, which is at most 255.
  IntegerDot(KernelBuilder &builder, int64_t largestCode);

  /// What the sum takes each code lower by: whoever subtracts an offset from codes subtracts that much less.
  int64_t bias() const { return bias_; }

  /// A sum on its way.
  struct Sum {
    Values wide;                      ///< i32, parts of as many lanes as an instruction adds to
    llvm::SmallVector<Values> narrow; ///< i16, for each piece of the codes
    int64_t quads = 0;                ///< added to `narrow` since it was last emptied
  };

  /// `start` has 16 lanes of i32.
  Sum begin(Value start);
  /// Adds the products of the four bytes in each lane of `codes` and `activations` (both i32).
  void add(Sum &sum, Value codes, Value activations);
  Value finish(Sum &sum);

private:
  Value asBytes(Value words);
  Value pairs(Value codes, Value activations);
  void empty(Sum &sum);

  KernelBuilder &b_;
  const ByteDot &instructions_;
  int64_t bias_ = 0;
  int64_t pieceBits_;     ///< codes are multiplied in pieces of that many bits, 8: whole
  int64_t quadsInNarrow_; ///< that i16 lanes can take of such a piece
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_INTEGERDOT_H
