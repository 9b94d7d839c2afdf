//===- MPMDToPlan.h - fragments become programs ---------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_CONVERSION_MPMDTOPLAN_H
#define LAMINA_LIB_CONVERSION_MPMDTOPLAN_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace lamina {

#define GEN_PASS_DECL
#include "lib/Conversion/MPMDToPlan/Passes.h.inc"

/// Tokens of one sequence unless somebody asks for more: sequences are rarely longer, and page tables grow with it.
inline constexpr int64_t kDefaultContext = 4096;

#define GEN_PASS_REGISTRATION
#include "lib/Conversion/MPMDToPlan/Passes.h.inc"

} // namespace lamina

#endif // LAMINA_LIB_CONVERSION_MPMDTOPLAN_H
