//===- Plan.h - the plan dialect ------------------------------------------------------------------*- C++ -*-===//
//
// Everything that C++ code needs of the plan dialect. The .td files beside it hold the contracts.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_PLAN_IR_PLAN_H
#define LAMINA_DIALECTS_PLAN_IR_PLAN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Plan/IR/PlanEnums.h.inc"

#include "dialects/Plan/IR/PlanDialect.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/Plan/IR/PlanTypes.h.inc"

#define GET_OP_CLASSES
#include "dialects/Plan/IR/PlanOps.h.inc"

namespace lamina::plan {

/// Bytes of one row of a value with dynamic leading dimension: the last dimension padded to LAMINA_ROW_PADDING
/// elements of 4 bytes, vectors of indices unpadded; rows of q8 are LaminaQuantizedBlocks.
int64_t rowBytes(mlir::RankedTensorType type);

} // namespace lamina::plan

#endif // LAMINA_DIALECTS_PLAN_IR_PLAN_H
