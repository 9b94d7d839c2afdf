//===- CodeGeneration.h - from kernels in MLIR to optimised LLVM IR -------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_CODEGENERATION_H
#define LAMINA_LIB_TARGET_KERNELS_CODEGENERATION_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
class TargetMachine;
} // namespace llvm

namespace lamina {

/// Lowers what generators made, functions in the llvm, arith, scf and vector dialects. Errors are ours, not the
/// user's: what generators emit always compiles. Thread-safe for different contexts.
llvm::Expected<std::unique_ptr<llvm::Module>> translateKernels(mlir::ModuleOp module,
                                                               llvm::LLVMContext &context);

/// Whether the generators have tiled, unrolled and vectorised what is in a module, or LLVM is to.
enum class Loops { Generated, Plain };

void optimizeKernels(llvm::Module &module, llvm::TargetMachine &machine, Loops loops = Loops::Generated);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_CODEGENERATION_H
