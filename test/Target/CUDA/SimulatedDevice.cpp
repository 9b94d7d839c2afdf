//===- SimulatedDevice.cpp - kernels of GPUs under test, on the simulator of blocks -------------------===//

#include "test/Target/CPU/KernelHarness.h"
#include "test/cuda-sim/FiberBlock.h"

#include "lib/Target/CUDA/CUDATarget.h"

using namespace lamina;

std::vector<std::string> test::runnableTargets() { return {"cuda_sim"}; }
std::vector<std::string> test::floatTargets() { return {"cuda_sim"}; }
bool test::slowDevice() { return true; } // a fiber for each thread

mlir::FailureOr<std::vector<KernelVariant>> test::describeForDevice(const KernelSource &kernel) {
  return describeCudaKernel(kernel);
}

/// The other targets are "ptx" and those of cudaArchitectures(): the PTX that their code is made of. Artifacts too are
/// described before they are compiled.
mlir::FailureOr<std::vector<std::string>> test::compileForDevice(llvm::ArrayRef<KernelSource> kernels,
                                                                 llvm::ArrayRef<llvm::StringRef> targets) {
  for (const KernelSource &kernel : kernels)
    if (failed(describeCudaKernel(kernel)))
      return mlir::failure();
  llvm::StringRef target = targets.front();
  mlir::FailureOr<std::string> object = target == "cuda_sim"
                                            ? compileForSimulator(kernels, 2)
                                            : compileToPTX(kernels, ptxArchitecture(target), 2);
  if (failed(object))
    return mlir::failure();
  return std::vector{*object};
}

/// A grid is larger than what the step needs, as a recorded one would be.
void test::launchOnDevice(void *symbol, const KernelVariant &form, const std::vector<void *> &bindings,
                          const LaminaStep &step, int64_t workgroups, int64_t) {
  std::vector<void *> parameters = bindings;
  parameters.push_back(const_cast<LaminaStep *>(&step));
  cudasim::runGrid({form.symbol.c_str(), reinterpret_cast<LaminaSimulatedKernel>(symbol), parameters.data(),
                    int32_t(workgroups + 1), int32_t(form.blockThreads), form.sharedBytes, /*waits=*/true});
}
