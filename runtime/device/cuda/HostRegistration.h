//===- HostRegistration.h - host memory that a GPU may address ------------------------------*- C++ -*-===//
//
// Registered memory stays where it is while a GPU reads and writes it, so copies run without the host's help.
// Several workers of one process may register the same memory: it stays registered until the last of them
// gives it up.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_CUDA_HOSTREGISTRATION_H
#define LAMINA_RUNTIME_DEVICE_CUDA_HOSTREGISTRATION_H

#include "runtime/device/cuda/Driver.h"

namespace lamina::cuda {

class HostRegistration {
public:
  /// `memory` begins at a page. The context must be current, also when the registration is destroyed.
  static absl::StatusOr<HostRegistration> create(const Driver &driver, std::byte *memory, uint64_t bytes);
  HostRegistration(HostRegistration &&other) noexcept;
  HostRegistration &operator=(HostRegistration &&) = delete;
  ~HostRegistration();

  /// The address by which the GPU of the current context reaches the memory.
  CUdeviceptr address() const { return address_; }

  bool contains(const void *host) const {
    auto *byte = static_cast<const std::byte *>(host);
    return byte >= memory_ && byte < memory_ + bytes_;
  }
  /// The address of a byte that it contains.
  CUdeviceptr addressOf(const void *host) const {
    return address_ + CUdeviceptr(static_cast<const std::byte *>(host) - memory_);
  }

private:
  HostRegistration(const Driver &driver, uint64_t bytes)
      : driver_(&driver), memory_(nullptr), bytes_(bytes) {}
  const Driver *driver_;
  std::byte *memory_; // null once moved from
  uint64_t bytes_;
  CUdeviceptr address_ = 0;
};

} // namespace lamina::cuda

#endif // LAMINA_RUNTIME_DEVICE_CUDA_HOSTREGISTRATION_H
