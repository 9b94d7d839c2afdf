//===- ObjectEmitter.h - from kernels in MLIR to one shared object --------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CPU_OBJECTEMITTER_H
#define LAMINA_LIB_TARGET_CPU_OBJECTEMITTER_H

#include "lib/Target/Kernels/CodeGeneration.h"
#include "lib/Target/Kernels/TargetInfo.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace lamina {

/// Lowers `module` (functions of loadKernelDialects' dialects) to a relocatable object for `target`. Errors
/// are ours, not the user's: what the generators emit always compiles. Thread-safe for different contexts.
llvm::Expected<std::string> emitObject(mlir::ModuleOp module, const TargetInfo &target,
                                       Loops loops = Loops::Generated);

/// Links objects in this order to a shared object that exports all their functions and needs no other, but for what
/// it may import from its loader. Uses a temporary directory. Thread-safe.
llvm::Expected<std::string> linkObjects(llvm::ArrayRef<std::string> objects, const TargetInfo &target,
                                        bool imports = false);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_OBJECTEMITTER_H
