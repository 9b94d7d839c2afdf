//===- ArtifactTarget.h - the deployment directory ------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_PLAN_ARTIFACTTARGET_H
#define LAMINA_LIB_TARGET_PLAN_ARTIFACTTARGET_H

#include "lib/Target/Plan/PlanWriter.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <string>
#include <vector>

namespace lamina {

struct ModelFiles;

struct ArtifactOptions {
  CodeTargets targets;
  std::vector<std::string> flags; // for the manifest: what the user asked for
  unsigned threads = 1;
};

/// Version of the compiler, as it stands in manifests.
llvm::StringRef compilerVersion();

/// Writes the artifact of a scheduled module: plan, code, weights, tokenizer, manifest. It appears under `path` whole
/// or not at all. `progress` is told what is being done.
mlir::LogicalResult writeArtifact(mlir::ModuleOp module, const ModelFiles &model, llvm::StringRef path,
                                  const ArtifactOptions &options,
                                  llvm::function_ref<void(llvm::StringRef)> progress);

/// The `lower` phase for people: the kernels of all programs as text, those of CPUs for one target, those of GPUs as PTX.
mlir::FailureOr<std::string> printLoweredKernels(mlir::ModuleOp module, const ArtifactOptions &options);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_PLAN_ARTIFACTTARGET_H
