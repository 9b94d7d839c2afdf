//===- DeviceQueue.h - work that a device does by itself, in order --------------------------*- C++ -*-===//
//
// A device that runs beside the host takes more than launches into its queue: copies, also into the memory of
// other devices, and words in host memory by which it and others wait for each other. Every call returns
// before its work is done, and work begins when all that was handed over before is done. Host memory must
// have been given to Device::mapHost.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_DEVICEQUEUE_H
#define LAMINA_RUNTIME_DEVICE_DEVICEQUEUE_H

#include "runtime/base/Status.h"

#include <cstddef>
#include <cstdint>

namespace lamina {

/// Launches that were recorded once to be handed over as one.
enum class RecordedHandle : uintptr_t {};

/// Names memory of a device to the queues of others, in this process or another; only queues look inside.
struct DeviceMemoryOffer {
  int32_t process;
  int32_t device;
  std::byte *address; ///< in that process
  std::byte driver[64];
};

class DeviceQueue {
public:
  virtual ~DeviceQueue() = default;

  virtual absl::Status enqueueCopyToHost(std::byte *host, const std::byte *device, uint64_t bytes) = 0;
  virtual absl::Status enqueueCopyFromHost(std::byte *device, const std::byte *host, uint64_t bytes) = 0;

  /// Both in memory of devices: this one's, or another's that it reaches.
  virtual absl::Status enqueueCopy(std::byte *to, const std::byte *from, uint64_t bytes) = 0;

  /// Offers memory that Device::allocate gave; an error where devices of this kind cannot reach each other's.
  virtual absl::StatusOr<DeviceMemoryOffer> offerMemory(std::byte *memory) = 0;
  /// The address by which this device reaches what another offers, until leaveMemory; an error if it cannot. The
  /// other device must not be destroyed before.
  virtual absl::StatusOr<std::byte *> reachMemory(const DeviceMemoryOffer &offer) = 0;
  /// Gives back what reachMemory gave, once all work that was handed over is done.
  virtual absl::Status leaveMemory(std::byte *memory) = 0;

  /// Writes a word of host memory; who sees it sees everything that was handed over before.
  virtual absl::Status writeWord(uint32_t *word, uint32_t value) = 0;

  /// Waits until int32_t(*word - value) >= 0.
  virtual absl::Status waitForWord(const uint32_t *word, uint32_t value) = 0;

  /// Whether everything is done. The error of what failed, if anything has.
  virtual absl::StatusOr<bool> finished() = 0;

  /// Between the two, launches are recorded instead of run. What was recorded lives as long as the device.
  virtual absl::Status beginRecording() = 0;
  virtual absl::StatusOr<RecordedHandle> endRecording() = 0;
  virtual absl::Status replay(RecordedHandle recorded) = 0;

  /// Marks the place in the queue that is number `index` of the step; places are marked in ascending order
  /// from 0, which waits for an empty queue.
  virtual absl::Status mark(size_t index) = 0;

  /// When the queue passed the mark, in monotonicNanoseconds(); once everything is done.
  virtual absl::StatusOr<uint64_t> markTime(size_t index) = 0;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_DEVICE_DEVICEQUEUE_H
