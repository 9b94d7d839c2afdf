//===- CUDATarget.cpp - kernels to PTX, in parallel ---------------------------------------------------===//

#include "lib/Target/CUDA/CUDATarget.h"

#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/CPU/ObjectEmitter.h"
#include "lib/Target/CUDA/PTXEmitter.h"
#include "lib/Target/Kernels/Parallel.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace lamina;

namespace {

/// What a kernel becomes.
using Emit = llvm::function_ref<llvm::Expected<std::string>(ModuleOp module, ArrayRef<DeviceForm> forms)>;

/// Emits each kernel in contexts of its own.
FailureOr<std::vector<std::string>> compileEach(ArrayRef<KernelSource> kernels, DeviceMachine machine,
                                                unsigned threads, Emit emit) {
  std::vector<std::vector<DeviceForm>> forms;
  for (const KernelSource &kernel : kernels) {
    FailureOr<std::vector<DeviceForm>> described = deviceForms(kernel);
    if (failed(described))
      return failure();
    forms.push_back(std::move(*described));
  }
  std::vector<std::string> results(kernels.size()), errors(kernels.size());
  forEachInParallel(kernels.size(), threads, [&](size_t i) {
    MLIRContext context(MLIRContext::Threading::DISABLED);
    loadDeviceDialects(context);
    OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
    for (const DeviceForm &form : forms[i])
      emitDeviceKernel(kernels[i], form, machine, *module);
    if (llvm::Expected<std::string> result = emit(*module, forms[i]))
      results[i] = std::move(*result);
    else
      errors[i] = llvm::toString(result.takeError());
  });
  for (auto [kernel, error] : llvm::zip(kernels, errors))
    if (!error.empty())
      return kernel.body->getParentOp()->emitError() << error;
  return results;
}

} // namespace

PTXArchitecture lamina::ptxArchitecture(StringRef target) {
  unsigned number = 0;
  bool newer = target.consume_front("sm_") && !target.consumeInteger(10, number) && number >= 90;
  return newer ? PTXArchitecture::sm_90 : PTXArchitecture::sm_80;
}

FailureOr<std::string> lamina::compileToPTX(ArrayRef<KernelSource> kernels, PTXArchitecture architecture,
                                            unsigned threads) {
  auto machine = architecture == PTXArchitecture::sm_90 ? DeviceMachine::sm_90 : DeviceMachine::sm_80;
  FailureOr<std::vector<std::string>> modules =
      compileEach(kernels, machine, threads, [&](ModuleOp module, ArrayRef<DeviceForm> forms) {
        return emitPTX(module, forms, machine);
      });
  if (failed(modules))
    return failure();
  return joinPTX(*modules);
}

FailureOr<std::string> lamina::compileForSimulator(ArrayRef<KernelSource> kernels, unsigned threads) {
  const TargetInfo *host = findTargetInfo(hostCpuTarget());
  if (kernels.empty())
    return std::string();
  Operation *place = kernels[0].body->getParentOp();
  if (!host || !host->fma || !host->halfFloats)
    return place->emitError(
        "the simulator of GPUs needs a processor with fused multiply-add and f16 conversion");
  FailureOr<std::vector<std::string>> objects =
      compileEach(kernels, DeviceMachine::simulator, threads,
                  [&](ModuleOp module, ArrayRef<DeviceForm>) { return emitObject(module, *host); });
  if (failed(objects))
    return failure();
  llvm::Expected<std::string> linked = linkObjects(*objects, *host, /*imports=*/true);
  if (!linked)
    return place->emitError() << llvm::toString(linked.takeError());
  return *linked;
}
