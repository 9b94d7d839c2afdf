//===- KernelSource.h - what is compiled, and what becomes of it ----------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_KERNELSOURCE_H
#define LAMINA_LIB_TARGET_KERNELS_KERNELSOURCE_H

#include "dialects/Plan/IR/Plan.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lamina {

/// What to compile: `body` is a region of one block whose terminator has the results as operands. The rows of
/// its activations follow `rows` (tokens or output_rows); a body that is dispatched with both is two kernels,
/// whose symbols differ even under one name.
struct KernelSource {
  std::string name;
  mlir::Region *body;
  plan::RowExtent rows = plan::RowExtent::tokens;
};

/// One form of a kernel, as KernelVariant in plan.proto says. The same for every target of a kind of devices.
struct KernelVariant {
  std::string symbol;
  uint32_t maxTokens; ///< 0 = any
  plan::RowExtent extent;
  uint64_t workgroups;       ///< for each row of `extent`
  uint32_t blockThreads = 0; ///< threads of a workgroup and bytes that they share; on GPUs alone
  uint32_t sharedBytes = 0;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_KERNELSOURCE_H
