//===- FunctionToPlan.h - functions on tensors become a program -----------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_H
#define LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/Pass.h"

namespace lamina {

#define GEN_PASS_DECL
#include "lib/Conversion/FunctionToPlan/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "lib/Conversion/FunctionToPlan/Passes.h.inc"

/// Of a fragment the function that it became, and of a function's argument the weight that it is.
inline constexpr llvm::StringLiteral kFunctionAttr = "plan.function", kSourceAttr = "plan.source";

/// Upstream's implementations of bufferization for the dialects that functions are in.
void registerBufferization(mlir::DialectRegistry &registry);

} // namespace lamina

#endif // LAMINA_LIB_CONVERSION_FUNCTIONTOPLAN_H
