//===- Labels.h - names of places in the model ---------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_PLAN_IR_LABELS_H
#define LAMINA_DIALECTS_PLAN_IR_LABELS_H

#include "runtime/io/ArtifactFormat.h"

#include "mlir/IR/Location.h"
#include "llvm/ADT/StringRef.h"

namespace lamina::plan {

/// What the first named location inside `loc` says, e.g. "blk.3.attn_q"; empty if there is none.
inline llvm::StringRef labelOf(mlir::Location loc) {
  auto name = loc->findInstanceOf<mlir::NameLoc>();
  return name ? name.getName().getValue() : llvm::StringRef();
}

/// The buffers of what the step returns, in this order; the runtime finds them by name.
inline constexpr llvm::StringLiteral kResultNames[] = {kLogitsBuffer, kCandidateLogitsBuffer,
                                                       kCandidateIdsBuffer};

} // namespace lamina::plan

#endif // LAMINA_DIALECTS_PLAN_IR_LABELS_H
