//===- Pipelines.h - from a model file to an artifact ---------------------------------------------*- C++ -*-===//
//
// What lamina-opt does, as a library. Errors are diagnostics of the MLIRContext.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_PIPELINES_PIPELINES_H
#define LAMINA_LIB_PIPELINES_PIPELINES_H

#include "lib/Import/GGUF/ImportGGUF.h"
#include "lib/Import/ModelFiles.h"
#include "lib/Pipelines/Phases.h"
#include "runtime/io/CompileDefaults.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"

#include <map>
#include <string>

namespace lamina {

/// Everything that changes what is compiled.
struct CompileOptions {
  std::string clusterFile;    // empty: one compute and one memory worker on this machine
  bool monolithic = false;    // everything on one device class
  bool computeOnCuda = false; // without a cluster file: GPUs in place of CPUs
  bool memoryOnCuda = false;
  CacheElement kvType = CacheElement::F16; // element of the KV cache
  bool quantizeActivations = true;         // round what meets quantised weights to eight bits
  int64_t maxContext = 0;                  // tokens of one sequence, 0 = the model's up to kDefaultContext
  int64_t maxBatchTokens = kDefaultBatchTokens; // tokens of one step
  int64_t maxOutputRows = kDefaultOutputRows;   // rows of logits of one step
  int64_t maxSequences = kDefaultSequences;     // sequences in flight
  int64_t kvTokens = 0;                         // tokens that the KV cache holds, 0 = four sequences
  std::map<std::string, int64_t> sizes;         // of ONNX models: numbers for the file's names of sizes
  std::map<std::string, std::string>
      constants;           // of those without a cache: .npy files of inputs that become constants
  bool checkMemory = true; // refuse what does not fit the cluster's devices
};

/// The files of the model that `module` was imported from, recognised by the content of the first, at `path`.
absl::StatusOr<ModelFiles> openModelFiles(mlir::ModuleOp module, const std::string &path);

/// Registers the dialects that the compiler uses, and all passes with the global registry.
void registerDialects(mlir::DialectRegistry &registry);
void registerPasses();

/// Opens a model file, recognised by content, and imports it. With `headerOnly` the weights' bytes may be missing.
/// The context length is clamped into `options.maxContext`.
mlir::FailureOr<Model> importModel(mlir::MLIRContext &context, llvm::StringRef path, CompileOptions &options,
                                   bool headerOnly);

/// Appends the passes of one phase between `import` and `schedule` to `pm`, its verify pass last. For a module with a step.
void buildPhase(mlir::OpPassManager &pm, Phase phase, const CompileOptions &options);

/// Verifies what left `from` and runs the phases after it up to and with `to`, at most `schedule`; with a non-empty
/// `dumpFolder` the IR that leaves each goes into N.phase.mlir there.
mlir::LogicalResult runPhases(mlir::ModuleOp module, Phase from, Phase to, const CompileOptions &options,
                              llvm::StringRef dumpFolder = "");

} // namespace lamina

#endif // LAMINA_LIB_PIPELINES_PIPELINES_H
