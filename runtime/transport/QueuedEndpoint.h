//===- QueuedEndpoint.h - an end of the rings whose device moves and waits ------------------*- C++ -*-===//
//
// Private to runtime/transport: use SharedMemoryLinks::endpoint. send and wait put copies, waits and words to
// write into the device's queue and return, so a step is handed over as a whole and no host stands between a
// kernel and the transfer of its result. It needs channels of fixed places (ChannelSpec::queued):
//
// * Where a frame lies follows from the sizes of those before it, so the destination knows it without a look.
// * A header is not reused before the step after the next. By then the destination has finished this step, so
//   the source's host writes headers when it hands the step over, and the destination's host checks them when
//   the step is done: after the bytes were used, before anybody hears of the result.
//
// Where both ends have a queue, the ring of the payload lies in the memory of the destination's device if the
// source's can reach it: the destination offers it, the source answers (connect). Headers and words stay in
// the host's memory, and so do rings that were not offered or not reached. No driver wants memory freed that
// others still have open, so at the end the destination waits a while for the source to leave its ring.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TRANSPORT_QUEUEDENDPOINT_H
#define LAMINA_RUNTIME_TRANSPORT_QUEUEDENDPOINT_H

#include "runtime/device/DeviceQueue.h"
#include "runtime/transport/RingEndpoint.h"

namespace lamina {

class QueuedEndpoint final : public RingEndpoint {
public:
  /// `device` has a queue.
  QueuedEndpoint(SharedMemoryLinks &links, uint32_t worker, Device &device,
                 const std::atomic<uint32_t> &abort, uint64_t spinNanoseconds)
      : RingEndpoint(links, worker), device_(device), queue_(*device.queue()), abort_(abort),
        spin_(spinNanoseconds) {}

  ~QueuedEndpoint() override;

  absl::Status connect() override;
  std::string connectionNote() const override { return note_; }
  void beginStep(uint64_t step) override;
  absl::StatusOr<bool> trySend(uint32_t transfer, int64_t rows) override;
  absl::StatusOr<bool> tryWait(uint32_t transfer) override;
  absl::Status block(uint64_t) override { return absl::OkStatus(); } // no try fails
  absl::Status endStep() override;
  void abandonStep() override;
  uint64_t communicationNanoseconds() const override { return 0; }

private:
  /// A frame that the device was told to take.
  struct Taken {
    const Incoming *incoming;
    uint64_t sequence;
    uint64_t offset;
    uint32_t transfer;
  };

  std::byte *offerRing(const Channel &channel);
  void noteHostRing(const char *direction, uint32_t peer, const absl::Status &reason);
  absl::Status takeOffer(Outgoing &out);
  absl::StatusOr<bool> awaitYes(SharedWaitWord &word);
  absl::Status receiveNext(Incoming &in);
  absl::Status waitForQueue();
  absl::Status checkTaken() const;

  Device &device_;
  DeviceQueue &queue_;
  const std::atomic<uint32_t> &abort_;
  const uint64_t spin_;
  std::vector<Taken> taken_; // in this step
  std::string note_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TRANSPORT_QUEUEDENDPOINT_H
