//===- DeviceTest.h - a device with host memory that it knows -------------------------------*- C++ -*-===//

#ifndef LAMINA_TEST_RUNTIME_DEVICE_DEVICETEST_H
#define LAMINA_TEST_RUNTIME_DEVICE_DEVICETEST_H

#include "Backends.h"

#include "runtime/transport/SharedSegment.h"

#include <gtest/gtest.h>

#include <string_view>

namespace lamina::test {

inline constexpr LaminaStep kStep{.tokens = 7, .outputRows = 0, .sequences = 1, .blockTableStride = 1};

class DeviceTest : public ::testing::TestWithParam<Backend> {
protected:
  void SetUp() override {
    auto device = GetParam().create();
    // No driver or no GPU, which is how most machines are; what a GPU itself refuses is a failure.
    if (GetParam().name == std::string("cuda") && absl::IsFailedPrecondition(device.status()))
      GTEST_SKIP() << "skipped: " << device.status().message();
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = std::move(*device);
    host_ = std::move(*SharedSegment::create(kHostBytes, "a test"));
    auto mapped = device_->mapHost(host_.data(), host_.bytes());
    ASSERT_TRUE(mapped.ok()) << mapped.status();
    mapped_ = *mapped;
  }

  KernelHandle loadDouble() {
    absl::Status loaded = device_->loadCode(GetParam().code());
    EXPECT_TRUE(loaded.ok()) << loaded;
    auto kernel = device_->findKernel({"test_double", GetParam().blockThreads, 0});
    EXPECT_TRUE(kernel.ok()) << kernel.status();
    return *kernel;
  }

  /// A copy of device memory at the beginning of host_.
  std::string_view read(const std::byte *memory, uint64_t bytes) {
    absl::Status status = device_->copyToHost(host_.data(), memory, bytes);
    EXPECT_TRUE(status.ok()) << status;
    return {reinterpret_cast<const char *>(host_.data()), bytes};
  }
  int32_t *ints() { return reinterpret_cast<int32_t *>(host_.data()); }

  static constexpr uint64_t kHostBytes = 1 << 20;
  SharedSegment host_; // outlives the device
  std::unique_ptr<Device> device_;
  std::byte *mapped_ = nullptr;
};

} // namespace lamina::test

#endif // LAMINA_TEST_RUNTIME_DEVICE_DEVICETEST_H
