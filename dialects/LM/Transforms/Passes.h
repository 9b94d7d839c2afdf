//===- Passes.h - passes on what is computed ------------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_LM_TRANSFORMS_PASSES_H
#define LAMINA_DIALECTS_LM_TRANSFORMS_PASSES_H

#include "dialects/LM/IR/LM.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "runtime/io/CompileDefaults.h"

namespace lamina::lm {

using lamina::kDefaultContext;

/// `requested`, or if it is 0 what the model was trained for up to kDefaultContext.
int64_t maxContextOf(mlir::ModuleOp module, int64_t requested);

#define GEN_PASS_DECL
#include "dialects/LM/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "dialects/LM/Transforms/Passes.h.inc"

} // namespace lamina::lm

#endif // LAMINA_DIALECTS_LM_TRANSFORMS_PASSES_H
