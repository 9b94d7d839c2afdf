//===- DeviceTail.h - how the threads of a block store rows ---------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CUDA_DEVICETAIL_H
#define LAMINA_LIB_TARGET_CUDA_DEVICETAIL_H

#include "lib/Target/CUDA/DeviceBuilder.h"

namespace lamina {

/// Rounds 32 elements, one of each lane of a warp, as lm.quantize says and stores their LaminaQuantizedBlock
/// at `address`.
void emitWarpBlock(DeviceBuilder &builder, Value element, Value address);

/// The block stores zeros in the numbers [begin, end) of a row.
void emitZeros(DeviceBuilder &builder, Value row, int64_t begin, int64_t end);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_DEVICETAIL_H
