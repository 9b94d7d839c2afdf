//===- ChannelSizing.cpp - the channels that a plan's transfers need ----------------------------------===//

#include "runtime/executor/ChannelSizing.h"

#include "runtime/executor/PlanCheck.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <deque>

namespace lamina {
namespace {

using Instruction = plan::Instruction;

/// One channel in the simulation. Bytes are payload space at the limits: smaller steps need less of it
/// everywhere, and a network of bounded queues that completes keeps completing when its messages shrink.
struct Channel {
  ChannelSpec spec;
  std::vector<uint32_t> sent;     // transfers in the order of the source's program
  std::vector<uint32_t> received; // transfers in the order of the destination's program
  std::deque<uint32_t> inFlight;
  uint64_t bytesInFlight = 0;
  uint64_t largest = 0;
};

class Simulation {
public:
  explicit Simulation(const plan::Plan &plan) : plan_(plan) {}

  absl::StatusOr<std::vector<ChannelSpec>> run() {
    LAMINA_RETURN_IF_ERROR(makeChannels());
    LAMINA_RETURN_IF_ERROR(matchInstructions());
    LAMINA_RETURN_IF_ERROR(simulate());
    std::vector<ChannelSpec> specs;
    for (Channel &channel : channels_) {
      // Twice the largest frame lets the source fill the next one while the destination copies.
      channel.spec.payloadBytes = std::max(channel.spec.payloadBytes, 2 * channel.largest);
      channel.spec.frames = std::max(channel.spec.frames, 2u);
      channel.spec.queued = onCuda(channel.spec.source) || onCuda(channel.spec.destination);
      channel.spec.direct = onCuda(channel.spec.source) && onCuda(channel.spec.destination);
      if (channel.spec.queued)
        channel.spec.frames = std::max(channel.spec.frames, 2 * uint32_t(channel.sent.size()));
      specs.push_back(channel.spec);
    }
    return specs;
  }

private:
  std::string describe(uint32_t transfer) const {
    return absl::StrCat("transfer ", transfer, " (", plan_.transfers(int(transfer)).label(), ")");
  }
  bool onCuda(uint32_t worker) const {
    return plan_.classes(int(plan_.workers(int(worker)).device_class())).device() == "cuda";
  }
  uint64_t space(uint32_t index) const {
    const plan::Transfer &transfer = plan_.transfers(int(index));
    uint64_t bytes = transfer.bytes_per_row() * maxRows(plan_.limits(), transfer.extent());
    return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
  }
  Channel &channelOf(uint32_t transfer) { return channels_[channelIndex_[transfer]]; }

  absl::Status makeChannels() {
    for (uint32_t i = 0; i < uint32_t(plan_.transfers_size()); ++i) {
      const plan::Transfer &transfer = plan_.transfers(int(i));
      auto channel = std::find_if(channels_.begin(), channels_.end(), [&](const Channel &candidate) {
        return candidate.spec.source == transfer.source() &&
               candidate.spec.destination == transfer.destination();
      });
      if (channel == channels_.end()) {
        channel = channels_.insert(channel, Channel{});
        channel->spec.source = transfer.source();
        channel->spec.destination = transfer.destination();
      }
      channel->largest = std::max(channel->largest, space(i));
      channelIndex_.push_back(size_t(channel - channels_.begin()));
    }
    return absl::OkStatus();
  }

  /// Every transfer once in each role and at the right worker; both ends of a channel in the same order.
  absl::Status matchInstructions() {
    std::vector<int> sends(channelIndex_.size()), recvs(sends), waits(sends);
    for (uint32_t w = 0; w < uint32_t(plan_.workers_size()); ++w) {
      for (const Instruction &instruction : plan_.workers(int(w)).program()) {
        auto wrongWorker = [&](uint32_t transfer, const char *verb) {
          return absl::InvalidArgumentError(absl::StrCat("worker ", plan_.workers(int(w)).name(), " may not ",
                                                         verb, " ", describe(transfer)));
        };
        if (instruction.has_send()) {
          uint32_t transfer = instruction.send().transfer();
          if (plan_.transfers(int(transfer)).source() != w)
            return wrongWorker(transfer, "send");
          ++sends[transfer];
          channelOf(transfer).sent.push_back(transfer);
        } else if (instruction.has_recv()) {
          uint32_t transfer = instruction.recv().transfer();
          if (plan_.transfers(int(transfer)).destination() != w)
            return wrongWorker(transfer, "receive");
          ++recvs[transfer];
          channelOf(transfer).received.push_back(transfer);
        } else if (instruction.has_wait()) {
          uint32_t transfer = instruction.wait().transfer();
          if (plan_.transfers(int(transfer)).destination() != w)
            return wrongWorker(transfer, "wait for");
          if (recvs[transfer] == 0)
            return absl::InvalidArgumentError(
                absl::StrCat(describe(transfer), " is waited for before it is received"));
          ++waits[transfer];
        }
      }
    }
    for (uint32_t i = 0; i < uint32_t(sends.size()); ++i)
      if (sends[i] != 1 || recvs[i] != 1 || waits[i] != 1)
        return absl::InvalidArgumentError(
            absl::StrCat(describe(i), " must be sent, received and waited for once, but is ", sends[i], ", ",
                         recvs[i], " and ", waits[i], " times"));
    for (const Channel &channel : channels_)
      for (size_t i = 0; i < channel.sent.size(); ++i)
        if (channel.sent[i] != channel.received[i])
          return absl::InvalidArgumentError(absl::StrCat(
              "worker ", plan_.workers(int(channel.spec.source)).name(), " sends ", describe(channel.sent[i]),
              " where worker ", plan_.workers(int(channel.spec.destination)).name(), " receives ",
              describe(channel.received[i])));
    return absl::OkStatus();
  }

  /// Each worker does one instruction per turn. Any schedule that completes bounds the queues, and bounded
  /// queues of that size then complete under every schedule.
  absl::Status simulate() {
    std::vector<int> next(size_t(plan_.workers_size()), 0);
    sent_.assign(channelIndex_.size(), false);
    arrived_.assign(channelIndex_.size(), false);
    for (bool progress = true; progress;) {
      progress = false;
      for (int w = 0; w < plan_.workers_size(); ++w) {
        const plan::Worker &worker = plan_.workers(w);
        if (next[size_t(w)] < worker.program_size() && execute(worker.program(next[size_t(w)]))) {
          ++next[size_t(w)];
          progress = true;
        }
      }
    }
    for (int w = 0; w < plan_.workers_size(); ++w)
      if (const plan::Worker &worker = plan_.workers(w); next[size_t(w)] < worker.program_size())
        return absl::InvalidArgumentError(
            absl::StrCat("the workers wait for each other in a circle: ", worker.name(),
                         " waits forever for ", describe(worker.program(next[size_t(w)]).wait().transfer())));
    return absl::OkStatus();
  }

  /// False if the instruction has to wait.
  bool execute(const Instruction &instruction) {
    if (instruction.has_send()) {
      uint32_t transfer = instruction.send().transfer();
      Channel &channel = channelOf(transfer);
      channel.inFlight.push_back(transfer);
      channel.bytesInFlight += space(transfer);
      channel.spec.frames = std::max(channel.spec.frames, uint32_t(channel.inFlight.size()));
      channel.spec.payloadBytes = std::max(channel.spec.payloadBytes, channel.bytesInFlight);
      sent_[transfer] = true;
    } else if (instruction.has_wait()) {
      uint32_t transfer = instruction.wait().transfer();
      if (!sent_[transfer])
        return false;
      Channel &channel = channelOf(transfer);
      while (!arrived_[transfer]) {
        arrived_[channel.inFlight.front()] = true;
        channel.bytesInFlight -= space(channel.inFlight.front());
        channel.inFlight.pop_front();
      }
    }
    return true;
  }

  const plan::Plan &plan_;
  std::vector<Channel> channels_;
  std::vector<size_t> channelIndex_; // by transfer
  std::vector<bool> sent_;
  std::vector<bool> arrived_;
};

} // namespace

absl::StatusOr<std::vector<ChannelSpec>> sizeChannels(const plan::Plan &plan) {
  return Simulation(plan).run();
}

} // namespace lamina
