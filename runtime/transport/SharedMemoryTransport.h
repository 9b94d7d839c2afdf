//===- SharedMemoryTransport.h - transfers through rings in shared memory -------------------*- C++ -*-===//
//
// One channel per ordered pair of workers that exchange transfers: a ring of frame headers and a ring of
// payload bytes, written by the source alone and read by the destination alone. It serves threads and forked
// processes alike.
//
//   frame header: sequence, step, payload bytes, offset, time, transfer (64 bytes, one slot for each frame)
//   payload:      the rows of each buffer one after another, wrapping at the ring's end
//
// The destination checks every header against what the plan lets it expect: before it copies a byte, or where
// its device copies by itself before anybody hears of the result (QueuedEndpoint.h).
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TRANSPORT_SHAREDMEMORYTRANSPORT_H
#define LAMINA_RUNTIME_TRANSPORT_SHAREDMEMORYTRANSPORT_H

#include "runtime/base/WaitWord.h"
#include "runtime/device/Device.h"
#include "runtime/transport/SharedSegment.h"
#include "runtime/transport/Transport.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace lamina {

struct TransferSpec {
  uint32_t source = 0; ///< worker
  uint32_t destination = 0;
  uint64_t bytesPerRow = 0;
  std::string label; ///< for errors: "blk.0 q"
};

/// Bounds of one channel. A source blocks while the channel cannot take its next frame.
struct ChannelSpec {
  uint32_t source = 0;
  uint32_t destination = 0;
  uint32_t frames = 0;       ///< frames in flight; rounded up to a power of two
  uint64_t payloadBytes = 0; ///< bytes in flight, each frame rounded up to kFrameAlignment
  /// Whether a device at one of its ends moves frames by itself: then places are fixed (QueuedEndpoint.h),
  /// and `frames` must be at least those of two steps.
  bool queued = false;
  /// Whether devices at both ends do.
  bool direct = false;
};

constexpr uint64_t kFrameAlignment = 64;

/// FrameHeader::sent where no host knows when its device will send.
constexpr uint64_t kSentByDevice = UINT64_MAX;

/// A frame as it lies in shared memory.
struct alignas(64) FrameHeader {
  uint64_t sequence; ///< 1 = the first frame of the channel
  uint64_t step;
  uint64_t bytes;
  uint64_t offset; ///< of the first payload byte in the payload ring
  uint64_t sent; ///< when the source began to send, monotonicNanoseconds(); of no consequence to the transfer
  uint32_t transfer;
};
static_assert(sizeof(FrameHeader) == 64);

/// The shared part of a channel; headers and payload follow it.
struct ChannelState {
  alignas(64) SharedWaitWord published; ///< frames that the source has filled in, modulo 2^32
  alignas(64) SharedWaitWord consumed;  ///< frames that the destination has copied out, modulo 2^32
  // How both ends agree on where the payload lies, while loading (QueuedEndpoint.h).
  alignas(64) SharedWaitWord offered; ///< by the destination
  SharedWaitWord answered;            ///< by the source
  DeviceMemoryOffer offer;
};

struct TransferCounters {
  std::atomic<uint64_t> bytesSent; ///< payload since the start; written by the source
  std::atomic<uint64_t> bytesReceived;
};

class HostEndpoint;

/// Which endpoints belong to one thread: by transfer, the one where it ends. Messages between them need no
/// ring. The endpoints add themselves and must end together.
using LocalEndpoints = std::vector<HostEndpoint *>;

/// All channels of a plan, in one segment that is created before the workers are forked.
class SharedMemoryLinks {
public:
  /// `workers` are the names that messages call them by. Every transfer needs a channel between its workers.
  static absl::StatusOr<std::unique_ptr<SharedMemoryLinks>> create(std::vector<std::string> workers,
                                                                   std::vector<TransferSpec> transfers,
                                                                   const std::vector<ChannelSpec> &channels);

  /// Makes the channels of a worker known to its device, which must not outlive the links.
  absl::Status mapChannels(uint32_t worker, Device &device) const;

  /// The endpoint of one worker, made in the process that uses it, for a device that knows its channels. All
  /// arguments must outlive it. Waiting spins for `spinNanoseconds` before it sleeps and ends when `abort`
  /// becomes nonzero. `local` may be null.
  std::unique_ptr<Transport> endpoint(uint32_t worker, Device &device, const std::atomic<uint32_t> &abort,
                                      uint64_t spinNanoseconds, LocalEndpoints *local = nullptr);

  /// Wakes every sleeper, so that it sees an abort at once.
  void wakeAll();

  const std::string &worker(uint32_t index) const { return workers_[index]; }
  const TransferSpec &transfer(uint32_t index) const { return transfers_[index]; }
  size_t transferCount() const { return transfers_.size(); }
  TransferCounters &counters(uint32_t transfer) const { return counters_[transfer]; }

  /// Where a channel lies. `frames` is a power of two, `payloadBytes` a multiple of kFrameAlignment.
  struct Channel {
    uint32_t source;
    uint32_t destination;
    bool queued;
    bool direct;
    uint32_t frames;
    uint64_t payloadBytes;
    uint64_t bytes; ///< of all that follows, which begins and ends at a page
    ChannelState *state;
    FrameHeader *headers;
    std::byte *payload;
  };
  const std::vector<Channel> &channels() const { return channels_; }

private:
  SharedMemoryLinks() = default;
  SharedSegment segment_;
  std::vector<std::string> workers_;
  std::vector<TransferSpec> transfers_;
  std::vector<Channel> channels_;
  TransferCounters *counters_ = nullptr;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TRANSPORT_SHAREDMEMORYTRANSPORT_H
