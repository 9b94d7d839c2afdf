//===- DeviceKind.h - the kinds of devices that a plan may ask for --------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_DEVICE_DEVICEKIND_H
#define LAMINA_RUNTIME_DEVICE_DEVICEKIND_H

#include "runtime/device/Device.h"

#include <memory>
#include <span>
#include <string>

namespace lamina {

class ThreadPool;

/// What a device may be given of the machine. Each kind takes what it has a use for.
struct DeviceShare {
  std::shared_ptr<ThreadPool> threads; ///< of the calling thread, whose devices on CPUs may share it
  int index = 0;                       ///< among the run's devices of this kind; GPUs are taken in turn
};

/// Unimplemented if this runtime has no devices of the kind ("cpu", "cuda").
absl::Status checkDeviceKind(const std::string &kind);

/// A device for the calling thread. The kind's errors say what the machine lacks.
absl::StatusOr<std::unique_ptr<Device>> createDevice(const std::string &kind, const DeviceShare &share);

/// The target of the code that a device of the kind would run here: loads it to find out where only loading
/// can tell.
absl::StatusOr<std::string> usableTarget(const std::string &kind, std::span<const CodeFile> files);

} // namespace lamina

#endif // LAMINA_RUNTIME_DEVICE_DEVICEKIND_H
