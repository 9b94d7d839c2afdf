//===- Passes.h - passes of the schedule phase ----------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_PLAN_TRANSFORMS_PASSES_H
#define LAMINA_DIALECTS_PLAN_TRANSFORMS_PASSES_H

#include "dialects/Plan/IR/Plan.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace lamina::plan {

#define GEN_PASS_DECL
#include "dialects/Plan/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "dialects/Plan/Transforms/Passes.h.inc"

} // namespace lamina::plan

#endif // LAMINA_DIALECTS_PLAN_TRANSFORMS_PASSES_H
