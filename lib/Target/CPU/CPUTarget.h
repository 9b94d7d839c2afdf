//===- CPUTarget.h - native kernels ---------------------------------------------------------*- C++ -*-===//
//
// Turns kernels (bodies of lm and arith operations on tensors) into ELF shared objects with functions of the
// type LaminaKernel. The object needs no other: it has no undefined symbols. Same input gives the same bytes.
//
// The bindings of a kernel are its block arguments, then its yielded values except those of type
// !lm.kv_cache. A value with dynamic leading dimension is stored as rows of plan::rowBytes(type) bytes;
// weights as PackedWeight.h writes them; a cache as plan.proto's Cache describes it.
//
// docs/dev/kernels.md explains the generator, docs/formats/packed-weights.md the layout.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CPU_CPUTARGET_H
#define LAMINA_LIB_TARGET_CPU_CPUTARGET_H

#include "lib/Target/Kernels/KernelSource.h"

namespace lamina {

/// The forms of a kernel by ascending maxTokens, the one for any number last. Emits a located error for a
/// body that is none of the kernels that this target knows.
mlir::FailureOr<std::vector<KernelVariant>> describeKernel(const KernelSource &kernel);

/// The targets that kernels can be compiled for: x86-64-v2, -v3, -v3-avxvnni, -v4, -v4-vnni, -v4-amx,
/// aarch64, aarch64-dotprod, aarch64-i8mm.
llvm::ArrayRef<llvm::StringRef> cpuTargets();

/// The best of cpuTargets() that the machine at hand can run; empty if there is none.
llvm::StringRef hostCpuTarget();

/// Compiles the kernels for each target on up to `threads` threads; the result holds one shared object for
/// each target. Emits an error and fails for an unknown target or a body that describeKernel refuses; errors that
/// are no one kernel's are at `loc`.
mlir::FailureOr<std::vector<std::string>> compileKernels(mlir::Location loc,
                                                         llvm::ArrayRef<KernelSource> kernels,
                                                         llvm::ArrayRef<llvm::StringRef> targets,
                                                         unsigned threads);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_CPUTARGET_H
