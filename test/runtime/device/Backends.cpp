//===- Backends.cpp - the devices that tests run on ---------------------------------------------------===//

#include "Backends.h"

#include "runtime/device/cpu/CpuDevice.h"
#include "runtime/device/cuda/CudaDevice.h"

namespace lamina::test {

std::vector<Backend> backends() {
  return {{"cpu", []() -> absl::StatusOr<std::unique_ptr<Device>> { return CpuDevice::create(2, 3000); },
           [] { return std::vector<CodeFile>{{LAMINA_TEST_KERNELS, detectTargets().front()}}; }, 0},
          {"cuda_sim",
           []() -> absl::StatusOr<std::unique_ptr<Device>> {
             return cuda::CudaDevice::create(LAMINA_CUDA_SIM, 0);
           },
           [] { return std::vector<CodeFile>{{LAMINA_CUDA_TEST_KERNELS, "sim"}}; }, 64},
          {"cuda",
           []() -> absl::StatusOr<std::unique_ptr<Device>> {
             return cuda::CudaDevice::create("libcuda.so.1", 0);
           },
           [] {
             return std::vector<CodeFile>{{LAMINA_SOURCE_DIR "/test/runtime/device/TestKernels.ptx", "ptx"}};
           },
           64}};
}

} // namespace lamina::test
