//===- SharedMemoryEndpoint.h - one worker's end of the shared rings ------------------------*- C++ -*-===//
//
// Private to runtime/transport: use SharedMemoryLinks::endpoint.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TRANSPORT_SHAREDMEMORYENDPOINT_H
#define LAMINA_RUNTIME_TRANSPORT_SHAREDMEMORYENDPOINT_H

#include "runtime/transport/SharedMemoryTransport.h"

namespace lamina {

class SharedMemoryEndpoint final : public Transport {
public:
  SharedMemoryEndpoint(SharedMemoryLinks &links, uint32_t worker, Device &device,
                       const std::atomic<uint32_t> &abort, uint64_t spinNanoseconds);

  absl::Status bind(uint32_t transfer, std::vector<Part> parts) override;
  void beginStep(uint64_t step) override { step_ = step; }
  absl::Status send(uint32_t transfer, int64_t rows) override;
  absl::Status recv(uint32_t transfer, int64_t rows) override;
  absl::Status wait(uint32_t transfer) override;
  uint64_t waitedNanoseconds() const override { return waited_; }
  uint64_t communicationNanoseconds() const override { return communication_; }

private:
  using Channel = SharedMemoryLinks::Channel;

  /// The source's private view of a channel.
  struct Outgoing {
    const Channel *channel;
    uint64_t sequence = 0;        // frames published so far
    uint64_t released = 0;        // frames known to be consumed
    uint64_t cursor = 0;          // where the next payload starts
    uint64_t bytesInFlight = 0;   // of frames in (released, sequence]
    std::vector<uint64_t> frames; // payload space of each frame in flight, by sequence modulo channel->frames
  };
  /// The destination's private view of a channel.
  struct Incoming {
    const Channel *channel;
    uint64_t sequence = 0;        // frames consumed so far
    std::vector<uint32_t> posted; // transfers announced by recv; a ring of the number of transfers
    uint64_t postedBegin = 0;
    uint64_t postedEnd = 0;
  };
  struct Binding {
    std::vector<Part> parts;
    Outgoing *outgoing = nullptr; // exactly one of the two is set for a transfer of this worker
    Incoming *incoming = nullptr;
    int64_t rows = 0;       // announced by recv
    uint64_t announced = 0; // step of the last recv
    uint64_t arrived = 0;   // step of the last message that is in the buffers
  };

  absl::StatusOr<Binding *> find(uint32_t transfer, const char *verb, bool outgoing);
  void releaseConsumed(Outgoing &out);
  absl::Status sleepOn(SharedWaitWord &word, uint32_t seen, const char *purpose, uint32_t transfer);
  absl::Status waitForSpace(Outgoing &out, uint64_t space, uint32_t transfer);
  absl::Status receiveNext(Incoming &in, uint32_t waitedFor, uint64_t &since);
  absl::Status checkFrame(const Incoming &in, const FrameHeader &frame) const;
  absl::Status copyParts(const Binding &binding, const Channel &channel, uint64_t offset, int64_t rows,
                         bool toRing);
  std::string describe(uint32_t transfer) const;

  SharedMemoryLinks &links_;
  const uint32_t worker_;
  Device &device_;
  const std::atomic<uint32_t> &abort_;
  const uint64_t spin_;
  uint64_t step_ = 0;
  uint64_t waited_ = 0;
  uint64_t communication_ = 0;
  std::vector<Outgoing> outgoing_; // never grow after construction: bindings point into them
  std::vector<Incoming> incoming_;
  std::vector<Binding> bindings_; // by transfer
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TRANSPORT_SHAREDMEMORYENDPOINT_H
