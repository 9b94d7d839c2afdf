//===- CPUTarget.cpp - kernels to shared objects, in parallel -----------------------------------------===//

#include "lib/Target/CPU/CPUTarget.h"

#include "lib/Target/CPU/KernelEmitter.h"
#include "lib/Target/CPU/LoweredKernel.h"
#include "lib/Target/CPU/ObjectEmitter.h"
#include "lib/Target/Kernels/Parallel.h"

using namespace mlir;
using namespace lamina;

namespace {

/// A kernel as all targets get it.
struct Source {
  Location loc;
  const KernelSource *kernel = nullptr;
  std::vector<KernelForm> forms = {}; // none where nothing is generated
  std::string lowered = {};           // the kernel in that case
};

FailureOr<std::vector<Source>> findSources(Location loc, ArrayRef<KernelSource> kernels) {
  std::vector<Source> sources;
  for (const KernelSource &kernel : kernels) {
    sources.push_back({kernel.body->getLoc(), &kernel});
    Source &source = sources.back();
    if (isLoweredKernel(kernel)) {
      FailureOr<std::string> lowered = serializeLoweredKernel(kernel);
      if (failed(lowered))
        return failure();
      source.lowered = std::move(*lowered);
      continue;
    }
    FailureOr<std::vector<KernelForm>> forms = kernelForms(kernel);
    if (failed(forms))
      return failure();
    source.forms = std::move(*forms);
  }
  if (kernels.empty()) // a function that computes nothing: the linker wants an object all the same
    sources.push_back({loc});
  return sources;
}

/// A kernel for one target, compiled in contexts of its own.
struct Job {
  const Source *source;
  const TargetInfo *target;
  std::string object = {}, error = {};

  void run() {
    MLIRContext context(MLIRContext::Threading::DISABLED);
    bool generated = source->lowered.empty();
    OwningOpRef<ModuleOp> module = generated ? generate(context) : lowerKernel(source->lowered, context);
    if (!module) {
      error = "could not be lowered to LLVM";
      return;
    }
    Loops loops = generated ? Loops::Generated : Loops::Plain;
    if (llvm::Expected<std::string> result = emitObject(*module, *target, loops))
      object = std::move(*result);
    else
      error = llvm::toString(result.takeError());
  }

  OwningOpRef<ModuleOp> generate(MLIRContext &context) {
    loadKernelDialects(context);
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    for (const KernelForm &form : source->forms)
      emitKernel(*source->kernel, form, *target, *module);
    return module;
  }
};

/// The shared object of one target.
FailureOr<std::string> link(Location loc, MutableArrayRef<Job> jobs) {
  std::vector<std::string> objects;
  for (Job &job : jobs) {
    if (!job.error.empty())
      return emitError(job.source->loc) << job.error;
    objects.push_back(std::move(job.object));
  }
  llvm::Expected<std::string> linked = linkObjects(objects, *jobs.front().target);
  if (!linked)
    return emitError(loc) << llvm::toString(linked.takeError());
  return *linked;
}

} // namespace

FailureOr<std::vector<std::string>> lamina::compileKernels(Location loc, ArrayRef<KernelSource> kernels,
                                                           ArrayRef<StringRef> targets, unsigned threads) {
  FailureOr<std::vector<Source>> sources = findSources(loc, kernels);
  if (failed(sources))
    return failure();
  std::vector<Job> jobs; // of one target after another
  for (StringRef name : targets) {
    const TargetInfo *target = findTargetInfo(name);
    if (!target)
      return emitError(loc) << "no CPU target is called '" << name << "'";
    for (const Source &source : *sources)
      jobs.push_back({&source, target});
  }
  forEachInParallel(jobs.size(), threads, [&](size_t i) { jobs[i].run(); });
  std::vector<std::string> results;
  for (size_t begin = 0; begin < jobs.size(); begin += sources->size()) {
    FailureOr<std::string> linked = link(loc, MutableArrayRef(jobs).slice(begin, sources->size()));
    if (failed(linked))
      return failure();
    results.push_back(std::move(*linked));
  }
  return results;
}
