//===- KernelGenerators.h - the generators of kernels for GPUs ------------------------------*- C++ -*-===//
//
// Each creates what a block does for its workgroup, kernel.begin, at the insertion point.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_KERNELGENERATORS_H
#define LAMINA_LIB_TARGET_CUDA_KERNELGENERATORS_H

#include "lib/Target/CUDA/DeviceBuilder.h"
#include "lib/Target/Kernels/KernelClassifier.h"
#include "lib/Target/Kernels/KernelContext.h"

namespace lamina {

/// The kernel of a block.
struct DeviceContext : KernelContext {
  DeviceBuilder &device; ///< the same as `b`
};

/// How products with weights divide over blocks.
struct ProductForm {
  int64_t groups;         ///< of 16 rows that a block has
  int64_t tokens;         ///< that go through a weight together
  int64_t shares = 1;     ///< blocks of the same groups that share a step's tokens
  uint32_t maxTokens = 0; ///< of a step; 0: any
  bool tiles =
      false; ///< on tensor cores also where activations are rounded: `tokens` are whole tiles of them
};

/// What other forms fold their sums like.
inline constexpr ProductForm kOneToken = {.groups = 2, .tokens = 1, .maxTokens = 1};

/// A form of a kernel as the generators know it.
struct DeviceForm {
  KernelVariant variant;
  KernelKind kind;
  ProductForm product = kOneToken;
};

/// The forms by ascending number of tokens, without the bytes that blocks share; fails with a located error.
mlir::FailureOr<std::vector<DeviceForm>> deviceForms(const KernelSource &kernel);

/// Appends the function of a form to `module`, which lives in a context of its own with the dialects of
/// loadDeviceDialects, and returns how many bytes a block shares.
int64_t emitDeviceKernel(const KernelSource &kernel, const DeviceForm &form, DeviceMachine machine,
                         mlir::ModuleOp module);

void loadDeviceDialects(mlir::MLIRContext &context);

/// Workgroups of attention in a step of few tokens.
inline constexpr int64_t kDeviceAttentionShares = 1024;

void emitDeviceRows(DeviceContext &kernel);
void emitDeviceEmbedding(DeviceContext &kernel);
void emitDeviceRopeTable(DeviceContext &kernel);
void emitDeviceCacheAppend(DeviceContext &kernel);
/// Asks for the weights that the block begins with, before anything else of the kernel.
void prefetchDeviceWeights(DeviceContext &kernel, const ProductForm &form);
void emitDeviceLinear(DeviceContext &kernel, const ProductForm &form);
void emitDeviceExpertLinear(DeviceContext &kernel);
void emitDeviceRouteExperts(DeviceContext &kernel);
void emitDeviceTopK(DeviceContext &kernel);
void emitDeviceAttention(DeviceContext &kernel, bool split);
void emitDeviceAttentionCombine(DeviceContext &kernel, bool split);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_KERNELGENERATORS_H
