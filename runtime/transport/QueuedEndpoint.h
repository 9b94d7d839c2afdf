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
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TRANSPORT_QUEUEDENDPOINT_H
#define LAMINA_RUNTIME_TRANSPORT_QUEUEDENDPOINT_H

#include "runtime/device/DeviceQueue.h"
#include "runtime/transport/RingEndpoint.h"

namespace lamina {

class QueuedEndpoint final : public RingEndpoint {
public:
  QueuedEndpoint(SharedMemoryLinks &links, uint32_t worker, DeviceQueue &queue,
                 const std::atomic<uint32_t> &abort, uint64_t spinNanoseconds)
      : RingEndpoint(links, worker), queue_(queue), abort_(abort), spin_(spinNanoseconds) {}

  void beginStep(uint64_t step) override;
  absl::Status send(uint32_t transfer, int64_t rows) override;
  absl::Status wait(uint32_t transfer) override;
  absl::Status endStep() override;
  void abandonStep() override;
  uint64_t waitedNanoseconds() const override { return 0; }
  uint64_t communicationNanoseconds() const override { return 0; }

private:
  /// A frame that the device was told to take.
  struct Taken {
    const Incoming *incoming;
    uint64_t sequence;
    uint64_t offset;
    uint32_t transfer;
  };

  absl::Status receiveNext(Incoming &in);
  absl::Status waitForQueue();
  absl::Status checkTaken() const;

  DeviceQueue &queue_;
  const std::atomic<uint32_t> &abort_;
  const uint64_t spin_;
  std::vector<Taken> taken_; // in this step
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TRANSPORT_QUEUEDENDPOINT_H
