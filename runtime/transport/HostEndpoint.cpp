//===- HostEndpoint.cpp - an end of the rings whose host moves and waits ------------------------------===//

#include "runtime/transport/HostEndpoint.h"

#include "absl/strings/str_cat.h"

namespace lamina {
namespace {

/// How long a sleeper trusts that somebody wakes it before it looks at the abort flag by itself.
constexpr uint64_t kRecheckNanoseconds = 50'000'000;
/// A device at the other end changes words without waking anybody.
constexpr uint64_t kPollNanoseconds = 20'000;

} // namespace

HostEndpoint::HostEndpoint(SharedMemoryLinks &links, uint32_t worker, Device &device,
                           const std::atomic<uint32_t> &abort, uint64_t spinNanoseconds,
                           LocalEndpoints *local)
    : RingEndpoint(links, worker), device_(device), abort_(abort), spin_(spinNanoseconds), local_(local) {
  if (local_ == nullptr)
    return;
  local_->resize(bindings_.size());
  for (size_t i = 0; i < bindings_.size(); ++i)
    if (bindings_[i].incoming != nullptr)
      (*local_)[i] = this;
}

absl::Status HostEndpoint::block(uint64_t limit) {
  const auto [channel, word, seen, purpose, transfer] = missing_;
  // Spinning once is enough: who polls has slept before and would spin more than sleep.
  bool polls = limit != 0 || channel->queued;
  uint64_t spin = polls && blockedSince_ != 0 ? 0 : spin_;
  if (blockedSince_ == 0)
    blockedSince_ = monotonicNanoseconds();
  uint64_t sleep = channel->queued ? kPollNanoseconds : kRecheckNanoseconds;
  if (limit != 0)
    spin = std::min(spin, limit), sleep = std::min(sleep, limit);
  if (word->waitWhile(seen, spin, sleep) == seen && abort_.load(std::memory_order_acquire) != 0)
    return absl::CancelledError(absl::StrCat("stopped while waiting ", purpose, " ", describe(transfer)));
  return absl::OkStatus();
}

/// False if the destination must take something first.
bool HostEndpoint::makeRoom(Outgoing &out, uint64_t space, uint32_t transfer) {
  const Channel &channel = *out.channel;
  uint32_t consumed = channel.state->consumed.load();
  out.releaseConsumed();
  // The usual case is one frame at a time: starting over keeps the same few lines in the caches of both
  // sides.
  if (out.released == out.sequence && !channel.queued)
    out.cursor = 0;
  if (out.hasRoom(space))
    return true;
  missing_ = {&channel, &channel.state->consumed, consumed, "for room to send", transfer};
  return false;
}

RingEndpoint::Binding *HostEndpoint::directTarget(const Binding &binding, uint32_t transfer,
                                                  int64_t rows) const {
  HostEndpoint *destination = local_ != nullptr ? (*local_)[transfer] : nullptr;
  if (destination == nullptr)
    return nullptr;
  Binding &target = destination->bindings_[transfer];
  const Incoming &in = *target.incoming;
  // What is in the ring comes first; before it is received the buffers may hold something else; and what
  // differs is refused where it is taken from the ring.
  bool expected = target.announced == step_ && target.arrived != step_ && target.rows == rows &&
                  destination->nextPosted(in) == transfer &&
                  in.channel->state->published.load() == uint32_t(in.sequence) &&
                  std::ranges::equal(binding.parts, target.parts, {}, &Part::rowBytes, &Part::rowBytes);
  return expected ? &target : nullptr;
}

/// The rows of a part lie one after another at both ends.
absl::Status HostEndpoint::sendDirect(const Binding &binding, Binding &target, uint32_t transfer,
                                      int64_t rows) {
  uint64_t began = monotonicNanoseconds();
  for (size_t i = 0; i < binding.parts.size(); ++i)
    LAMINA_RETURN_IF_ERROR(device_.copyToHost(target.parts[i].data, binding.parts[i].data,
                                              binding.parts[i].rowBytes * uint64_t(rows)));
  target.arrived = step_;
  ++target.incoming->postedBegin;
  TransferCounters &counters = links_.counters(transfer);
  counters.bytesSent.fetch_add(messageBytes(transfer, rows), std::memory_order_relaxed);
  counters.bytesReceived.fetch_add(messageBytes(transfer, rows), std::memory_order_relaxed);
  communication_ += monotonicNanoseconds() - began;
  return absl::OkStatus();
}

absl::StatusOr<bool> HostEndpoint::trySend(uint32_t transfer, int64_t rows) {
  LAMINA_ASSIGN_OR_RETURN(Binding * binding, find(transfer, "send", true));
  Outgoing &out = *binding->outgoing;
  const Channel &channel = *out.channel;
  uint64_t bytes = messageBytes(transfer, rows);
  if (Binding *target = directTarget(*binding, transfer, rows)) {
    LAMINA_RETURN_IF_ERROR(sendDirect(*binding, *target, transfer, rows));
    blockedSince_ = 0;
    return true;
  }
  LAMINA_RETURN_IF_ERROR(checkSpace(out, frameSpace(bytes), transfer));
  if (!makeRoom(out, frameSpace(bytes), transfer))
    return false;
  blockedSince_ = 0;
  uint64_t began = monotonicNanoseconds();
  LAMINA_RETURN_IF_ERROR(
      forPieces(*binding, out, out.cursor, rows, [&](std::byte *ring, std::byte *data, uint64_t length) {
        return device_.copyToHost(ring, data, length);
      }));
  writeHeader(out, transfer, bytes, began);
  channel.state->published.add(1);
  links_.counters(transfer).bytesSent.fetch_add(bytes, std::memory_order_relaxed);
  communication_ += monotonicNanoseconds() - began;
  return true;
}

/// False if there is no frame. `since`: when the caller had nothing but this frame to wait for; moved to when
/// it is here.
absl::StatusOr<bool> HostEndpoint::receiveNext(Incoming &in, uint32_t waitedFor, uint64_t &since) {
  const Channel &channel = *in.channel;
  if (channel.state->published.load() == uint32_t(in.sequence)) {
    missing_ = {&channel, &channel.state->published, uint32_t(in.sequence), "for", waitedFor};
    return false;
  }
  // A copy: the peer could change the original between the check and the use.
  FrameHeader frame = channel.headers[in.sequence & (channel.frames - 1)];
  uint32_t expected = nextPosted(in);
  LAMINA_RETURN_IF_ERROR(checkFrame(in, in.sequence + 1, expected, frame));
  Binding &binding = bindings_[expected];
  LAMINA_RETURN_IF_ERROR(forPieces(binding, in, frame.offset, binding.rows,
                                   [&](std::byte *ring, std::byte *data, uint64_t length) {
                                     return device_.copyFromHost(data, ring, length);
                                   }));
  binding.arrived = step_;
  ++in.postedBegin;
  ++in.sequence;
  links_.counters(frame.transfer).bytesReceived.fetch_add(frame.bytes, std::memory_order_relaxed);
  channel.state->consumed.add(1);
  uint64_t now = monotonicNanoseconds();
  communication_ += now - std::clamp(frame.sent, since, now);
  since = now;
  return true;
}

absl::StatusOr<bool> HostEndpoint::tryWait(uint32_t transfer) {
  LAMINA_ASSIGN_OR_RETURN(Binding * binding, findAnnounced(transfer));
  if (binding->arrived == step_) { // sent directly, or received on the way to another
    blockedSince_ = 0;
    return true;
  }
  // Who went on with something else instead of blocking has waited only since now.
  uint64_t since = blockedSince_ != 0 ? blockedSince_ : monotonicNanoseconds();
  // Frames arrive in the order of the receives; earlier ones go where they belong on the way.
  while (binding->arrived != step_) {
    LAMINA_ASSIGN_OR_RETURN(bool received, receiveNext(*binding->incoming, transfer, since));
    if (!received)
      return false;
    blockedSince_ = 0;
  }
  return true;
}

} // namespace lamina
