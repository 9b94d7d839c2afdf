//===- ArtifactTarget.cpp - the deployment directory ----------------------------------------------------------===//

#include "lib/Target/Plan/ArtifactTarget.h"

#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/CPU/KernelEmitter.h"
#include "lib/Target/CPU/LoweredKernel.h"
#include "lib/Target/CUDA/CUDATarget.h"
#include "lib/Target/Plan/WeightShard.h"
#include "runtime/base/Sha256.h"
#include "runtime/io/ArtifactWriter.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/Support/Path.h"

#include <future>
#include <map>

using namespace mlir;
using namespace lamina;

llvm::StringRef lamina::compilerVersion() { return LAMINA_VERSION; }

namespace {

/// Hash of all files of the model one after another, without what is computed from them.
std::string hashModel(const ModelFiles &model) {
  Sha256 sha;
  for (const ModelFiles::File &file : model.files)
    sha.update(file.bytes);
  return Sha256::hex(sha.finish());
}

LogicalResult emit(ModuleOp module, const absl::Status &status) {
  if (status.ok())
    return success();
  return mlir::emitError(module.getLoc()) << std::string(status.message());
}

/// What the code for GPUs is made of.
using PTXTexts = std::map<PTXArchitecture, std::string>;
FailureOr<PTXTexts> compilePTX(const KernelSet &kernels, const ArtifactOptions &options) {
  PTXTexts texts;
  for (StringRef target : options.targets.cuda) {
    std::string &text = texts[ptxArchitecture(target)];
    if (!text.empty())
      continue;
    FailureOr<std::string> compiled =
        compileToPTX(kernels.sources(), ptxArchitecture(target), options.threads);
    if (failed(compiled))
      return failure();
    text = std::move(*compiled);
  }
  return texts;
}

/// A file for each target, in their order.
FailureOr<std::vector<std::string>> compileProgram(plan::ProgramOp program, const KernelSet &kernels,
                                                   const ArtifactOptions &options) {
  if (!runsOnCuda(program))
    return compileKernels(program.getLoc(), kernels.sources(), options.targets.cpu, options.threads);
  FailureOr<PTXTexts> ptx = compilePTX(kernels, options);
  if (failed(ptx))
    return failure();
  std::vector<std::string> files;
  for (StringRef target : options.targets.cuda) {
    const std::string &text = ptx->at(ptxArchitecture(target));
    if (target == "ptx") {
      files.push_back(text);
    } else if (target == kSimulatedTarget) {
      FailureOr<std::string> object = compileForSimulator(kernels.sources(), options.threads);
      if (failed(object))
        return failure();
      files.push_back(std::move(*object));
    } else if (llvm::Expected<std::string> cubin = assemble(*findAssembler(), text, target)) {
      files.push_back(std::move(*cubin));
    } else {
      return program.emitError() << llvm::toString(cubin.takeError());
    }
  }
  return files;
}

LogicalResult writeCode(ArtifactWriter &artifact, plan::ProgramOp program, const ArtifactOptions &options) {
  FailureOr<std::vector<std::string>> files = compileProgram(program, KernelSet(program), options);
  if (failed(files))
    return failure();
  for (auto [target, file] : llvm::zip(options.targets.of(program), *files))
    if (failed(emit(program->getParentOfType<ModuleOp>(),
                    artifact.addFile(codeFileName(program, target), file))))
      return failure();
  return success();
}

/// What the programs have code for.
std::vector<std::string> allTargets(ModuleOp module, const CodeTargets &targets) {
  llvm::SetVector<StringRef> all;
  for (auto program : module.getOps<plan::ProgramOp>())
    all.insert_range(targets.of(program));
  return std::vector<std::string>(all.begin(), all.end());
}

} // namespace

LogicalResult lamina::writeArtifact(ModuleOp module, const ModelFiles &model, StringRef path,
                                    const ArtifactOptions &options,
                                    llvm::function_ref<void(StringRef)> progress) {
  // Whatever can be wrong with the module comes before the first byte on the disk.
  FailureOr<plan::Plan> plan = writePlan(module, options.targets);
  if (failed(plan))
    return failure();
  for (auto program : module.getOps<plan::ProgramOp>())
    if (failed(emit(module, checkWeights(program, model))))
      return failure();
  absl::StatusOr<std::unique_ptr<ArtifactWriter>> artifact = ArtifactWriter::create(path.str());
  if (!artifact.ok())
    return emit(module, artifact.status());
  auto modelHash = std::async(std::launch::async, [&] { return hashModel(model); });
  for (auto program : module.getOps<plan::ProgramOp>()) {
    progress(("compiling kernels of " + program.getSymName()).str());
    if (failed(writeCode(**artifact, program, options)))
      return failure();
    if (program.getWeightBytes().value_or(0) == 0)
      continue;
    progress(("packing weights of " + program.getSymName()).str());
    if (failed(emit(module, writeWeightShard(**artifact, program, model, options.threads))))
      return failure();
  }
  progress("finishing");
  // Map fields are absent from the schema, so equal plans serialise to equal bytes.
  if (failed(emit(module, (*artifact)->addFile(kPlanFile, plan->SerializeAsString()))) ||
      failed(emit(module, (*artifact)->addFile(kTokenizerFile, model.vocabulary))))
    return failure();
  ArtifactManifest manifest;
  manifest.compilerVersion = compilerVersion().str();
  manifest.modelName = llvm::sys::path::filename(model.files.front().path).str();
  manifest.modelSha256 = modelHash.get();
  manifest.targets = allTargets(module, options.targets);
  manifest.flags = options.flags;
  return emit(module, (*artifact)->commit(std::move(manifest)));
}

/// Kernels of a CPU's program as MLIR, in a context of their own as when compiling: code for machines, not for our passes.
static LogicalResult printProgram(plan::ProgramOp program, StringRef target, llvm::raw_ostream &os) {
  MLIRContext context;
  loadKernelDialects(context);
  auto code = ModuleOp::create(UnknownLoc::get(&context), program.getSymName());
  OwningOpRef<ModuleOp> owner(code);
  KernelSet kernels(program);
  for (const KernelSource &source : kernels.sources()) {
    if (isLoweredKernel(source)) {
      MLIRContext own;
      FailureOr<std::string> serialized = serializeLoweredKernel(source);
      if (failed(serialized))
        return failure();
      if (OwningOpRef<ModuleOp> lowered = lowerKernel(*serialized, own))
        lowered->print(os);
      continue;
    }
    FailureOr<std::vector<KernelForm>> forms = kernelForms(source);
    if (failed(forms))
      return failure();
    for (const KernelForm &form : *forms)
      emitKernel(source, form, *findTargetInfo(target), code);
  }
  code.print(os);
  os << "\n";
  return success();
}

FailureOr<std::string> lamina::printLoweredKernels(ModuleOp module, const ArtifactOptions &options) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (auto program : module.getOps<plan::ProgramOp>()) {
    if (!runsOnCuda(program)) {
      if (failed(printProgram(program, options.targets.cpu.front(), os)))
        return failure();
      continue;
    }
    FailureOr<std::string> ptx =
        compileToPTX(KernelSet(program).sources(), PTXArchitecture::sm_80, options.threads);
    if (failed(ptx))
      return failure();
    os << *ptx;
  }
  return text;
}
