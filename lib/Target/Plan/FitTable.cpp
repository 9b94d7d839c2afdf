//===- FitTable.cpp - what a schedule needs of each worker ----------------------------------------------------===//

#include "lib/Target/Plan/FitTable.h"

#include "dialects/MPMD/IR/MPMD.h"
#include "dialects/Plan/Transforms/ProgramMemory.h"
#include "runtime/device/KernelABI.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace lamina;

namespace {

std::string mib(uint64_t bytes) { return llvm::formatv("{0:f1}", double(bytes) / (1 << 20)).str(); }

void printCache(const FitTable &table, llvm::raw_ostream &os) {
  os << llvm::formatv(
      "KV cache: {0} bytes a token, {1} tokens as compiled; trained for contexts of {2} tokens\n",
      table.cacheBytesPerToken, table.cacheTokens, table.trainedContext);
  if (table.largestContext)
    os << llvm::formatv("largest context that fits the memory: {0} tokens\n", *table.largestContext);
  else
    os << "largest context: unknown without a cluster file that states the memory of the class with the "
          "cache (--cluster)\n";
}

} // namespace

FailureOr<FitTable> lamina::computeFitTable(ModuleOp module) {
  FailureOr<plan::StepLimits> limits = plan::StepLimits::get(module);
  if (failed(limits))
    return failure();
  FitTable table;
  table.cacheTokens = limits->kvPages * LAMINA_KV_PAGE_TOKENS;
  if (auto trained = module->getAttrOfType<IntegerAttr>("lm.trained_context"))
    table.trainedContext = trained.getInt();
  for (auto program : module.getOps<plan::ProgramOp>()) {
    WorkerFit fit;
    fit.worker = program.getSymName().str();
    fit.deviceClass = program.getDeviceClass().str();
    plan::ProgramMemory memory = plan::memoryOf(program, *limits);
    fit.weights = memory.weights;
    fit.cache = memory.cache;
    fit.activations = memory.arena;
    fit.transfers = memory.transfers;
    fit.total = memory.total();
    table.linkBytesPerToken += memory.sent;
    table.cacheBytesPerToken += memory.pageBytes / LAMINA_KV_PAGE_TOKENS;
    mpmd::DeviceClassOp deviceClass = mpmd::lookupDeviceClass(program, program.getDeviceClassAttr());
    if (deviceClass && deviceClass.getMemoryBytes())
      fit.memory = *deviceClass.getMemoryBytes();
    if (memory.pageBytes && fit.memory) {
      uint64_t other = fit.total - fit.cache;
      table.largestContext =
          (*fit.memory > other ? (*fit.memory - other) / memory.pageBytes : 0) * LAMINA_KV_PAGE_TOKENS;
    }
    table.workers.push_back(std::move(fit));
  }
  return table;
}

void lamina::printFitTable(const FitTable &table, llvm::raw_ostream &os) {
  constexpr char kRow[] = "{0,-12} {1,-10} {2,11} {3,11} {4,12} {5,11} {6,11} {7,11}  {8}\n";
  os << llvm::formatv(kRow, "worker", "class", "weights", "KV cache", "activations", "transfers", "total",
                      "memory", "(MiB)");
  for (const WorkerFit &fit : table.workers)
    os << llvm::formatv(kRow, fit.worker, fit.deviceClass, mib(fit.weights), mib(fit.cache),
                        mib(fit.activations), mib(fit.transfers), mib(fit.total),
                        fit.memory ? mib(*fit.memory) : "unknown",
                        !fit.memory                ? ""
                        : fit.total <= *fit.memory ? "fits"
                                                   : "does not fit");
  os << "\n";
  if (table.cacheBytesPerToken)
    printCache(table, os);
  os << llvm::formatv("link: {0} bytes a token\n", table.linkBytesPerToken);
}

llvm::json::Value lamina::toJSON(const FitTable &table) {
  llvm::json::Array workers;
  for (const WorkerFit &fit : table.workers) {
    llvm::json::Object worker{{"name", fit.worker},
                              {"class", fit.deviceClass},
                              {"weights_bytes", fit.weights},
                              {"kv_cache_bytes", fit.cache},
                              {"activation_bytes", fit.activations},
                              {"transfer_bytes", fit.transfers},
                              {"total_bytes", fit.total}};
    if (fit.memory) {
      worker["memory_bytes"] = *fit.memory;
      worker["fits"] = fit.total <= *fit.memory;
    }
    workers.push_back(std::move(worker));
  }
  llvm::json::Object object{{"workers", std::move(workers)},
                            {"kv_cache_bytes_per_token", table.cacheBytesPerToken},
                            {"kv_cache_tokens", table.cacheTokens},
                            {"link_bytes_per_token", table.linkBytesPerToken},
                            {"trained_context", table.trainedContext}};
  if (table.largestContext)
    object["largest_context"] = *table.largestContext;
  return object;
}
