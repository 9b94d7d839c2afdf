//===- LoweredKernel.h - kernels that are loops over memory already -------------------------*- C++ -*-===//
//
// A kernel whose operands are memrefs was lowered by upstream passes (lib/Conversion/FunctionToPlan): there is nothing to
// generate. It becomes a function of the kernel ABI that loads one pointer for each operand and runs the workgroups
// that the body divides into (LoopDivision.h). Functions of math are approximations in f32, so the object needs no libm.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CPU_LOWEREDKERNEL_H
#define LAMINA_LIB_TARGET_CPU_LOWEREDKERNEL_H

#include "lib/Target/CPU/CPUTarget.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace lamina {

bool isLoweredKernel(const KernelSource &kernel);

/// The kernel with the constants it reads as a module of its own, for a context of its own. Emits an error and fails where
/// memory on the stack has a size that is not known.
mlir::FailureOr<std::string> serializeLoweredKernel(const KernelSource &kernel);

/// Lowers a serialised kernel to the LLVM dialect; null if it cannot be.
mlir::OwningOpRef<mlir::ModuleOp> lowerKernel(llvm::StringRef serialized, mlir::MLIRContext &context);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_LOWEREDKERNEL_H
