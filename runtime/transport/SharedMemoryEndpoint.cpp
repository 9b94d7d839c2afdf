//===- SharedMemoryEndpoint.cpp - one worker's end of the shared rings --------------------------------===//

#include "runtime/transport/SharedMemoryEndpoint.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace lamina {
namespace {

/// How long a sleeper trusts that somebody wakes it before it looks at the abort flag by itself.
constexpr uint64_t kRecheckNanoseconds = 50'000'000;

uint64_t frameSpace(uint64_t bytes) {
  return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}

} // namespace

SharedMemoryEndpoint::SharedMemoryEndpoint(SharedMemoryLinks &links, uint32_t worker, Device &device,
                                           const std::atomic<uint32_t> &abort, uint64_t spinNanoseconds)
    : links_(links), worker_(worker), device_(device), abort_(abort), spin_(spinNanoseconds) {
  size_t transfers = links.transferCount();
  for (const Channel &channel : links.channels()) {
    if (channel.source == worker)
      outgoing_.push_back({.channel = &channel, .frames = std::vector<uint64_t>(channel.frames)});
    if (channel.destination == worker)
      incoming_.push_back({.channel = &channel, .posted = std::vector<uint32_t>(transfers)});
  }
  bindings_.resize(transfers);
  for (size_t i = 0; i < transfers; ++i) {
    const TransferSpec &spec = links.transfer(uint32_t(i));
    for (Outgoing &out : outgoing_)
      if (spec.source == worker && spec.destination == out.channel->destination)
        bindings_[i].outgoing = &out;
    for (Incoming &in : incoming_)
      if (spec.destination == worker && spec.source == in.channel->source)
        bindings_[i].incoming = &in;
  }
}

std::string SharedMemoryEndpoint::describe(uint32_t transfer) const {
  if (transfer >= bindings_.size())
    return absl::StrCat("transfer ", transfer);
  return absl::StrCat("transfer ", transfer, " (", links_.transfer(transfer).label, ")");
}

absl::Status SharedMemoryEndpoint::bind(uint32_t transfer, std::vector<Part> parts) {
  if (transfer >= bindings_.size() || (!bindings_[transfer].outgoing && !bindings_[transfer].incoming))
    return absl::InvalidArgumentError(
        absl::StrCat(describe(transfer), " neither starts nor ends at worker ", worker_));
  uint64_t bytes = 0;
  for (const Part &part : parts)
    bytes += part.rowBytes;
  if (uint64_t expected = links_.transfer(transfer).bytesPerRow; bytes != expected)
    return absl::InvalidArgumentError(
        absl::StrCat(describe(transfer), " moves ", expected, " bytes per row, its buffers hold ", bytes));
  bindings_[transfer].parts = std::move(parts);
  return absl::OkStatus();
}

absl::StatusOr<SharedMemoryEndpoint::Binding *> SharedMemoryEndpoint::find(uint32_t transfer,
                                                                           const char *verb, bool outgoing) {
  Binding *binding = transfer < bindings_.size() ? &bindings_[transfer] : nullptr;
  if (!binding || binding->parts.empty() || (outgoing ? !binding->outgoing : !binding->incoming))
    return absl::FailedPreconditionError(absl::StrCat("worker ", worker_, " cannot ", verb, " ",
                                                      describe(transfer), ": it is not bound there"));
  return binding;
}

void SharedMemoryEndpoint::releaseConsumed(Outgoing &out) {
  uint32_t consumed = out.channel->state->consumed.load();
  while (uint32_t(out.released) != consumed && out.released != out.sequence)
    out.bytesInFlight -= out.frames[out.released++ & (out.channel->frames - 1)];
  // The usual case is one frame at a time: starting over keeps the same few lines in the caches of both
  // sides.
  if (out.released == out.sequence)
    out.cursor = 0;
}

absl::Status SharedMemoryEndpoint::sleepOn(SharedWaitWord &word, uint32_t seen, const char *purpose,
                                           uint32_t transfer) {
  uint64_t begin = monotonicNanoseconds();
  while (word.waitWhile(seen, spin_, kRecheckNanoseconds) == seen)
    if (abort_.load(std::memory_order_acquire) != 0)
      return absl::CancelledError(absl::StrCat("stopped while waiting ", purpose, " ", describe(transfer)));
  waited_ += monotonicNanoseconds() - begin;
  return absl::OkStatus();
}

absl::Status SharedMemoryEndpoint::waitForSpace(Outgoing &out, uint64_t space, uint32_t transfer) {
  const Channel &channel = *out.channel;
  if (space > channel.payloadBytes)
    return absl::InternalError(absl::StrCat(describe(transfer), " needs ", space,
                                            " bytes of a channel that holds ", channel.payloadBytes));
  while (true) {
    uint32_t consumed = channel.state->consumed.load();
    releaseConsumed(out);
    if (out.sequence - out.released < channel.frames && out.bytesInFlight + space <= channel.payloadBytes)
      return absl::OkStatus();
    LAMINA_RETURN_IF_ERROR(sleepOn(channel.state->consumed, consumed, "for room to send", transfer));
  }
}

absl::Status SharedMemoryEndpoint::copyParts(const Binding &binding, const Channel &channel, uint64_t offset,
                                             int64_t rows, bool toRing) {
  for (const Part &part : binding.parts) {
    std::byte *data = part.data;
    for (uint64_t left = part.rowBytes * uint64_t(rows); left != 0;) {
      uint64_t length = std::min(left, channel.payloadBytes - offset);
      LAMINA_RETURN_IF_ERROR(toRing ? device_.copyToHost(channel.payload + offset, data, length)
                                    : device_.copyFromHost(data, channel.payload + offset, length));
      data += length;
      left -= length;
      offset += length;
      if (offset == channel.payloadBytes)
        offset = 0;
    }
  }
  return absl::OkStatus();
}

absl::Status SharedMemoryEndpoint::send(uint32_t transfer, int64_t rows) {
  LAMINA_ASSIGN_OR_RETURN(Binding * binding, find(transfer, "send", true));
  Outgoing &out = *binding->outgoing;
  const Channel &channel = *out.channel;
  uint64_t bytes = links_.transfer(transfer).bytesPerRow * uint64_t(rows);
  uint64_t space = frameSpace(bytes);
  LAMINA_RETURN_IF_ERROR(waitForSpace(out, space, transfer));
  uint64_t began = monotonicNanoseconds();
  LAMINA_RETURN_IF_ERROR(copyParts(*binding, channel, out.cursor, rows, true));
  uint64_t slot = out.sequence & (channel.frames - 1);
  FrameHeader &frame = channel.headers[slot];
  frame.sequence = ++out.sequence;
  frame.step = step_;
  frame.bytes = bytes;
  frame.offset = out.cursor;
  frame.sent = began;
  frame.transfer = transfer;
  out.frames[slot] = space;
  out.bytesInFlight += space;
  out.cursor = (out.cursor + space) % channel.payloadBytes;
  channel.state->published.add(1);
  links_.counters(transfer).bytesSent.fetch_add(bytes, std::memory_order_relaxed);
  communication_ += monotonicNanoseconds() - began;
  return absl::OkStatus();
}

absl::Status SharedMemoryEndpoint::recv(uint32_t transfer, int64_t rows) {
  LAMINA_ASSIGN_OR_RETURN(Binding * binding, find(transfer, "receive", false));
  if (binding->announced > binding->arrived)
    return absl::FailedPreconditionError(
        absl::StrCat(describe(transfer), " is received twice without a wait"));
  Incoming &in = *binding->incoming;
  binding->rows = rows;
  binding->announced = step_;
  in.posted[in.postedEnd++ % in.posted.size()] = transfer;
  return absl::OkStatus();
}

absl::Status SharedMemoryEndpoint::checkFrame(const Incoming &in, const FrameHeader &frame) const {
  uint32_t expected = in.posted[in.postedBegin % in.posted.size()];
  const Binding &binding = bindings_[expected];
  uint64_t bytes = links_.transfer(expected).bytesPerRow * uint64_t(binding.rows);
  auto differs = [&](const char *what, uint64_t want, uint64_t got) {
    return absl::DataLossError(absl::StrCat("worker ", in.channel->source, " sent an unexpected frame where ",
                                            describe(expected), " was due: expected ", what, " ", want,
                                            ", got ", got));
  };
  if (frame.sequence != in.sequence + 1)
    return differs("sequence number", in.sequence + 1, frame.sequence);
  if (frame.transfer != expected)
    return differs("transfer", expected, frame.transfer);
  if (frame.step != step_)
    return differs("step", step_, frame.step);
  if (frame.bytes != bytes)
    return differs("bytes", bytes, frame.bytes);
  if (frame.offset >= in.channel->payloadBytes || frame.bytes > in.channel->payloadBytes)
    return differs("an offset below", in.channel->payloadBytes, frame.offset);
  return absl::OkStatus();
}

/// `since`: when the caller began to wait for this frame; moved to when it is here.
absl::Status SharedMemoryEndpoint::receiveNext(Incoming &in, uint32_t waitedFor, uint64_t &since) {
  const Channel &channel = *in.channel;
  if (channel.state->published.load() == uint32_t(in.sequence))
    LAMINA_RETURN_IF_ERROR(sleepOn(channel.state->published, uint32_t(in.sequence), "for", waitedFor));
  // A copy: the peer could change the original between the check and the use.
  FrameHeader frame = channel.headers[in.sequence & (channel.frames - 1)];
  LAMINA_RETURN_IF_ERROR(checkFrame(in, frame));
  Binding &binding = bindings_[in.posted[in.postedBegin % in.posted.size()]];
  LAMINA_RETURN_IF_ERROR(copyParts(binding, channel, frame.offset, binding.rows, false));
  binding.arrived = step_;
  ++in.postedBegin;
  ++in.sequence;
  links_.counters(frame.transfer).bytesReceived.fetch_add(frame.bytes, std::memory_order_relaxed);
  channel.state->consumed.add(1);
  uint64_t now = monotonicNanoseconds();
  communication_ += now - std::clamp(frame.sent, since, now);
  since = now;
  return absl::OkStatus();
}

absl::Status SharedMemoryEndpoint::wait(uint32_t transfer) {
  LAMINA_ASSIGN_OR_RETURN(Binding * binding, find(transfer, "wait for", false));
  if (binding->announced != step_)
    return absl::FailedPreconditionError(
        absl::StrCat(describe(transfer), " is waited for before it is received"));
  // Frames arrive in the order of the receives; earlier ones go where they belong on the way.
  uint64_t since = monotonicNanoseconds();
  while (binding->arrived != step_)
    LAMINA_RETURN_IF_ERROR(receiveNext(*binding->incoming, transfer, since));
  return absl::OkStatus();
}

} // namespace lamina
