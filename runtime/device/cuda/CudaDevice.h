//===- CudaDevice.h - a worker's GPU --------------------------------------------------------*- C++ -*-===//
//
// Memory is plain device memory, weights are copied into it, kernels are functions of a module that run in
// one stream. Launches return before they ran; what goes wrong in one shows at the next synchronize or copy,
// which names the kernels that it can have been.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
#define LAMINA_RUNTIME_DEVICE_CUDA_CUDADEVICE_H

#include "runtime/device/Device.h"
#include "runtime/device/cuda/CudaModule.h"
#include "runtime/device/cuda/Driver.h"
#include "runtime/device/cuda/HostRegistration.h"

#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace lamina::cuda {

class CudaDevice final : public Device, public DeviceQueue {
public:
  /// The GPU `index`, counted round where there are fewer. Its driver is opened here.
  static absl::StatusOr<std::unique_ptr<CudaDevice>> create(const std::string &driverLibrary, int index);
  ~CudaDevice() override;

  /// Of the loaded code: "sm_90a".
  std::string target() const { return module_ ? module_->target() : "without code"; }

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

  DeviceQueue *queue() override { return this; }
  absl::Status enqueueCopyToHost(std::byte *host, const std::byte *device, uint64_t bytes) override;
  absl::Status enqueueCopyFromHost(std::byte *device, const std::byte *host, uint64_t bytes) override;
  absl::Status enqueueCopy(std::byte *to, const std::byte *from, uint64_t bytes) override;
  absl::StatusOr<DeviceMemoryOffer> offerMemory(std::byte *memory) override;
  absl::StatusOr<std::byte *> reachMemory(const DeviceMemoryOffer &offer) override;
  absl::Status leaveMemory(std::byte *memory) override;
  absl::Status writeWord(uint32_t *word, uint32_t value) override;
  absl::Status waitForWord(const uint32_t *word, uint32_t value) override;
  absl::StatusOr<bool> finished() override;
  absl::Status beginRecording() override;
  absl::StatusOr<RecordedHandle> endRecording() override;
  absl::Status replay(RecordedHandle recorded) override;
  absl::Status mark(size_t index) override;
  absl::StatusOr<uint64_t> markTime(size_t index) override;

private:
  struct Kernel {
    std::string symbol;
    CUfunction function;
    uint32_t blockThreads;
    uint32_t sharedBytes;
    bool waits; // so it may begin early
  };

  /// Launches under way, to name them when one of them failed.
  struct Pending {
    uint64_t launches = 0;
    const Kernel *first = nullptr;
    const Kernel *last = nullptr;

    void add(const Pending &more) {
      if (launches == 0)
        first = more.first;
      if (more.launches != 0)
        last = more.last;
      launches += more.launches;
    }
    std::string describe() const;
  };
  struct Recorded {
    CUgraphExec graph;
    Pending launches;
  };

  explicit CudaDevice(const Driver &driver) : driver_(driver) {}
  absl::Status open(int ordinal);
  absl::StatusOr<CUdeviceptr> allocateMemory(uint64_t bytes, const std::string &what);
  absl::StatusOr<CUdeviceptr> addressOfWord(const uint32_t *word) const;
  bool beginsEarly(const Kernel &kernel) const;
  /// The stream, for what is no launch: the next launch waits for all of it.
  CUstream stream() {
    followsLaunch_ = false;
    return stream_;
  }

  const Driver &driver_;
  CUdevice device_ = 0;
  CUcontext context_ = nullptr; // the device's primary one, shared with other workers of the process
  CUstream stream_ = nullptr;   // for launches, and to ask about; what else is handed over takes stream()
  bool followsLaunch_ = false;  // what was handed over last is a launch
  std::string name_;
  Capability capability_;
  std::optional<CudaModule> module_;
  std::deque<Kernel> kernels_; // handles are addresses
  std::vector<CUdeviceptr> allocations_;
  std::vector<CUdeviceptr> reached_; // memory of other processes
  std::vector<HostRegistration> registrations_;
  LaminaStep *hostStep_ = nullptr; // pinned; what deviceStep_ is copied from
  CUdeviceptr deviceStep_ = 0;

  Pending pending_;   // since the stream was last known to be empty
  Pending recording_; // since beginRecording
  bool isRecording_ = false;
  std::deque<Recorded> recorded_; // handles are addresses
  std::vector<CUevent> marks_;
  uint64_t firstMark_ = 0; // its time, by the host's clock
};

} // namespace lamina::cuda

#endif // LAMINA_RUNTIME_DEVICE_CUDA_CUDADEVICE_H
