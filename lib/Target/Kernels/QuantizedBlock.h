//===- QuantizedBlock.h - activations rounded to eight bits ---------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_QUANTIZEDBLOCK_H
#define LAMINA_LIB_TARGET_KERNELS_QUANTIZEDBLOCK_H

#include "lib/Target/Kernels/KernelBuilder.h"

namespace lamina {

/// How the elements of a block become codes.
struct BlockRounding {
  Value scale;
  Value factor; ///< 127 / largest
  Value keep;   ///< all ones where the block has a code other than 0, else 0; i32
};

/// Rounding of a block whose largest magnitude has the f32 bits `largest`.
BlockRounding chooseRounding(KernelBuilder &builder, Value largest);
/// The bits of magnitudes, which order like them, NaNs last: the largest does not depend on the order of comparisons.
Value magnitudeBits(KernelBuilder &builder, Value elements);
/// The codes of elements, i32.
Value roundToCodes(KernelBuilder &builder, Value elements, const BlockRounding &rounding);
/// Stores what a block has beside its codes: `first` and `second` are the sums of the codes of its halves.
void storeBlockSums(KernelBuilder &builder, const BlockRounding &rounding, Value first, Value second,
                    Value address);

/// Rounds 32 elements of a row, two vectors of 16, as lm.quantize says and stores their LaminaQuantizedBlock
/// at `address`.
void emitQuantizedBlock(KernelBuilder &builder, Value low, Value high, Value address);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_QUANTIZEDBLOCK_H
