//===- KernelEmitter.h - one form of a kernel as an LLVM-dialect function -------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CPU_KERNELEMITTER_H
#define LAMINA_LIB_TARGET_CPU_KERNELEMITTER_H

#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/CPU/KernelGenerators.h"
#include "lib/Target/Kernels/KernelClassifier.h"

#include "mlir/IR/BuiltinOps.h"

namespace lamina {

/// A form of a kernel as the generator knows it.
struct KernelForm {
  KernelVariant variant;
  KernelKind kind;
  TokenClass tokens;
};

/// The forms of a kernel by ascending number of tokens; fails with a located error as describeKernel does.
mlir::FailureOr<std::vector<KernelForm>> kernelForms(const KernelSource &kernel);

/// Appends the function of a form to `module`, which lives in a context of its own with the dialects of
/// loadKernelDialects. The source is only read, so many threads may emit from one.
void emitKernel(const KernelSource &kernel, const KernelForm &form, const TargetInfo &target,
                mlir::ModuleOp module);

void loadKernelDialects(mlir::MLIRContext &context);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_KERNELEMITTER_H
