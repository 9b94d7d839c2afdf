//===- LM.h - the lm dialect ----------------------------------------------------------------------*- C++ -*-===//
//
// Everything that C++ code needs of the lm dialect. The .td files beside it hold the contracts.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_LM_IR_LM_H
#define LAMINA_DIALECTS_LM_IR_LM_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/LM/IR/LMEnums.h.inc"

#include "dialects/LM/IR/LMDialect.h.inc"

#include "dialects/LM/IR/LMInterfaces.h.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/LM/IR/LMTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/LM/IR/LMAttrs.h.inc"

#define GET_OP_CLASSES
#include "dialects/LM/IR/LMOps.h.inc"

#endif // LAMINA_DIALECTS_LM_IR_LM_H
