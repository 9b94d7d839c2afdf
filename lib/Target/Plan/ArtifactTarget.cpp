//===- ArtifactTarget.cpp - the deployment directory ----------------------------------------------------------===//

#include "lib/Target/Plan/ArtifactTarget.h"

#include "dialects/MPMD/IR/MPMD.h"
#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/CPU/KernelEmitter.h"
#include "lib/Target/Plan/PlanWriter.h"
#include "lib/Target/Plan/WeightShard.h"
#include "runtime/base/Sha256.h"
#include "runtime/io/ArtifactWriter.h"

#include "llvm/Support/Path.h"

#include <future>

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

/// Devices that there is no code generator for can be planned with but not compiled for.
LogicalResult checkDevices(ModuleOp module) {
  for (auto topology : module.getOps<mpmd::TopologyOp>())
    for (auto deviceClass : topology.getOps<mpmd::DeviceClassOp>())
      if (deviceClass.getDevice() != mpmd::DeviceKind::cpu)
        return deviceClass.emitError() << "device class '" << deviceClass.getSymName() << "' is of kind "
                                       << stringifyDeviceKind(deviceClass.getDevice())
                                       << ", expected cpu: this version generates code for no other; --plan-only works";
  return success();
}

LogicalResult writeCode(ArtifactWriter &artifact, plan::ProgramOp program, const ArtifactOptions &options) {
  KernelSet kernels(program);
  FailureOr<std::vector<std::string>> objects = compileKernels(kernels.sources(), options.targets, options.threads);
  if (failed(objects))
    return failure();
  for (auto [target, object] : llvm::zip(options.targets, *objects))
    if (failed(emit(program->getParentOfType<ModuleOp>(), artifact.addFile(codeFileName(program, target), object))))
      return failure();
  return success();
}

} // namespace

LogicalResult lamina::writeArtifact(ModuleOp module, const ModelFiles &model, StringRef path,
                                    const ArtifactOptions &options, llvm::function_ref<void(StringRef)> progress) {
  // Whatever can be wrong with the module comes before the first byte on the disk.
  if (failed(checkDevices(module)))
    return failure();
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
  for (StringRef target : options.targets)
    manifest.targets.push_back(target.str());
  manifest.flags = options.flags;
  return emit(module, (*artifact)->commit(std::move(manifest)));
}

FailureOr<std::string> lamina::printLoweredKernels(ModuleOp module, StringRef target) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (auto program : module.getOps<plan::ProgramOp>()) {
    KernelSet kernels(program);
    MLIRContext context; // of its own, as when compiling: code for machines, not for our passes
    loadKernelDialects(context);
    auto code = ModuleOp::create(UnknownLoc::get(&context), program.getSymName());
    OwningOpRef<ModuleOp> owner(code);
    for (const KernelSource &source : kernels.sources()) {
      FailureOr<std::vector<KernelForm>> forms = kernelForms(source);
      if (failed(forms))
        return failure();
      for (const KernelForm &form : *forms)
        emitKernel(source, form, *findTargetInfo(target), code);
    }
    code.print(os);
    os << "\n";
  }
  return text;
}
