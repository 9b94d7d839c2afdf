//===- RingEndpoint.cpp - what both forms of a worker's end of the rings share ------------------------===//

#include "runtime/transport/RingEndpoint.h"

#include "absl/strings/str_cat.h"

namespace lamina {

RingEndpoint::RingEndpoint(SharedMemoryLinks &links, uint32_t worker) : links_(links), worker_(worker) {
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

std::string RingEndpoint::describe(uint32_t transfer) const {
  if (transfer >= bindings_.size())
    return absl::StrCat("transfer ", transfer);
  return absl::StrCat("transfer ", transfer, " (", links_.transfer(transfer).label, ")");
}

absl::Status RingEndpoint::bind(uint32_t transfer, std::vector<Part> parts) {
  if (transfer >= bindings_.size() || (!bindings_[transfer].outgoing && !bindings_[transfer].incoming))
    return absl::InvalidArgumentError(
        absl::StrCat(describe(transfer), " neither starts nor ends at worker ", links_.worker(worker_)));
  uint64_t bytes = 0;
  for (const Part &part : parts)
    bytes += part.rowBytes;
  if (uint64_t expected = links_.transfer(transfer).bytesPerRow; bytes != expected)
    return absl::InvalidArgumentError(
        absl::StrCat(describe(transfer), " moves ", expected, " bytes per row, its buffers hold ", bytes));
  bindings_[transfer].parts = std::move(parts);
  return absl::OkStatus();
}

absl::StatusOr<RingEndpoint::Binding *> RingEndpoint::find(uint32_t transfer, const char *verb,
                                                           bool outgoing) {
  Binding *binding = transfer < bindings_.size() ? &bindings_[transfer] : nullptr;
  if (!binding || binding->parts.empty() || (outgoing ? !binding->outgoing : !binding->incoming))
    return absl::FailedPreconditionError(absl::StrCat("worker ", links_.worker(worker_), " cannot ", verb,
                                                      " ", describe(transfer), ": it is not bound there"));
  return binding;
}

absl::StatusOr<RingEndpoint::Binding *> RingEndpoint::findAnnounced(uint32_t transfer) {
  LAMINA_ASSIGN_OR_RETURN(Binding * binding, find(transfer, "wait for", false));
  if (binding->announced != step_)
    return absl::FailedPreconditionError(
        absl::StrCat(describe(transfer), " is waited for before it is received"));
  return binding;
}

absl::Status RingEndpoint::recv(uint32_t transfer, int64_t rows) {
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

absl::Status RingEndpoint::checkSpace(const Outgoing &out, uint64_t space, uint32_t transfer) const {
  if (space > out.channel->payloadBytes)
    return absl::InternalError(absl::StrCat(describe(transfer), " needs ", space,
                                            " bytes of a channel that holds ", out.channel->payloadBytes));
  return absl::OkStatus();
}

void RingEndpoint::writeHeader(Outgoing &out, uint32_t transfer, uint64_t bytes, uint64_t sent) {
  const Channel &channel = *out.channel;
  uint64_t slot = out.sequence & (channel.frames - 1), space = frameSpace(bytes);
  FrameHeader &frame = channel.headers[slot];
  frame.sequence = ++out.sequence;
  frame.step = step_;
  frame.bytes = bytes;
  frame.offset = out.cursor;
  frame.sent = sent;
  frame.transfer = transfer;
  out.frames[slot] = space;
  out.bytesInFlight += space;
  out.cursor = (out.cursor + space) % channel.payloadBytes;
}

absl::Status RingEndpoint::checkFrame(const Incoming &in, uint64_t sequence, uint32_t expected,
                                      const FrameHeader &frame) const {
  const Binding &binding = bindings_[expected];
  uint64_t bytes = messageBytes(expected, binding.rows);
  auto differs = [&](const char *what, uint64_t want, uint64_t got) {
    return absl::DataLossError(absl::StrCat("worker ", links_.worker(in.channel->source),
                                            " sent an unexpected frame where ", describe(expected),
                                            " was due: expected ", what, " ", want, ", got ", got));
  };
  if (frame.sequence != sequence)
    return differs("sequence number", sequence, frame.sequence);
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

} // namespace lamina
