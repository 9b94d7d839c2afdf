//===- FitTable.h - what a schedule needs of each worker ------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_PLAN_FITTABLE_H
#define LAMINA_LIB_TARGET_PLAN_FITTABLE_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

#include <optional>
#include <string>
#include <vector>

namespace lamina {

/// Bytes that one worker needs, see plan::ProgramMemory.
struct WorkerFit {
  std::string worker, deviceClass;
  uint64_t weights = 0;
  uint64_t cache = 0;       // kv_pages pages of every layer
  uint64_t activations = 0; // the arena
  uint64_t transfers = 0;   // two of the largest message of each link that the worker is an end of
  uint64_t total = 0;
  std::optional<uint64_t> memory; // of one device of the class, where the cluster says it
};

struct FitTable {
  std::vector<WorkerFit> workers;
  uint64_t cacheBytesPerToken = 0; // all layers
  uint64_t cacheTokens = 0;        // that the cache holds as compiled
  uint64_t linkBytesPerToken = 0;
  uint64_t trainedContext = 0;
  /// Tokens that would fit if all memory left on the device with the cache were cache; absent where it is unknown.
  std::optional<uint64_t> largestContext;
};

/// Reads the table off a scheduled module.
mlir::FailureOr<FitTable> computeFitTable(mlir::ModuleOp module);

void printFitTable(const FitTable &table, llvm::raw_ostream &os);
llvm::json::Value toJSON(const FitTable &table);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_PLAN_FITTABLE_H
