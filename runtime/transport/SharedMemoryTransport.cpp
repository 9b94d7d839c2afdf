//===- SharedMemoryTransport.cpp - transfers through rings in shared memory ---------------------------===//

#include "runtime/transport/SharedMemoryTransport.h"

#include "runtime/transport/HostEndpoint.h"
#include "runtime/transport/QueuedEndpoint.h"

#include "absl/strings/str_cat.h"

#include <bit>

namespace lamina {
namespace {

constexpr uint64_t kMaxSegmentBytes = uint64_t(1) << 46;
constexpr uint32_t kMaxFrames = 1u << 24;
constexpr uint64_t kPageBytes = 4096; // channels are registered with GPUs page by page

uint64_t alignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

} // namespace

absl::StatusOr<std::unique_ptr<SharedMemoryLinks>>
SharedMemoryLinks::create(std::vector<std::string> workers, std::vector<TransferSpec> transfers,
                          const std::vector<ChannelSpec> &channels) {
  std::unique_ptr<SharedMemoryLinks> links(new SharedMemoryLinks);
  uint64_t bytes = alignUp(transfers.size() * sizeof(TransferCounters), kPageBytes);
  std::vector<uint64_t> starts;
  for (const ChannelSpec &spec : channels) {
    if (spec.source >= workers.size() || spec.destination >= workers.size())
      return absl::InvalidArgumentError(absl::StrCat("a channel goes from worker ", spec.source,
                                                     " to worker ", spec.destination, " of ",
                                                     workers.size()));
    if (spec.frames == 0 || spec.frames > kMaxFrames || spec.payloadBytes > kMaxSegmentBytes)
      return absl::InvalidArgumentError(absl::StrCat("the channel from worker ", workers[spec.source],
                                                     " to worker ", workers[spec.destination], " would hold ",
                                                     spec.frames, " frames and ", spec.payloadBytes,
                                                     " bytes, which no machine can share"));
    Channel channel{};
    channel.source = spec.source;
    channel.destination = spec.destination;
    channel.queued = spec.queued;
    channel.direct = spec.direct;
    channel.frames = std::bit_ceil(spec.frames);
    channel.payloadBytes = alignUp(std::max(spec.payloadBytes, kFrameAlignment), kFrameAlignment);
    channel.bytes = alignUp(
        sizeof(ChannelState) + channel.frames * sizeof(FrameHeader) + channel.payloadBytes, kPageBytes);
    starts.push_back(bytes);
    bytes += channel.bytes;
    links->channels_.push_back(channel);
    if (bytes > kMaxSegmentBytes)
      return absl::InvalidArgumentError("the channels between workers are larger than any machine can share");
  }
  LAMINA_ASSIGN_OR_RETURN(links->segment_, SharedSegment::create(bytes, "the channels between workers"));
  // Zeroed memory is what every structure here starts as.
  std::byte *base = links->segment_.data();
  links->counters_ = reinterpret_cast<TransferCounters *>(base);
  for (size_t i = 0; i < starts.size(); ++i) {
    Channel &channel = links->channels_[i];
    channel.state = reinterpret_cast<ChannelState *>(base + starts[i]);
    channel.headers = reinterpret_cast<FrameHeader *>(channel.state + 1);
    channel.payload = reinterpret_cast<std::byte *>(channel.headers + channel.frames);
  }
  for (const TransferSpec &transfer : transfers) {
    bool found = false;
    for (const Channel &channel : links->channels_)
      found |= channel.source == transfer.source && channel.destination == transfer.destination;
    if (!found)
      return absl::InvalidArgumentError(absl::StrCat("transfer ", transfer.label,
                                                     " has no channel from worker ", transfer.source,
                                                     " to worker ", transfer.destination));
  }
  links->workers_ = std::move(workers);
  links->transfers_ = std::move(transfers);
  return links;
}

absl::Status SharedMemoryLinks::mapChannels(uint32_t worker, Device &device) const {
  for (const Channel &channel : channels_)
    if (channel.source == worker || channel.destination == worker)
      LAMINA_RETURN_IF_ERROR(
          device.mapHost(reinterpret_cast<std::byte *>(channel.state), channel.bytes).status());
  return absl::OkStatus();
}

std::unique_ptr<Transport> SharedMemoryLinks::endpoint(uint32_t worker, Device &device,
                                                       const std::atomic<uint32_t> &abort,
                                                       uint64_t spinNanoseconds, LocalEndpoints *local) {
  if (device.queue() != nullptr)
    return std::make_unique<QueuedEndpoint>(*this, worker, device, abort, spinNanoseconds);
  return std::make_unique<HostEndpoint>(*this, worker, device, abort, spinNanoseconds, local);
}

void SharedMemoryLinks::wakeAll() {
  for (const Channel &channel : channels_) {
    channel.state->published.wakeAll();
    channel.state->consumed.wakeAll();
  }
}

} // namespace lamina
