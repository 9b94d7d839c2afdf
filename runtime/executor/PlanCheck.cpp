//===- PlanCheck.cpp - whether a plan may be executed -------------------------------------------------===//

#include "runtime/executor/PlanCheck.h"

#include "runtime/base/StrCat.h"
#include "runtime/device/KernelABI.h"
#include "runtime/executor/ChannelSizing.h"
#include "runtime/executor/WorkerCheck.h"
#include "runtime/io/ArtifactFormat.h"
#include "runtime/io/NpyFile.h"

#include <algorithm>
#include <set>
#include <vector>

namespace lamina {
namespace {

// No machine has more; below it no product of two counts overflows where it is formed.
constexpr uint64_t kMaxCount = (uint64_t(1) << 31) - 1;
constexpr int kMaxWorkers = 1024;

absl::Status checkLimits(const plan::Limits &limits) {
  const std::pair<const char *, uint64_t> counts[] = {
      {"max_batch_tokens", limits.max_batch_tokens()},
      {"max_output_rows", limits.max_output_rows()},
      {"max_sequences", limits.max_sequences()},
      {"max_context", limits.max_context()},
      {"kv_pages", limits.kv_pages()},
  };
  for (auto [name, count] : counts)
    if (count == 0 || count > kMaxCount)
      return brokenPlan("limit ", name, " is ", count, ", expected 1 to ", kMaxCount);
  if (limits.kv_page_tokens() != LAMINA_KV_PAGE_TOKENS)
    return brokenPlan("limit kv_page_tokens is ", limits.kv_page_tokens(), ", this runtime has ",
                      int(LAMINA_KV_PAGE_TOKENS));
  return absl::OkStatus();
}

/// Checks one transfer against the buffers at both ends.
absl::Status checkTransfer(const plan::Plan &plan, int index) {
  const plan::Transfer &transfer = plan.transfers(index);
  auto error = [&](const auto &...args) {
    return brokenPlan("transfer ", index, " (", transfer.label(), ") ", args...);
  };
  uint32_t workers = uint32_t(plan.workers_size());
  if (transfer.source() >= workers || transfer.destination() >= workers)
    return error("goes from worker ", transfer.source(), " to worker ", transfer.destination(), " of ",
                 workers);
  if (transfer.source() == transfer.destination())
    return error("starts and ends at worker ", transfer.source());
  if (!plan::Extent_IsValid(transfer.extent()))
    return error("has the unknown extent ", int(transfer.extent()));
  if (transfer.source_buffers_size() == 0 ||
      transfer.source_buffers_size() != transfer.destination_buffers_size())
    return error("moves ", transfer.source_buffers_size(), " buffers into ",
                 transfer.destination_buffers_size());
  const plan::Worker &source = plan.workers(int(transfer.source()));
  const plan::Worker &destination = plan.workers(int(transfer.destination()));
  uint64_t rowBytes = 0;
  for (int i = 0; i < transfer.source_buffers_size(); ++i) {
    uint32_t from = transfer.source_buffers(i), to = transfer.destination_buffers(i);
    if (from >= uint32_t(source.buffers_size()) || to >= uint32_t(destination.buffers_size()))
      return error("moves buffer ", from, " of ", source.buffers_size(), " into buffer ", to, " of ",
                   destination.buffers_size());
    const plan::Buffer &sourceBuffer = source.buffers(int(from));
    const plan::Buffer &destinationBuffer = destination.buffers(int(to));
    for (const plan::Buffer *buffer : {&sourceBuffer, &destinationBuffer}) {
      if (buffer->kind() != plan::Buffer::ARENA || buffer->row_bytes() == 0)
        return error("moves buffer ", buffer->name(), ", which is not an activation");
      if (buffer->extent() != transfer.extent())
        return error("moves buffer ", buffer->name(), " of another extent");
    }
    if (sourceBuffer.row_bytes() != destinationBuffer.row_bytes())
      return error("moves rows of ", sourceBuffer.row_bytes(), " bytes into rows of ",
                   destinationBuffer.row_bytes());
    rowBytes += sourceBuffer.row_bytes();
  }
  if (rowBytes != transfer.bytes_per_row())
    return error("has ", transfer.bytes_per_row(), " bytes per row, its buffers have ", rowBytes);
  return absl::OkStatus();
}

/// Exactly one buffer of one worker takes the logits, with room for every row and column.
absl::Status checkLogits(const plan::Plan &plan) {
  int found = 0;
  for (const plan::Worker &worker : plan.workers())
    for (const plan::Buffer &buffer : worker.buffers()) {
      if (buffer.name() != kLogitsBuffer)
        continue;
      ++found;
      if (buffer.kind() != plan::Buffer::ARENA || buffer.extent() != plan::OUTPUT_ROWS)
        return brokenPlan("the logits of worker ", worker.name(),
                          " are not an activation with one row per output");
      if (buffer.row_bytes() % 4 != 0 || buffer.row_bytes() / 4 < plan.model().vocab_size())
        return brokenPlan("the logits of worker ", worker.name(), " have rows of ", buffer.row_bytes(),
                          " bytes for ", plan.model().vocab_size(), " tokens");
    }
  if (found != 1)
    return brokenPlan("expected one buffer named ", kLogitsBuffer, ", got ", found);
  return absl::OkStatus();
}

/// Both or neither, beside the logits, with as many rows that are no longer.
absl::Status checkCandidates(const plan::Plan &plan) {
  std::vector<uint64_t> rowBytes[2];
  for (const plan::Worker &worker : plan.workers()) {
    auto isLogits = [](const plan::Buffer &buffer) { return buffer.name() == kLogitsBuffer; };
    bool hasLogits = std::any_of(worker.buffers().begin(), worker.buffers().end(), isLogits);
    for (const plan::Buffer &buffer : worker.buffers()) {
      bool isIds = buffer.name() == kCandidateIdsBuffer;
      if (!isIds && buffer.name() != kCandidateLogitsBuffer)
        continue;
      if (!hasLogits || buffer.kind() != plan::Buffer::ARENA || buffer.extent() != plan::OUTPUT_ROWS ||
          buffer.row_bytes() / 4 > plan.model().vocab_size())
        return brokenPlan("the candidates of worker ", worker.name(), " (", buffer.name(),
                          ") are not an activation beside the logits with one row per output");
      rowBytes[isIds].push_back(buffer.row_bytes());
    }
  }
  if (rowBytes[0] != rowBytes[1] || rowBytes[0].size() > 1)
    return brokenPlan("expected one buffer named ", kCandidateLogitsBuffer,
                      " and one of the same size named ", kCandidateIdsBuffer, ", or neither");
  return absl::OkStatus();
}

/// Inputs or outputs: each is all of a buffer of its own, and has a name of its own.
absl::Status checkPorts(const plan::Plan &plan, const google::protobuf::RepeatedPtrField<plan::Port> &ports,
                        const char *kind, std::set<std::pair<uint32_t, uint32_t>> &taken) {
  std::set<std::string> names;
  for (const plan::Port &port : ports) {
    auto error = [&](const auto &...args) {
      return brokenPlan(kind, " ", quoteName(port.name()), " ", args...);
    };
    if (port.worker() >= uint32_t(plan.workers_size()) ||
        port.buffer() >= uint32_t(plan.workers(int(port.worker())).buffers_size()))
      return error("is buffer ", port.buffer(), " of worker ", port.worker(), ", which there is not");
    const plan::Buffer &buffer = plan.workers(int(port.worker())).buffers(int(port.buffer()));
    uint64_t bytes = npyElementBytes(npyDescr(port.element_type()));
    if (bytes == 0)
      return error("has elements of type ", quoteName(port.element_type()),
                   ", which this runtime does not know");
    for (uint64_t size : port.shape())
      if (__builtin_mul_overflow(bytes, size, &bytes))
        return error("has a shape that fits no machine");
    if (buffer.kind() != plan::Buffer::ARENA || buffer.extent() != plan::FIXED || buffer.bytes() != bytes)
      return error("takes ", bytes, " bytes, its buffer is no activation of fixed size and as many");
    if (!names.insert(port.name()).second)
      return error("is there twice");
    if (!taken.insert({port.worker(), port.buffer()}).second)
      return error("shares its buffer with another input or output");
  }
  return absl::OkStatus();
}

/// What a function takes and gives.
absl::Status checkFunction(const plan::Plan &plan) {
  std::set<std::pair<uint32_t, uint32_t>> taken;
  LAMINA_RETURN_IF_ERROR(checkPorts(plan, plan.inputs(), "input", taken));
  return checkPorts(plan, plan.outputs(), "output", taken);
}

} // namespace

uint64_t maxRows(const plan::Limits &limits, plan::Extent extent) {
  switch (extent) {
  case plan::TOKENS:
    return limits.max_batch_tokens();
  case plan::OUTPUT_ROWS:
    return limits.max_output_rows();
  default:
    return 1;
  }
}

int64_t candidatesOf(const plan::Plan &plan) {
  for (const plan::Worker &worker : plan.workers())
    for (const plan::Buffer &buffer : worker.buffers())
      if (!isFunction(plan) && buffer.name() == kCandidateIdsBuffer)
        return int64_t(buffer.row_bytes() / 4);
  return 0;
}

int64_t blockTableStride(const plan::Limits &limits) {
  return (int64_t(limits.max_context()) + LAMINA_KV_PAGE_TOKENS - 1) / LAMINA_KV_PAGE_TOKENS;
}

uint64_t batchFieldEntries(const plan::Limits &limits, plan::BatchField field) {
  switch (field) {
  case plan::OUTPUT_ROW_INDICES:
    return limits.max_output_rows();
  case plan::BLOCK_TABLE:
    return uint64_t(limits.max_sequences()) * uint64_t(blockTableStride(limits));
  default:
    return limits.max_batch_tokens();
  }
}

absl::Status checkPlan(const plan::Plan &plan) {
  LAMINA_RETURN_IF_ERROR(checkLimits(plan.limits()));
  if (plan.inputs_size() != 0 && !isFunction(plan))
    return brokenPlan(plan.inputs_size(), " inputs and no outputs");
  if (!isFunction(plan) && (plan.model().vocab_size() == 0 || plan.model().vocab_size() > kMaxCount))
    return brokenPlan("a vocabulary of ", plan.model().vocab_size(), " tokens");
  if (plan.workers_size() == 0 || plan.workers_size() > kMaxWorkers)
    return brokenPlan(plan.workers_size(), " workers, expected 1 to ", kMaxWorkers);
  std::set<std::string> names;
  for (const plan::Worker &worker : plan.workers()) {
    LAMINA_RETURN_IF_ERROR(checkWorker(plan, worker));
    if (!names.insert(worker.name()).second)
      return brokenPlan("two workers are named ", worker.name());
  }
  LAMINA_RETURN_IF_ERROR(isFunction(plan) ? checkFunction(plan) : checkLogits(plan));
  if (!isFunction(plan))
    LAMINA_RETURN_IF_ERROR(checkCandidates(plan));
  for (int i = 0; i < plan.transfers_size(); ++i)
    LAMINA_RETURN_IF_ERROR(checkTransfer(plan, i));
  return sizeChannels(plan).status();
}

} // namespace lamina
