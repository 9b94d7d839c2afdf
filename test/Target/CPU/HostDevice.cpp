//===- HostDevice.cpp - kernels of the CPU under test -------------------------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/Kernels/TargetInfo.h"
#include "runtime/device/cpu/CodeLibrary.h"

using namespace lamina;

std::vector<std::string> test::runnableTargets() {
  std::vector<std::string> targets = detectTargets();
  std::reverse(targets.begin(), targets.end());
  return targets;
}

std::vector<std::string> test::floatTargets() {
  std::vector<std::string> targets;
  for (const std::string &target : runnableTargets()) {
    if (!targets.empty() && findTargetInfo(targets.back())->cpu == findTargetInfo(target)->cpu)
      targets.pop_back();
    targets.push_back(target);
  }
  return targets;
}

bool test::slowDevice() { return false; }

mlir::FailureOr<std::vector<KernelVariant>> test::describeForDevice(const KernelSource &kernel) {
  return describeKernel(kernel);
}

mlir::FailureOr<std::vector<std::string>> test::compileForDevice(llvm::ArrayRef<KernelSource> kernels,
                                                                 llvm::ArrayRef<llvm::StringRef> targets) {
  return compileKernels(kernels.front().body->getLoc(), kernels, targets, 2);
}

void test::launchOnDevice(void *symbol, const KernelVariant &, const std::vector<void *> &bindings,
                          const LaminaStep &step, int64_t workgroups, int64_t parts) {
  auto kernel = reinterpret_cast<LaminaKernel>(symbol);
  for (int64_t part = parts - 1; part >= 0; --part)
    kernel(bindings.data(), &step, workgroups * part / parts, workgroups * (part + 1) / parts);
}
