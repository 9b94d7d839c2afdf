//===- RingEndpoint.h - what both forms of a worker's end of the rings share ----------------*- C++ -*-===//
//
// Private to runtime/transport: use SharedMemoryLinks::endpoint. Bookkeeping of channels and bindings; how
// bytes move and who waits is up to HostEndpoint, which does it at once, and QueuedEndpoint, which leaves it
// to the device.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TRANSPORT_RINGENDPOINT_H
#define LAMINA_RUNTIME_TRANSPORT_RINGENDPOINT_H

#include "runtime/transport/SharedMemoryTransport.h"

#include <algorithm>

namespace lamina {

class RingEndpoint : public Transport {
public:
  absl::Status bind(uint32_t transfer, std::vector<Part> parts) override;
  void beginStep(uint64_t step) override { step_ = step; }
  absl::Status recv(uint32_t transfer, int64_t rows) override;

protected:
  using Channel = SharedMemoryLinks::Channel;

  /// The source's private view of a channel.
  struct Outgoing {
    const Channel *channel;
    std::byte *payload = channel->payload; // the ring as this end addresses it
    bool direct = false;                   // it lies in the destination's device
    uint64_t sequence = 0;                 // frames published so far
    uint64_t released = 0;                 // frames known to be consumed
    uint64_t cursor = 0;                   // where the next payload starts
    uint64_t bytesInFlight = 0;            // of frames in (released, sequence]
    std::vector<uint64_t> frames; // payload space of each frame in flight, by sequence modulo channel->frames

    bool hasRoom(uint64_t space) const {
      return sequence - released < channel->frames && bytesInFlight + space <= channel->payloadBytes;
    }
    void releaseOne() { bytesInFlight -= frames[released++ & (channel->frames - 1)]; }
    /// What the destination has taken so far.
    void releaseConsumed() {
      uint32_t consumed = channel->state->consumed.load();
      while (uint32_t(released) != consumed && released != sequence)
        releaseOne();
    }
  };
  /// The destination's private view of a channel.
  struct Incoming {
    const Channel *channel;
    std::byte *payload = channel->payload; // as of Outgoing
    bool direct = false;
    uint64_t sequence = 0;        // frames consumed so far
    uint64_t cursor = 0;          // where the next payload starts, in channels of fixed places
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
    uint64_t arrived = 0;   // step of the last message that is in the buffers, or on its way there
  };

  RingEndpoint(SharedMemoryLinks &links, uint32_t worker);

  absl::StatusOr<Binding *> find(uint32_t transfer, const char *verb, bool outgoing);
  /// find, for wait: the transfer must have been received in this step.
  absl::StatusOr<Binding *> findAnnounced(uint32_t transfer);
  /// Whether a frame of that space can ever be sent.
  absl::Status checkSpace(const Outgoing &out, uint64_t space, uint32_t transfer) const;
  /// Fills in the header of the next frame and takes its place in the ring.
  void writeHeader(Outgoing &out, uint32_t transfer, uint64_t bytes, uint64_t sent);
  /// DataLoss unless `frame` is the next one of the channel and what the posted transfer lets expect.
  absl::Status checkFrame(const Incoming &in, uint64_t sequence, uint32_t expected,
                          const FrameHeader &frame) const;
  std::string describe(uint32_t transfer) const;

  uint64_t messageBytes(uint32_t transfer, int64_t rows) const {
    return links_.transfer(transfer).bytesPerRow * uint64_t(rows);
  }
  uint32_t nextPosted(const Incoming &in) const { return in.posted[in.postedBegin % in.posted.size()]; }

  static uint64_t frameSpace(uint64_t bytes) {
    return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
  }

  /// Calls copy(place in the ring, place in a buffer, bytes) for each piece of a message that begins at
  /// `offset`; `end` is that of a channel, outgoing or incoming.
  template <typename End, typename Copy>
  static absl::Status forPieces(const Binding &binding, const End &end, uint64_t offset, int64_t rows,
                                Copy copy) {
    uint64_t ringBytes = end.channel->payloadBytes;
    for (const Part &part : binding.parts) {
      std::byte *data = part.data;
      for (uint64_t left = part.rowBytes * uint64_t(rows); left != 0;) {
        uint64_t length = std::min(left, ringBytes - offset);
        LAMINA_RETURN_IF_ERROR(copy(end.payload + offset, data, length));
        data += length;
        left -= length;
        offset = (offset + length) % ringBytes;
      }
    }
    return absl::OkStatus();
  }

  SharedMemoryLinks &links_;
  const uint32_t worker_;
  uint64_t step_ = 0;
  std::vector<Outgoing> outgoing_; // never grow after construction: bindings point into them
  std::vector<Incoming> incoming_;
  std::vector<Binding> bindings_; // by transfer
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TRANSPORT_RINGENDPOINT_H
