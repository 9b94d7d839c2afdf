//===- QueuedEndpoint.cpp - an end of the rings whose device moves and waits --------------------------===//

#include "runtime/transport/QueuedEndpoint.h"

#include "absl/strings/str_cat.h"

#include <unistd.h>

namespace lamina {
namespace {

/// Between two looks at the queue, once spinning has not been enough.
constexpr useconds_t kSleepMicroseconds = 20;
/// How long who waits for a peer that is loading sleeps before it looks at the abort flag.
constexpr uint64_t kRecheckNanoseconds = 50'000'000;
/// How long a ring waits to be left by a peer, which may have been killed.
constexpr uint64_t kLeaveNanoseconds = 500'000'000;
/// Of ChannelState::offered and answered; what was answered with yes is left later.
constexpr uint32_t kYes = 1, kNo = 2, kLeft = 3;

} // namespace

/// Leaving comes first, so no two ends wait for each other.
QueuedEndpoint::~QueuedEndpoint() {
  for (const Outgoing &out : outgoing_)
    if (out.direct) {
      queue_.leaveMemory(out.payload).IgnoreError(); // a device that failed has said so
      out.channel->state->answered.store(kLeft);
    }
  uint64_t deadline = monotonicNanoseconds() + kLeaveNanoseconds;
  for (const Incoming &in : incoming_) {
    ChannelState &state = *in.channel->state;
    uint64_t now = 0;
    for (uint32_t seen; state.offered.load() == kYes && (seen = state.answered.load()) != kNo &&
                        seen != kLeft && (now = monotonicNanoseconds()) < deadline;)
      state.answered.waitWhile(seen, 0, deadline - now);
  }
}

/// Offers come first, so no two ends wait for each other's.
absl::Status QueuedEndpoint::connect() {
  std::vector<std::byte *> rings;
  for (const Incoming &in : incoming_)
    rings.push_back(in.channel->direct ? offerRing(*in.channel) : nullptr);
  for (Outgoing &out : outgoing_)
    if (out.channel->direct)
      LAMINA_RETURN_IF_ERROR(takeOffer(out));
  for (size_t i = 0; i < incoming_.size(); ++i)
    if (Incoming &in = incoming_[i]; rings[i] != nullptr) {
      LAMINA_ASSIGN_OR_RETURN(bool taken, awaitYes(in.channel->state->answered));
      if (taken) {
        in.payload = rings[i];
        in.direct = true;
      }
    }
  return absl::OkStatus();
}

/// Null where there is no room or the device cannot offer any: then the ring stays in the host's memory.
std::byte *QueuedEndpoint::offerRing(const Channel &channel) {
  absl::StatusOr<std::byte *> ring = device_.allocate(channel.payloadBytes, "a ring between devices");
  absl::StatusOr<DeviceMemoryOffer> offer = ring.ok() ? queue_.offerMemory(*ring) : ring.status();
  if (offer.ok())
    channel.state->offer = *offer;
  else
    noteHostRing("from", channel.source, offer.status());
  channel.state->offered.store(offer.ok() ? kYes : kNo);
  return offer.ok() ? *ring : nullptr;
}

absl::Status QueuedEndpoint::takeOffer(Outgoing &out) {
  ChannelState &state = *out.channel->state;
  LAMINA_ASSIGN_OR_RETURN(bool offered, awaitYes(state.offered));
  if (!offered)
    return absl::OkStatus();
  absl::StatusOr<std::byte *> ring = queue_.reachMemory(state.offer);
  if (ring.ok())
    out.payload = *ring;
  else
    noteHostRing("to", out.channel->destination, ring.status());
  out.direct = ring.ok();
  state.answered.store(ring.ok() ? kYes : kNo);
  return absl::OkStatus();
}

void QueuedEndpoint::noteHostRing(const char *direction, uint32_t peer, const absl::Status &reason) {
  if (note_.empty())
    note_ = absl::StrCat("transfers ", direction, " ", links_.worker(peer),
                         " go through the host's memory: ", reason.message());
}

absl::StatusOr<bool> QueuedEndpoint::awaitYes(SharedWaitWord &word) {
  while (word.waitWhile(0, spin_, kRecheckNanoseconds) == 0)
    if (abort_.load(std::memory_order_acquire) != 0)
      return absl::CancelledError("stopped before the workers were connected");
  return word.load() == kYes;
}

/// What the peers have taken so far needs no waiting in the queue.
void QueuedEndpoint::beginStep(uint64_t step) {
  RingEndpoint::beginStep(step);
  for (Outgoing &out : outgoing_)
    out.releaseConsumed();
}

absl::StatusOr<bool> QueuedEndpoint::trySend(uint32_t transfer, int64_t rows) {
  LAMINA_ASSIGN_OR_RETURN(Binding * binding, find(transfer, "send", true));
  Outgoing &out = *binding->outgoing;
  const Channel &channel = *out.channel;
  uint64_t bytes = messageBytes(transfer, rows);
  LAMINA_RETURN_IF_ERROR(checkSpace(out, frameSpace(bytes), transfer));
  uint64_t released = out.released;
  while (!out.hasRoom(frameSpace(bytes)))
    out.releaseOne();
  if (out.released != released)
    LAMINA_RETURN_IF_ERROR(queue_.waitForWord(channel.state->consumed.word(), uint32_t(out.released)));
  LAMINA_RETURN_IF_ERROR(
      forPieces(*binding, out, out.cursor, rows, [&](std::byte *ring, std::byte *data, uint64_t length) {
        return out.direct ? queue_.enqueueCopy(ring, data, length)
                          : queue_.enqueueCopyToHost(ring, data, length);
      }));
  writeHeader(out, transfer, bytes, kSentByDevice);
  LAMINA_RETURN_IF_ERROR(queue_.writeWord(channel.state->published.word(), uint32_t(out.sequence)));
  links_.counters(transfer).bytesSent.fetch_add(bytes, std::memory_order_relaxed);
  return true;
}

absl::Status QueuedEndpoint::receiveNext(Incoming &in) {
  const Channel &channel = *in.channel;
  uint32_t transfer = nextPosted(in);
  Binding &binding = bindings_[transfer];
  uint64_t bytes = messageBytes(transfer, binding.rows);
  ++in.postedBegin;
  taken_.push_back({&in, ++in.sequence, in.cursor, transfer});
  LAMINA_RETURN_IF_ERROR(queue_.waitForWord(channel.state->published.word(), uint32_t(in.sequence)));
  LAMINA_RETURN_IF_ERROR(
      forPieces(binding, in, in.cursor, binding.rows, [&](std::byte *ring, std::byte *data, uint64_t length) {
        return in.direct ? queue_.enqueueCopy(data, ring, length)
                         : queue_.enqueueCopyFromHost(data, ring, length);
      }));
  LAMINA_RETURN_IF_ERROR(queue_.writeWord(channel.state->consumed.word(), uint32_t(in.sequence)));
  in.cursor = (in.cursor + frameSpace(bytes)) % channel.payloadBytes;
  binding.arrived = step_;
  links_.counters(transfer).bytesReceived.fetch_add(bytes, std::memory_order_relaxed);
  return absl::OkStatus();
}

absl::StatusOr<bool> QueuedEndpoint::tryWait(uint32_t transfer) {
  LAMINA_ASSIGN_OR_RETURN(Binding * binding, findAnnounced(transfer));
  while (binding->arrived != step_)
    LAMINA_RETURN_IF_ERROR(receiveNext(*binding->incoming));
  return true;
}

absl::Status QueuedEndpoint::endStep() {
  LAMINA_RETURN_IF_ERROR(waitForQueue());
  absl::Status status = checkTaken();
  taken_.clear();
  return status;
}

absl::Status QueuedEndpoint::waitForQueue() {
  uint64_t deadline = monotonicNanoseconds() + spin_;
  while (true) {
    LAMINA_ASSIGN_OR_RETURN(bool finished, queue_.finished());
    if (finished)
      return absl::OkStatus();
    if (abort_.load(std::memory_order_acquire) != 0)
      return absl::CancelledError("stopped while a step was under way on the device");
    if (monotonicNanoseconds() < deadline)
      sched_yield();
    else
      usleep(kSleepMicroseconds);
  }
}

/// The queue may wait for peers that will send nothing more, and nothing that it uses could be freed. The
/// words say that they have sent and taken everything; what the step computes is of no use to anybody any
/// more.
void QueuedEndpoint::abandonStep() {
  for (const Incoming &in : incoming_)
    in.channel->state->published.store(uint32_t(in.sequence));
  for (const Outgoing &out : outgoing_)
    out.channel->state->consumed.store(uint32_t(out.sequence));
}

absl::Status QueuedEndpoint::checkTaken() const {
  for (const Taken &taken : taken_) {
    const Channel &channel = *taken.incoming->channel;
    const FrameHeader &frame = channel.headers[(taken.sequence - 1) & (channel.frames - 1)];
    LAMINA_RETURN_IF_ERROR(checkFrame(*taken.incoming, taken.sequence, taken.transfer, frame));
    if (frame.offset != taken.offset)
      return absl::DataLossError(absl::StrCat("worker ", links_.worker(channel.source), " sent ",
                                              describe(taken.transfer), " at offset ", frame.offset,
                                              " of the ring, expected ", taken.offset));
  }
  return absl::OkStatus();
}

} // namespace lamina
