//===- CpuDevice.h - a worker's share of the CPU --------------------------------------------*- C++ -*-===//
//
// Memory is anonymous and lazily backed, weights are mapped from their file, kernels are functions of a
// shared object that a pool of threads runs. Every launch is finished when it returns.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_CPU_CPUDEVICE_H
#define LAMINA_RUNTIME_DEVICE_CPU_CPUDEVICE_H

#include "runtime/device/Device.h"
#include "runtime/device/cpu/CodeLibrary.h"
#include "runtime/device/cpu/ThreadPool.h"

#include <memory>
#include <optional>
#include <vector>

namespace lamina {

class CpuDevice final : public Device {
public:
  /// `pool` may serve several devices of one thread.
  explicit CpuDevice(std::shared_ptr<ThreadPool> pool) : pool_(std::move(pool)) {}
  /// With a pool of its own: see ThreadPool::create.
  static absl::StatusOr<std::unique_ptr<CpuDevice>> create(int threads, uint64_t spinNanoseconds,
                                                           std::span<const int> cpus = {});
  ~CpuDevice() override;

  std::string description() const override;
  absl::StatusOr<std::byte *> allocate(uint64_t bytes, const std::string &what) override;
  absl::StatusOr<std::byte *> loadWeights(const std::string &path, uint64_t bytes) override;
  absl::StatusOr<std::byte *> mapHost(std::byte *memory, uint64_t bytes) override;
  absl::Status loadCode(std::span<const CodeFile> files) override;
  absl::StatusOr<KernelHandle> findKernel(const KernelForm &form) override;
  absl::Status beginStep(const LaminaStep &step) override;
  absl::Status launch(KernelHandle kernel, std::span<void *const> bindings, int64_t workgroups) override;
  absl::Status copyToHost(void *host, const void *device, uint64_t bytes) override;
  absl::Status copyFromHost(void *device, const void *host, uint64_t bytes) override;
  absl::Status synchronize() override;

private:
  struct Mapping {
    void *address;
    uint64_t bytes;
  };

  std::shared_ptr<ThreadPool> pool_;
  std::optional<CodeLibrary> code_;
  LaminaStep step_{};
  std::vector<Mapping> mappings_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_DEVICE_CPU_CPUDEVICE_H
