//===- Device.h - where a worker's memory lies and its kernels run --------------------------*- C++ -*-===//
//
// A worker has one device. The executor sees it only through this interface: memory and code are obtained
// once while loading; a step launches kernels and copies transfers. Work runs in the order in which it was
// handed over.
//
// A device belongs to the thread that uses it. Launch, copy and synchronize neither allocate nor lock on the
// CPU.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_DEVICE_H
#define LAMINA_RUNTIME_DEVICE_DEVICE_H

#include "runtime/base/Status.h"
#include "runtime/device/DeviceQueue.h"
#include "runtime/device/KernelABI.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace lamina {

/// One form of a worker's code: the file's path and what it was compiled for ("x86-64-v3", "sm_90a").
struct CodeFile {
  std::string path;
  std::string target;
};

/// A kernel as the plan names it.
struct KernelForm {
  std::string symbol;
  uint32_t blockThreads = 0; ///< of a block, on devices that have blocks
  uint32_t sharedBytes = 0;  ///< of a block's shared memory
};

/// A loaded kernel; only the device that loaded it looks inside.
enum class KernelHandle : uintptr_t {};

class Device {
public:
  virtual ~Device() = default;

  /// For people: "cpu x86-64-v4, 2 threads".
  virtual std::string description() const = 0;

  /// Zeroed memory that kernels can address, aligned to LAMINA_BUFFER_ALIGNMENT. Lives as long as the device.
  /// `what` names the memory in errors ("the arena").
  virtual absl::StatusOr<std::byte *> allocate(uint64_t bytes, const std::string &what) = 0;

  /// The first `bytes` bytes of a file as kernels address them, read-only. Lives as long as the device.
  virtual absl::StatusOr<std::byte *> loadWeights(const std::string &path, uint64_t bytes) = 0;

  /// The address by which kernels reach host memory that is shared with other processes (batch, logits, rings).
  /// `memory` begins at a page and must outlive the device.
  virtual absl::StatusOr<std::byte *> mapHost(std::byte *memory, uint64_t bytes) = 0;

  /// Loads the file whose target suits this machine best. At most once.
  virtual absl::Status loadCode(std::span<const CodeFile> files) = 0;

  /// A kernel of the loaded code.
  virtual absl::StatusOr<KernelHandle> findKernel(const KernelForm &form) = 0;

  /// The step that the launches from now on compute.
  virtual absl::Status beginStep(const LaminaStep &step) = 0;

  /// Runs all workgroups [0, workgroups) of one dispatch. `bindings` may change once launch returns.
  virtual absl::Status launch(KernelHandle kernel, std::span<void *const> bindings, int64_t workgroups) = 0;

  /// Copies between device memory and host memory that mapHost was given, after all launches so far; done when
  /// it returns.
  virtual absl::Status copyToHost(void *host, const void *device, uint64_t bytes) = 0;
  virtual absl::Status copyFromHost(void *device, const void *host, uint64_t bytes) = 0;

  /// Returns when all work handed over so far is done and visible to the host.
  virtual absl::Status synchronize() = 0;

  /// Where a device that runs beside the host takes its work from; null if all work is done when a call returns.
  virtual DeviceQueue *queue() { return nullptr; }
};

} // namespace lamina

#endif // LAMINA_RUNTIME_DEVICE_DEVICE_H
