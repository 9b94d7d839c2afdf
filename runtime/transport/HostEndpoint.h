//===- HostEndpoint.h - an end of the rings whose host moves and waits ----------------------*- C++ -*-===//
//
// Private to runtime/transport: use SharedMemoryLinks::endpoint.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TRANSPORT_HOSTENDPOINT_H
#define LAMINA_RUNTIME_TRANSPORT_HOSTENDPOINT_H

#include "runtime/transport/RingEndpoint.h"

namespace lamina {

class HostEndpoint final : public RingEndpoint {
public:
  HostEndpoint(SharedMemoryLinks &links, uint32_t worker, Device &device, const std::atomic<uint32_t> &abort,
               uint64_t spinNanoseconds)
      : RingEndpoint(links, worker), device_(device), abort_(abort), spin_(spinNanoseconds) {}

  absl::Status send(uint32_t transfer, int64_t rows) override;
  absl::Status wait(uint32_t transfer) override;
  absl::Status endStep() override { return device_.synchronize(); }
  uint64_t waitedNanoseconds() const override { return waited_; }
  uint64_t communicationNanoseconds() const override { return communication_; }

private:
  absl::Status sleepOn(const Channel &channel, SharedWaitWord &word, uint32_t seen, const char *purpose,
                       uint32_t transfer);
  absl::Status waitForSpace(Outgoing &out, uint64_t space, uint32_t transfer);
  absl::Status receiveNext(Incoming &in, uint32_t waitedFor, uint64_t &since);

  Device &device_;
  const std::atomic<uint32_t> &abort_;
  const uint64_t spin_;
  uint64_t waited_ = 0;
  uint64_t communication_ = 0;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TRANSPORT_HOSTENDPOINT_H
