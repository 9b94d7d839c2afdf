//===- Passes.h - passes of the mpmd dialect ------------------------------------------------*- C++ -*-===//
//
// The phases `partition` and `comm`. Passes.td says what each pass does, with IR before and after.
//
//   partition:  mpmd-default-topology  mpmd-partition  mpmd-verify-partition
//   comm:       mpmd-split-fragments  mpmd-merge-transfers  mpmd-hoist-transfers  mpmd-verify-comm
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_MPMD_TRANSFORMS_PASSES_H
#define LAMINA_DIALECTS_MPMD_TRANSFORMS_PASSES_H

#include "dialects/MPMD/IR/MPMD.h"

#include "mlir/Pass/Pass.h"

namespace lamina::mpmd {

#define GEN_PASS_DECL
#include "dialects/MPMD/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "dialects/MPMD/Transforms/Passes.h.inc"

} // namespace lamina::mpmd

#endif // LAMINA_DIALECTS_MPMD_TRANSFORMS_PASSES_H
