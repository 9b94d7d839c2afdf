//===- MPMDToPlan.h - fragments become programs ---------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_CONVERSION_MPMDTOPLAN_H
#define LAMINA_LIB_CONVERSION_MPMDTOPLAN_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace lamina {

#define GEN_PASS_DECL
#include "lib/Conversion/MPMDToPlan/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "lib/Conversion/MPMDToPlan/Passes.h.inc"

} // namespace lamina

#endif // LAMINA_LIB_CONVERSION_MPMDTOPLAN_H
