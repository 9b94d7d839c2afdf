//===- Phases.h - the phases of the compiler ------------------------------------------------------*- C++ -*-===//
//
// One list from which the command line, the table in docs/Architecture.md and the names of dumps come.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_PIPELINES_PHASES_H
#define LAMINA_LIB_PIPELINES_PHASES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace lamina {

/// Phases in their order. The IR that leaves one enters the next.
enum class Phase { Import, Mark, Partition, Comm, Schedule, Lower, Artifact };

struct PhaseInfo {
  Phase phase;
  llvm::StringLiteral name;        // on the command line
  llvm::StringLiteral description; // what leaves it
};

/// All phases in order.
llvm::ArrayRef<PhaseInfo> phases();

llvm::StringRef nameOf(Phase phase);

} // namespace lamina

#endif // LAMINA_LIB_PIPELINES_PHASES_H
