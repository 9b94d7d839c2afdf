//===- Phases.cpp - the phases of the compiler ----------------------------------------------------------------===//

#include "lib/Pipelines/Phases.h"

using namespace lamina;

llvm::ArrayRef<PhaseInfo> lamina::phases() {
  static constexpr PhaseInfo kPhases[] = {
      {Phase::Import, "import", "the model as lm operations; weights are symbols"},
      {Phase::Mark, "mark", "one attention for each layer, none hidden"},
      {Phase::Partition, "partition", "fragments on device classes, cut at attention"},
      {Phase::Comm, "comm", "merged transfers, queries first"},
      {Phase::Schedule, "schedule", "a program for each worker, buffers at fixed places"},
      {Phase::Lower, "lower", "kernels as LLVM code of the first target"},
      {Phase::Artifact, "artifact", "the deployment directory"},
  };
  return kPhases;
}

llvm::StringRef lamina::nameOf(Phase phase) { return phases()[static_cast<size_t>(phase)].name; }
