//===- PTXEmitter.h - from kernels in MLIR to PTX -------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CUDA_PTXEMITTER_H
#define LAMINA_LIB_TARGET_CUDA_PTXEMITTER_H

#include "lib/Target/CUDA/KernelGenerators.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace lamina {

/// The PTX for `machine`, no simulator, of `module`, which has the functions of `forms` alone. Errors are ours, not the
/// user's.
llvm::Expected<std::string> emitPTX(mlir::ModuleOp module, llvm::ArrayRef<DeviceForm> forms,
                                    DeviceMachine machine);

/// One module of PTX out of several of emitPTX. Their symbols differ.
std::string joinPTX(llvm::ArrayRef<std::string> modules);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_PTXEMITTER_H
