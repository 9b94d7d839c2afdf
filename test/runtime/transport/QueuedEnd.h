//===- QueuedEnd.h - a worker that sends or receives through rings that a device moves ------*- C++ -*-===//

#ifndef LAMINA_TEST_RUNTIME_TRANSPORT_QUEUEDEND_H
#define LAMINA_TEST_RUNTIME_TRANSPORT_QUEUEDEND_H

#include "runtime/device/cpu/CpuDevice.h"
#include "runtime/device/cuda/CudaDevice.h"
#include "runtime/transport/SharedMemoryTransport.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lamina::test {

constexpr uint64_t kSpin = 3000;
constexpr uint32_t kBig = 0, kSmall = 1;
constexpr uint64_t kBigRow = 128, kSmallRow = 12;
constexpr int64_t kMaxRows = 20;

inline std::unique_ptr<SharedMemoryLinks> makeLinks(uint64_t bytes, bool direct = false) {
  return std::move(*SharedMemoryLinks::create({"compute0", "memory0"},
                                              {{0, 1, kBigRow, "big"}, {0, 1, kSmallRow, "small"}},
                                              {{0, 1, 4, bytes, true, direct}}));
}

/// Whether nothing ever lay in the ring that the host's memory has.
inline bool hostRingIsUnused(const SharedMemoryLinks &links) {
  const SharedMemoryLinks::Channel &channel = links.channels()[0];
  return std::all_of(channel.payload, channel.payload + channel.payloadBytes,
                     [](std::byte byte) { return byte == std::byte(0); });
}

/// One worker: a device with the buffers of both transfers, and host memory to look at them.
struct End {
  SharedSegment host = std::move(*SharedSegment::create(kMaxRows * kBigRow, "a test"));
  std::unique_ptr<Device> device;
  std::byte *big = nullptr, *small = nullptr;
  std::atomic<uint32_t> abort{0};
  std::unique_ptr<Transport> transport;

  End(SharedMemoryLinks &links, uint32_t worker, bool cuda) {
    if (cuda)
      device = std::move(*cuda::CudaDevice::create(LAMINA_CUDA_SIM, int(worker)));
    else
      device = std::move(*CpuDevice::create(1, 0));
    big = *device->allocate(kMaxRows * kBigRow, "big");
    small = *device->allocate(kMaxRows * kSmallRow, "small");
    EXPECT_TRUE(device->mapHost(host.data(), host.bytes()).ok());
    EXPECT_TRUE(links.mapChannels(worker, *device).ok());
    transport = links.endpoint(worker, *device, abort, kSpin);
    EXPECT_TRUE(transport->bind(kBig, {{big, kBigRow}}).ok());
    EXPECT_TRUE(transport->bind(kSmall, {{small, kSmallRow}}).ok());
  }

  absl::Status fill(std::byte *buffer, uint64_t bytes, uint64_t seed) {
    for (uint64_t i = 0; i < bytes; ++i)
      host.data()[i] = std::byte(seed * 131 + i * 7);
    return device->copyFromHost(buffer, host.data(), bytes);
  }
  bool holds(const std::byte *buffer, uint64_t bytes, uint64_t seed) {
    bool right = device->copyToHost(host.data(), buffer, bytes).ok();
    for (uint64_t i = 0; i < bytes; ++i)
      right &= host.data()[i] == std::byte(seed * 131 + i * 7);
    return right;
  }

  absl::Status send(uint64_t step, int64_t rows) {
    transport->beginStep(step);
    LAMINA_RETURN_IF_ERROR(fill(big, uint64_t(rows) * kBigRow, step));
    LAMINA_RETURN_IF_ERROR(fill(small, uint64_t(rows) * kSmallRow, step + 1));
    LAMINA_RETURN_IF_ERROR(transport->send(kBig, rows));
    LAMINA_RETURN_IF_ERROR(transport->send(kSmall, rows));
    return transport->endStep();
  }
  absl::Status receive(uint64_t step, int64_t rows) {
    transport->beginStep(step);
    LAMINA_RETURN_IF_ERROR(transport->recv(kBig, rows));
    LAMINA_RETURN_IF_ERROR(transport->recv(kSmall, rows));
    LAMINA_RETURN_IF_ERROR(transport->wait(kSmall)); // the later one first
    LAMINA_RETURN_IF_ERROR(transport->wait(kBig));
    LAMINA_RETURN_IF_ERROR(transport->endStep());
    bool right =
        holds(big, uint64_t(rows) * kBigRow, step) && holds(small, uint64_t(rows) * kSmallRow, step + 1);
    return right ? absl::OkStatus() : absl::DataLossError("wrong bytes arrived");
  }
};

} // namespace lamina::test

#endif // LAMINA_TEST_RUNTIME_TRANSPORT_QUEUEDEND_H
