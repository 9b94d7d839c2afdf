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
               uint64_t spinNanoseconds, LocalEndpoints *local);

  absl::StatusOr<bool> trySend(uint32_t transfer, int64_t rows) override;
  absl::StatusOr<bool> tryWait(uint32_t transfer) override;
  absl::Status block(uint64_t limit) override;
  absl::Status endStep() override { return device_.synchronize(); }
  uint64_t communicationNanoseconds() const override { return communication_; }

private:
  /// What the last try found missing: a change of a word.
  struct Missing {
    const Channel *channel = nullptr;
    SharedWaitWord *word = nullptr;
    uint32_t seen = 0;
    const char *purpose = nullptr;
    uint32_t transfer = 0;
  };

  /// Where the message belongs if it may go there without the ring: at an endpoint of this thread that
  /// expects just it next. Otherwise null.
  Binding *directTarget(const Binding &binding, uint32_t transfer, int64_t rows) const;
  absl::Status sendDirect(const Binding &binding, Binding &target, uint32_t transfer, int64_t rows);
  bool makeRoom(Outgoing &out, uint64_t space, uint32_t transfer);
  absl::StatusOr<bool> receiveNext(Incoming &in, uint32_t waitedFor, uint64_t &since);

  Device &device_;
  const std::atomic<uint32_t> &abort_;
  const uint64_t spin_;
  LocalEndpoints *const local_; // null: none
  Missing missing_;
  uint64_t blockedSince_ = 0; // when the caller began to block, until the wait is over; 0: it has not
  uint64_t communication_ = 0;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TRANSPORT_HOSTENDPOINT_H
