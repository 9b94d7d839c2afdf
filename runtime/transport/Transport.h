//===- Transport.h - moves transfers between workers ----------------------------------------*- C++ -*-===//
//
// One endpoint per worker. A transfer is one message per step: the rows of its buffers one after another.
// While loading, each side binds the transfer to its buffers; in a step the source calls send once, the
// destination recv (the buffers may be filled from now on) and later wait (they are filled).
//
// Between two workers, recv must be called in the order in which the source sends; wait may come in any
// order. An endpoint belongs to one thread. trySend and tryWait say when the peer has to act first, so that one
// thread can go on with another worker meanwhile; of what a step calls only block sleeps, and the end of a step
// where a device's queue has to finish.
// Errors name the transfer: Cancelled when the run was aborted, DataLoss when what arrived is not what the
// plan says, otherwise what the device reports.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TRANSPORT_TRANSPORT_H
#define LAMINA_RUNTIME_TRANSPORT_TRANSPORT_H

#include "runtime/base/Status.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lamina {

class Transport {
public:
  /// One buffer of a transfer, in the memory of the worker's device. Rows lie one after another.
  struct Part {
    std::byte *data;
    uint64_t rowBytes;
  };

  virtual ~Transport() = default;

  /// Says which buffers a transfer of this worker reads or fills; their row bytes add up to the transfer's.
  virtual absl::Status bind(uint32_t transfer, std::vector<Part> parts) = 0;

  /// Agrees with the peers on where messages lie: once, before the first step, waiting for those that have
  /// not come as far. Without it they go through the host's memory.
  virtual absl::Status connect() { return absl::OkStatus(); }

  /// One line on what connect() could not have as it would be fastest, and why; empty if there is nothing.
  virtual std::string connectionNote() const { return ""; }

  /// Starts step `step`; all messages of the step before must have been waited for.
  virtual void beginStep(uint64_t step) = 0;

  /// Moves `rows` rows of the bound buffers; launches from now on may reuse them. False, and nothing has
  /// happened, while there is no room.
  virtual absl::StatusOr<bool> trySend(uint32_t transfer, int64_t rows) = 0;

  /// Announces that the bound buffers may be filled with `rows` rows.
  virtual absl::Status recv(uint32_t transfer, int64_t rows) = 0;

  /// Launches from now on find the message announced by recv in the bound buffers. False while it has not
  /// been sent.
  virtual absl::StatusOr<bool> tryWait(uint32_t transfer) = 0;

  /// Sleeps until what the last try found missing may be there; so it may not, and at most `limit`
  /// nanoseconds go by (0 = no matter how many).
  virtual absl::Status block(uint64_t limit) = 0;

  /// trySend and tryWait for who has nothing else to do.
  absl::Status send(uint32_t transfer, int64_t rows) {
    return untilDone([&] { return trySend(transfer, rows); });
  }
  absl::Status wait(uint32_t transfer) {
    return untilDone([&] { return tryWait(transfer); });
  }

  /// Ends the step: returns when everything that it was asked for, and all launches, are done.
  virtual absl::Status endStep() = 0;

  /// After an error: lets the device finish by itself what it was given, whatever comes of it.
  virtual void abandonStep() {}

  /// Time spent since the start in which transfers alone kept the caller from its work: sending, but not
  /// waiting for room; and of waits, where the caller blocked, from when the peer had begun to send until the
  /// message was in the buffers. 0 where the device moves transfers by itself: only a trace tells then.
  virtual uint64_t communicationNanoseconds() const = 0;

private:
  template <typename Try> absl::Status untilDone(Try attempt) {
    while (true) {
      LAMINA_ASSIGN_OR_RETURN(bool done, attempt());
      if (done)
        return absl::OkStatus();
      LAMINA_RETURN_IF_ERROR(block(0));
    }
  }
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TRANSPORT_TRANSPORT_H
