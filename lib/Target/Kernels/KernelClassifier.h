//===- KernelClassifier.h - which kernel a body is ------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_KERNELCLASSIFIER_H
#define LAMINA_LIB_TARGET_KERNELS_KERNELCLASSIFIER_H

#include "lib/Target/Kernels/KernelSource.h"

namespace lamina {

/// What decides the forms of a kernel and its work division.
enum class KernelKind {
  Linear,
  ExpertLinear,
  Row,
  Embedding,
  RopeTable,
  RouteExperts,
  CacheAppend,
  OnlineAttention,
  AttentionCombine,
  TopK
};

/// The kind of a body; emits a located error for operations that no kernel combines. Everything that
/// generators rely on beside the dialect's own verifiers is checked here, so that they cannot fail. `device` is the
/// kind of devices as errors name it.
mlir::FailureOr<KernelKind> classifyKernel(const KernelSource &kernel, llvm::StringRef device);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_KERNELCLASSIFIER_H
