//===- Pipelines.cpp - from a model file to a schedule --------------------------------------------------------===//

#include "lib/Pipelines/Pipelines.h"

#include "dialects/LM/Transforms/Passes.h"
#include "dialects/MPMD/Transforms/Passes.h"
#include "dialects/Plan/Transforms/Passes.h"
#include "lib/Conversion/FunctionToPlan/FunctionToPlan.h"
#include "lib/Conversion/MPMDToPlan/MPMDToPlan.h"
#include "lib/Import/ExportFolder.h"
#include "lib/Import/ModelPath.h"
#include "lib/Import/ONNX/ImportONNX.h"
#include "lib/Pipelines/ClusterFile.h"
#include "runtime/io/GGUFReader.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace lamina;

void lamina::registerDialects(DialectRegistry &registry) {
  registry
      .insert<arith::ArithDialect, func::FuncDialect, lm::LMDialect, mpmd::MPMDDialect, plan::PlanDialect>();
  // Of models without a cache.
  registry.insert<affine::AffineDialect, bufferization::BufferizationDialect, linalg::LinalgDialect,
                  math::MathDialect, memref::MemRefDialect, scf::SCFDialect, tensor::TensorDialect,
                  vector::VectorDialect>();
  registerBufferization(registry);
}

void lamina::registerPasses() {
  lm::registerLMPasses();
  mpmd::registerMPMDPasses();
  plan::registerPlanPasses();
  registerMPMDToPlanPasses();
  registerFunctionToPlanPasses();
}

/// Gives the files of an ONNX model the vocabulary beside them. A function of tensors has none.
static absl::Status addVocabulary(ModelFiles &files, ModuleOp module, StringRef path) {
  auto logits = module->getAttrOfType<IntegerAttr>("lm.vocab_size");
  if (!logits)
    return absl::OkStatus();
  StringRef folder = llvm::sys::path::parent_path(path);
  LAMINA_ASSIGN_OR_RETURN(files.vocabulary,
                          vocabularyInFolder(folder.empty() ? "." : folder.str(), logits.getInt()));
  return absl::OkStatus();
}

absl::StatusOr<ModelFiles> lamina::openModelFiles(ModuleOp module, const std::string &path) {
  if (formatOf(path) != ModelFormat::ONNX)
    return openGGUFFiles(path);
  LAMINA_ASSIGN_OR_RETURN(ModelFiles files, openONNXFiles(path));
  LAMINA_RETURN_IF_ERROR(addVocabulary(files, module, path));
  return files;
}

static FailureOr<Model> importONNXModel(MLIRContext &context, StringRef path, CompileOptions &options,
                                        bool headerOnly) {
  FailureOr<Model> model = importONNX(context, path,
                                      {.cacheElement = options.kvType,
                                       .contextLength = options.maxContext,
                                       .allowMissingData = headerOnly,
                                       .sizes = options.sizes,
                                       .constants = options.constants});
  if (failed(model))
    return failure();
  if (auto length = (*model->module)->getAttrOfType<IntegerAttr>("lm.context_length"))
    options.maxContext = length.getInt();
  else if (options.maxContext || options.kvTokens || options.kvType != CacheElement::F16)
    return emitError(FileLineColLoc::get(&context, path, 0, 0))
           << "--max-context, --kv-tokens and --kv-type are of models with a cache; leave them out";
  if (absl::Status status = addVocabulary(model->files, *model->module, path); !status.ok())
    return emitError(FileLineColLoc::get(&context, path, 0, 0)) << std::string(status.message());
  return model;
}

static FailureOr<Model> importGGUFModel(MLIRContext &context, StringRef path, CompileOptions &options,
                                        bool headerOnly) {
  Location loc = FileLineColLoc::get(&context, path, 0, 0);
  if (!options.sizes.empty() || !options.constants.empty())
    return emitError(loc) << "--dim and --constant are of ONNX models; leave them out";
  absl::StatusOr<GGUFReader> opened = GGUFReader::open(path.str(), {.allowMissingData = headerOnly});
  if (!opened.ok())
    return emitError(loc) << std::string(opened.status().message());
  auto reader = std::make_shared<const GGUFReader>(std::move(*opened));

  ImportOptions importOptions;
  importOptions.cacheElement = options.kvType;
  importOptions.allowMissingData = headerOnly;
  if (options.maxContext == 0) {
    // A key that is absent or of the wrong type is the importer's to report.
    std::string architecture(reader->getStringOr("general.architecture", "").value_or(""));
    int64_t trained = reader->getUnsignedOr(architecture + ".context_length", 0).value_or(0);
    options.maxContext = std::min<int64_t>(trained, lm::kDefaultContext);
  }
  importOptions.contextLength = options.maxContext;
  FailureOr<OwningOpRef<ModuleOp>> module = importGGUF(context, *reader, importOptions);
  if (failed(module))
    return failure();
  return Model{filesOf(std::move(reader)), std::move(*module)};
}

FailureOr<Model> lamina::importModel(MLIRContext &context, StringRef path, CompileOptions &options,
                                     bool headerOnly) {
  absl::StatusOr<std::string> file = modelFile(path.str());
  if (!file.ok())
    return emitError(FileLineColLoc::get(&context, path, 0, 0)) << std::string(file.status().message());
  if (formatOf(*file) == ModelFormat::ONNX)
    return importONNXModel(context, *file, options, headerOnly);
  return importGGUFModel(context, *file, options, headerOnly);
}

/// The pass that checks what leaves a phase.
static void buildVerify(OpPassManager &pm, Phase phase) {
  switch (phase) {
  case Phase::Import:
    return pm.addPass(lm::createLMVerifyImportPass());
  case Phase::Mark:
    return pm.addPass(lm::createLMVerifyMarkPass());
  case Phase::Partition:
    return pm.addPass(mpmd::createMPMDVerifyPartitionPass());
  case Phase::Comm:
    return pm.addPass(mpmd::createMPMDVerifyCommPass());
  case Phase::Schedule:
    return pm.addPass(plan::createPlanVerifySchedulePass());
  case Phase::Lower:
  case Phase::Artifact:
    return; // products beside the module: lib/Target
  }
}

/// What a GGUF model is made of is marked by construction; these are for graphs.
static void buildMark(OpPassManager &pm) {
  // First, so that a row that was packed with others is whole to all that follows.
  pm.addPass(lm::createLMSplitLinearsPass());
  // Norms and rotations give back rows of tokens, whatever heads they work on, from the inputs on.
  pm.addPass(lm::createLMRaiseNormsPass());
  pm.addPass(lm::createLMRaiseRotaryPass());
  // Again, for the rotary pairs that turned out to lie side by side.
  pm.addPass(lm::createLMSplitLinearsPass());
  // Before attention, for the sake of soft caps.
  pm.addPass(lm::createLMRaiseActivationsPass());
  pm.addPass(lm::createLMRaiseAttentionPass());
  // Last, since it takes norms for what they are.
  pm.addPass(lm::createLMHoistGathersPass());
}

static void buildPartition(OpPassManager &pm, const CompileOptions &options) {
  // A cluster file has already given the module its topology; this is for everybody else.
  mpmd::MPMDDefaultTopologyPassOptions topology;
  topology.monolithic = options.monolithic;
  pm.addPass(mpmd::createMPMDDefaultTopologyPass(topology));
  pm.addPass(mpmd::createMPMDPartitionPass());
}

static void buildTransfers(OpPassManager &pm) {
  // Queries leave a slice before keys and values are computed: split first, so that there is a place in between.
  pm.addPass(mpmd::createMPMDSplitFragmentsPass());
  // Keys and values leave together.
  pm.addPass(mpmd::createMPMDMergeTransfersPass());
  // And everything leaves as soon as it is there.
  pm.addPass(mpmd::createMPMDHoistTransfersPass());
}

static void buildComm(OpPassManager &pm, const CompileOptions &options) {
  // After the partition, so that links carry f32; before fragments are split, so that queries, keys and values share
  // what is rounded once.
  if (options.quantizeActivations)
    pm.addPass(lm::createLMQuantizeActivationsPass());
  buildTransfers(pm);
}

static void buildSchedule(OpPassManager &pm, const CompileOptions &options) {
  // What memory devices do is split for their threads before it is grouped into dispatches.
  lm::LMSplitAttentionPassOptions ranges;
  ranges.maxContext = options.maxContext;
  ranges.maxBatchTokens = options.maxBatchTokens;
  pm.addPass(lm::createLMSplitAttentionPass(ranges));
  // Now that there are ranges: those that are cached go before keys and values.
  pm.addPass(mpmd::createMPMDOverlapAttentionPass());
  // An operation more behind the logits, before it is grouped like all others.
  pm.addPass(mpmd::createMPMDOfferCandidatesPass());
  // Dispatches are formed inside fragments, so that fusion never reaches over a transfer.
  pm.addPass(plan::createPlanFormDispatchesPass());
  MPMDToPlanPassOptions sizes;
  sizes.maxBatchTokens = options.maxBatchTokens;
  sizes.maxOutputRows = options.maxOutputRows;
  sizes.maxSequences = options.maxSequences;
  sizes.maxContext = options.maxContext;
  sizes.kvTokens = options.kvTokens;
  pm.addPass(createMPMDToPlanPass(sizes));
  // Lifetimes are known only now that each worker's order is fixed.
  pm.addPass(plan::createPlanAssignOffsetsPass());
  if (options.checkMemory)
    pm.addPass(plan::createPlanCheckMemoryPass());
}

void lamina::buildPhase(OpPassManager &pm, Phase phase, const CompileOptions &options) {
  // Import is the importer's.
  if (phase == Phase::Mark)
    buildMark(pm);
  else if (phase == Phase::Partition)
    buildPartition(pm, options);
  else if (phase == Phase::Comm)
    buildComm(pm, options);
  else if (phase == Phase::Schedule)
    buildSchedule(pm, options);
  buildVerify(pm, phase);
}

/// The same for a module with a function @main on tensors. The importer has marked its attention; where there is none, nothing is for
/// memory devices.
static void buildFunctionPhase(OpPassManager &pm, Phase phase, const CompileOptions &options,
                               bool hasAttention) {
  if (phase == Phase::Partition) {
    mpmd::MPMDDefaultTopologyPassOptions topology;
    topology.monolithic = options.monolithic || !hasAttention;
    pm.addPass(mpmd::createMPMDDefaultTopologyPass(topology));
    pm.addPass(mpmd::createMPMDPartitionPass());
  } else if (phase == Phase::Comm) {
    buildTransfers(pm);
  } else if (phase == Phase::Schedule) {
    pm.addPass(createFunctionOutlinePass());
    // Functions alone: @main goes on saying what runs where.
    OpPassManager &functions = pm.nest<ModuleOp>();
    functions.addPass(createFunctionBufferizePass());
    functions.addPass(createFunctionTileProductsPass());
    functions.addPass(createFunctionToLoopsPass());
    pm.addPass(createFunctionToPlanPass());
    pm.addPass(plan::createPlanAssignOffsetsPass());
    if (options.checkMemory)
      pm.addPass(plan::createPlanCheckMemoryPass());
  }
  if (phase >= Phase::Partition) // what is checked before is of steps
    buildVerify(pm, phase);
}

static LogicalResult dump(ModuleOp module, const PhaseInfo &phase, StringRef folder) {
  SmallString<128> path(folder);
  llvm::sys::path::append(path, llvm::formatv("{0}.{1}.mlir", int(phase.phase), phase.name).str());
  std::error_code error = llvm::sys::fs::create_directories(folder);
  if (!error) {
    llvm::raw_fd_ostream os(path, error);
    if (!error) {
      module.print(os, OpPrintingFlags().enableDebugInfo());
      os.flush();
      error = os.error();
      os.clear_error(); // reported here; the stream would abort
    }
  }
  if (error)
    return module.emitError() << "cannot write " << path << ": " << error.message();
  return success();
}

/// The one that was asked for; without one a pass adds the default.
static LogicalResult addTopology(ModuleOp module, const CompileOptions &options) {
  if (!options.clusterFile.empty())
    return addTopologyFromFile(module, options.clusterFile);
  auto kind = [](bool cuda) { return cuda ? mpmd::DeviceKind::cuda : mpmd::DeviceKind::cpu; };
  if (options.computeOnCuda || options.memoryOnCuda)
    addTopologyOf(module, kind(options.computeOnCuda),
                  options.monolithic ? std::nullopt : std::optional(kind(options.memoryOnCuda)));
  return success();
}

static bool hasAttention(func::FuncOp function) {
  return function.walk([](lm::AttentionOpInterface) { return WalkResult::interrupt(); }).wasInterrupted();
}

LogicalResult lamina::runPhases(ModuleOp module, Phase from, Phase to, const CompileOptions &options,
                                StringRef dumpFolder) {
  if (from < Phase::Partition && to >= Phase::Partition && failed(addTopology(module, options)))
    return failure();
  for (const PhaseInfo &phase : phases()) {
    if (phase.phase > to || phase.phase > Phase::Schedule)
      break;
    if (phase.phase < from)
      continue;
    PassManager pm(module.getContext());
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (phase.phase == from) { // done already, but perhaps edited since
      if (!main || from >= Phase::Partition)
        buildVerify(pm, from);
    } else if (main)
      buildFunctionPhase(pm, phase.phase, options, hasAttention(main));
    else
      buildPhase(pm, phase.phase, options);
    if (failed(pm.run(module)) || (!dumpFolder.empty() && failed(dump(module, phase, dumpFolder))))
      return failure();
  }
  return success();
}
