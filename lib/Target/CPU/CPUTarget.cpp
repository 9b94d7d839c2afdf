//===- CPUTarget.cpp - kernels to shared objects, in parallel -----------------------------------------===//

#include "lib/Target/CPU/CPUTarget.h"

#include "lib/Target/CPU/KernelEmitter.h"
#include "lib/Target/CPU/LoweredKernel.h"
#include "lib/Target/CPU/ObjectEmitter.h"
#include "lib/Target/Kernels/Parallel.h"

using namespace mlir;
using namespace lamina;

namespace {

/// One kernel for one target, compiled in contexts of its own.
struct Job {
  const KernelSource *kernel;
  const std::vector<KernelForm> *forms;
  const TargetInfo *target;
  std::string lowered; // the kernel, if there is nothing to generate
  std::string object, error;

  void run() {
    MLIRContext context(MLIRContext::Threading::DISABLED);
    OwningOpRef<ModuleOp> module = lowered.empty() ? generate(context) : lowerKernel(lowered, context);
    if (!module) {
      error = "could not be lowered to LLVM";
      return;
    }
    Loops loops = lowered.empty() ? Loops::Generated : Loops::Plain;
    if (llvm::Expected<std::string> result = emitObject(*module, *target, loops))
      object = std::move(*result);
    else
      error = llvm::toString(result.takeError());
  }

  OwningOpRef<ModuleOp> generate(MLIRContext &context) {
    loadKernelDialects(context);
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    for (const KernelForm &form : *forms)
      emitKernel(*kernel, form, *target, *module);
    return module;
  }
};

} // namespace

FailureOr<std::vector<std::string>> lamina::compileKernels(ArrayRef<KernelSource> kernels,
                                                           ArrayRef<StringRef> targets, unsigned threads) {
  std::vector<std::vector<KernelForm>> forms;
  for (const KernelSource &kernel : kernels) {
    FailureOr<std::vector<KernelForm>> described = std::vector<KernelForm>(); // none where nothing is generated
    if (!isLoweredKernel(kernel))
      described = kernelForms(kernel);
    if (failed(described))
      return failure();
    forms.push_back(std::move(*described));
  }
  std::vector<Job> jobs;
  std::vector<const TargetInfo *> infos;
  for (StringRef name : targets) {
    infos.push_back(findTargetInfo(name));
    if (!infos.back() && !kernels.empty())
      return kernels[0].body->getParentOp()->emitError() << "no CPU target is called '" << name << "'";
    for (size_t i = 0; i < kernels.size(); ++i)
      jobs.push_back({&kernels[i], &forms[i], infos.back(),
                      isLoweredKernel(kernels[i]) ? serializeLoweredKernel(kernels[i]) : "", {}, {}});
  }
  forEachInParallel(jobs.size(), threads, [&](size_t i) { jobs[i].run(); });

  std::vector<std::string> results;
  for (size_t t = 0; t < targets.size(); ++t) {
    std::vector<std::string> objects;
    for (size_t i = 0; i < kernels.size(); ++i) {
      Job &job = jobs[t * kernels.size() + i];
      if (!job.error.empty())
        return kernels[i].body->getParentOp()->emitError() << job.error;
      objects.push_back(std::move(job.object));
    }
    if (!infos[t])
      return failure();
    if (kernels.empty()) { // a function that computes nothing; there is no object without code to link
      MLIRContext context(MLIRContext::Threading::DISABLED);
      loadKernelDialects(context);
      OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
      if (llvm::Expected<std::string> object = emitObject(*module, *infos[t]))
        objects.push_back(std::move(*object));
      else
        return emitError(UnknownLoc::get(&context)) << llvm::toString(object.takeError());
    }
    llvm::Expected<std::string> linked = linkObjects(objects, *infos[t]);
    if (!linked) {
      std::string message = llvm::toString(linked.takeError());
      if (!kernels.empty())
        kernels[0].body->getParentOp()->emitError() << message;
      return failure();
    }
    results.push_back(std::move(*linked));
  }
  return results;
}
