//===- HostRegistration.cpp - host memory that a GPU may address --------------------------------------===//

#include "runtime/device/cuda/HostRegistration.h"

#include <map>
#include <mutex>
#include <utility>

namespace lamina::cuda {
namespace {

/// How often each memory is registered by this process; the driver refuses to register it twice.
struct Registry {
  std::mutex mutex;
  std::map<std::pair<const Driver *, std::byte *>, int> uses;
};

Registry &registry() {
  static Registry registry;
  return registry;
}

} // namespace

absl::StatusOr<HostRegistration> HostRegistration::create(const Driver &driver, std::byte *memory,
                                                          uint64_t bytes) {
  HostRegistration registration(driver, bytes);
  {
    std::lock_guard lock(registry().mutex);
    int &uses = registry().uses[{&driver, memory}];
    if (uses == 0)
      LAMINA_CUDA_CHECK(
          driver,
          cuMemHostRegister(memory, bytes, CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP),
          "cannot register ", bytes, " bytes of shared memory with the GPU");
    ++uses;
    registration.memory_ = memory;
  }
  LAMINA_CUDA_CHECK(driver, cuMemHostGetDevicePointer(&registration.address_, memory, 0),
                    "the GPU cannot address shared memory");
  return registration;
}

HostRegistration::HostRegistration(HostRegistration &&other) noexcept
    : driver_(other.driver_), memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_),
      address_(other.address_) {}

HostRegistration::~HostRegistration() {
  if (memory_ == nullptr)
    return;
  std::lock_guard lock(registry().mutex);
  auto entry = registry().uses.find({driver_, memory_});
  if (--entry->second == 0) {
    driver_->cuMemHostUnregister(memory_);
    registry().uses.erase(entry);
  }
}

} // namespace lamina::cuda
