//===- Pipelines.cpp - from a model file to a schedule --------------------------------------------------------===//

#include "lib/Pipelines/Pipelines.h"

#include "dialects/LM/Transforms/Passes.h"
#include "dialects/MPMD/Transforms/Passes.h"
#include "dialects/Plan/Transforms/Passes.h"
#include "lib/Conversion/MPMDToPlan/MPMDToPlan.h"
#include "lib/Import/GGUF/ImportGGUF.h"
#include "lib/Pipelines/ClusterFile.h"
#include "runtime/io/GGUFReader.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace lamina;

/// A sequence is rarely longer, and the tables of pages grow with it; --max-context overrides.
static constexpr int64_t kDefaultContext = 4096;

void lamina::registerDialects(DialectRegistry &registry) {
  registry.insert<arith::ArithDialect, func::FuncDialect, lm::LMDialect, mpmd::MPMDDialect, plan::PlanDialect>();
}

void lamina::registerPasses() {
  lm::registerLMPasses();
  mpmd::registerMPMDPasses();
  plan::registerPlanPasses();
  registerMPMDToPlanPasses();
}

FailureOr<Model> lamina::importModel(MLIRContext &context, StringRef path, CompileOptions &options, bool headerOnly) {
  Location loc = FileLineColLoc::get(&context, path, 0, 0);
  absl::StatusOr<GGUFReader> reader = GGUFReader::open(path.str(), {.allowMissingData = headerOnly});
  if (!reader.ok())
    return emitError(loc) << std::string(reader.status().message());
  Model model;
  model.reader = std::make_unique<GGUFReader>(std::move(*reader));

  ImportOptions importOptions;
  importOptions.cacheElement = options.kvF32 ? CacheElement::F32 : CacheElement::F16;
  importOptions.allowMissingData = headerOnly;
  if (options.maxContext == 0) {
    // A key that is absent or of the wrong type is the importer's to report.
    std::string architecture(model.reader->getStringOr("general.architecture", "").value_or(""));
    int64_t trained = model.reader->getUnsignedOr(architecture + ".context_length", 0).value_or(0);
    options.maxContext = std::min<int64_t>(trained, kDefaultContext);
  }
  importOptions.contextLength = options.maxContext;
  FailureOr<OwningOpRef<ModuleOp>> module = importGGUF(context, *model.reader, importOptions);
  if (failed(module))
    return failure();
  model.module = std::move(*module);
  return model;
}

/// Attention of a GGUF model is marked by construction; recognising it in other graphs is the mark phase's work.
static void buildMark(OpPassManager &pm) { pm.addPass(lm::createLMVerifyMarkPass()); }

static void buildPartition(OpPassManager &pm, const CompileOptions &options) {
  // A cluster file has already given the module its topology; this is for everybody else.
  mpmd::MPMDDefaultTopologyPassOptions topology;
  topology.monolithic = options.monolithic;
  pm.addPass(mpmd::createMPMDDefaultTopologyPass(topology));
  pm.addPass(mpmd::createMPMDPartitionPass());
  pm.addPass(mpmd::createMPMDVerifyPartitionPass());
}

static void buildComm(OpPassManager &pm) {
  // Queries leave a slice before keys and values are computed: split first, so that there is a place in between.
  pm.addPass(mpmd::createMPMDSplitFragmentsPass());
  // Keys and values leave together.
  pm.addPass(mpmd::createMPMDMergeTransfersPass());
  // And everything leaves as soon as it is there.
  pm.addPass(mpmd::createMPMDHoistTransfersPass());
  pm.addPass(mpmd::createMPMDVerifyCommPass());
}

static void buildSchedule(OpPassManager &pm, const CompileOptions &options) {
  // Dispatches are formed inside fragments, so that fusion never reaches over a transfer.
  pm.addPass(plan::createPlanFormDispatchesPass());
  MPMDToPlanPassOptions sizes;
  sizes.maxBatchTokens = options.maxBatchTokens;
  sizes.maxOutputRows = options.maxOutputRows;
  sizes.maxSequences = options.maxSequences;
  sizes.maxContext = options.maxContext ? options.maxContext : kDefaultContext;
  sizes.kvTokens = options.kvTokens;
  pm.addPass(createMPMDToPlanPass(sizes));
  // Lifetimes are known only now that each worker's order is fixed.
  pm.addPass(plan::createPlanAssignOffsetsPass());
  if (options.checkMemory)
    pm.addPass(plan::createPlanCheckMemoryPass());
  pm.addPass(plan::createPlanVerifySchedulePass());
}

void lamina::buildPhase(OpPassManager &pm, Phase phase, const CompileOptions &options) {
  switch (phase) {
  case Phase::Import:
    return pm.addPass(lm::createLMVerifyImportPass());
  case Phase::Mark:
    return buildMark(pm);
  case Phase::Partition:
    return buildPartition(pm, options);
  case Phase::Comm:
    return buildComm(pm);
  case Phase::Schedule:
    return buildSchedule(pm, options);
  case Phase::Lower:
  case Phase::Artifact:
    return; // products beside the module: lib/Target
  }
}

static LogicalResult dump(ModuleOp module, const PhaseInfo &phase, StringRef folder) {
  SmallString<128> path(folder);
  llvm::sys::path::append(path, llvm::formatv("{0}.{1}.mlir", int(phase.phase), phase.name).str());
  std::error_code error = llvm::sys::fs::create_directories(folder);
  llvm::raw_fd_ostream os(path, error);
  if (error)
    return module.emitError() << "cannot write " << path << ": " << error.message();
  module.print(os, OpPrintingFlags().enableDebugInfo());
  return success();
}

LogicalResult lamina::runPhases(ModuleOp module, Phase from, Phase to, const CompileOptions &options,
                                StringRef dumpFolder) {
  if (!options.clusterFile.empty() && from < Phase::Partition && to >= Phase::Partition &&
      failed(addTopologyFromFile(module, options.clusterFile)))
    return failure();
  for (const PhaseInfo &phase : phases()) {
    if (phase.phase > to || phase.phase > Phase::Schedule)
      break;
    // The importer's own phase is verified for a model file (from == to allowed) and skipped for what comes later.
    if (phase.phase < from || (phase.phase == from && from != Phase::Import))
      continue;
    PassManager pm(module.getContext());
    buildPhase(pm, phase.phase, options);
    if (failed(pm.run(module)) || (!dumpFolder.empty() && failed(dump(module, phase, dumpFolder))))
      return failure();
  }
  return success();
}
