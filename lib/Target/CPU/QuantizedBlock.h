//===- QuantizedBlock.h - activations rounded to eight bits ---------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CPU_QUANTIZEDBLOCK_H
#define LAMINA_LIB_TARGET_CPU_QUANTIZEDBLOCK_H

#include "lib/Target/CPU/KernelBuilder.h"

namespace lamina {

/// Rounds 32 elements of a row, two vectors of 16, as lm.quantize says and stores their LaminaQuantizedBlock
/// at `address`.
void emitQuantizedBlock(KernelBuilder &builder, Value low, Value high, Value address);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_QUANTIZEDBLOCK_H
