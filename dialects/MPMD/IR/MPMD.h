//===- MPMD.h - the mpmd dialect ------------------------------------------------------------*- C++ -*-===//
//
// Everything that C++ code needs of the mpmd dialect. The .td files beside it hold the contracts.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_MPMD_IR_MPMD_H
#define LAMINA_DIALECTS_MPMD_IR_MPMD_H

#include "dialects/LM/IR/LM.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/MPMD/IR/MPMDEnums.h.inc"

#include "dialects/MPMD/IR/MPMDDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/MPMD/IR/MPMDTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/MPMD/IR/MPMDOps.h.inc"

namespace lamina::mpmd {

/// Attribute of a partitioned step function: for each attention, in order, the bytes per token that its
/// minimum cut keeps on the compute device (array<i64>).
inline constexpr llvm::StringLiteral kCutBytesAttr = "mpmd.cut_bytes";
/// Attribute of a partitioned step function: how many operations it had that may run only once (i64).
inline constexpr llvm::StringLiteral kOperationsAttr = "mpmd.operations";

/// The type without its placement: the tensor or cache of a !mpmd.placed, any other type itself.
mlir::Type stripPlacement(mlir::Type type);

/// The class of that name in the topology of the module around `op`, null if there is none.
DeviceClassOp lookupDeviceClass(mlir::Operation *op, mlir::FlatSymbolRefAttr name);

} // namespace lamina::mpmd

#endif // LAMINA_DIALECTS_MPMD_IR_MPMD_H
