//===- CUDATarget.h - kernels for GPUs ------------------------------------------------------*- C++ -*-===//
//
// Turns kernels (bodies of lm and arith operations on tensors) into PTX, whose entries are as CudaKernelABI.h
// says, and with NVIDIA's assembler at hand into code for the GPUs that it knows. The bindings of a kernel,
// its rows, its weights and its caches are those of CPUTarget.h. Same input gives the same bytes.
//
// docs/dev/cuda-kernels.md explains the generators.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_CUDATARGET_H
#define LAMINA_LIB_TARGET_CUDA_CUDATARGET_H

#include "lib/Target/Kernels/KernelSource.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <optional>

namespace lamina {

/// The forms of a kernel on a GPU, as describeKernel gives them for the CPU.
mlir::FailureOr<std::vector<KernelVariant>> describeCudaKernel(const KernelSource &kernel);

/// What PTX is made for: any GPU from sm_80 on, or from sm_90 on, where kernels begin before those ahead of them are
/// done and wait for these (CudaKernelABI.h).
enum class PTXArchitecture { sm_80, sm_90 };

/// What code for `target`, "ptx" or one of cudaArchitectures(), is made of.
PTXArchitecture ptxArchitecture(llvm::StringRef target);

/// Compiles the kernels on up to `threads` threads. Emits an error for a body that describeCudaKernel refuses.
mlir::FailureOr<std::string> compileToPTX(llvm::ArrayRef<KernelSource> kernels, PTXArchitecture architecture,
                                          unsigned threads);

/// The same kernels as a shared object for this machine, of functions of the type LaminaSimulatedKernel: what
/// tests run where there is no GPU.
mlir::FailureOr<std::string> compileForSimulator(llvm::ArrayRef<KernelSource> kernels, unsigned threads);

/// The name of that object's target in a plan.
inline constexpr llvm::StringLiteral kSimulatedTarget = "sim";

/// Architectures that code is assembled for: sm_80, sm_86, sm_89, sm_90a, sm_100.
llvm::ArrayRef<llvm::StringRef> cudaArchitectures();

/// NVIDIA's assembler: what LAMINA_PTXAS names, else ptxas in PATH or in /usr/local/cuda/bin.
std::optional<std::string> findAssembler();

/// Whether the assembler makes code for an architecture.
bool knowsArchitecture(llvm::StringRef assembler, llvm::StringRef architecture);

/// PTX to a cubin. `report` gets what the assembler says of registers and spills.
llvm::Expected<std::string> assemble(llvm::StringRef assembler, llvm::StringRef ptx,
                                     llvm::StringRef architecture, std::string *report = nullptr);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_CUDATARGET_H
