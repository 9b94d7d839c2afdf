//===- BatchSegment.cpp - what the front end and all workers share of a batch -------------------------===//

#include "runtime/executor/BatchSegment.h"

#include "runtime/executor/PlanCheck.h"
#include "runtime/io/ArtifactFormat.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <vector>

namespace lamina {
namespace {

/// Fields on their own lines of the caches, and pages of their own for the logits, which another process
/// writes.
constexpr uint64_t kFieldAlignment = LAMINA_BUFFER_ALIGNMENT;
constexpr uint64_t kPageBytes = 4096;

uint64_t alignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

absl::Status outOfRange(const char *what, int64_t row, int64_t value, int64_t limit) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, " ", value, " of row ", row, " of the batch is outside 0 to ", limit - 1));
}

/// Attention reads every position of a sequence up to its newest, so all of their pages must exist. `tokens`
/// is the length of each sequence slot after the step, 0 if the step does not touch it.
absl::Status checkPages(const plan::Limits &limits, const BatchView &batch,
                        const std::vector<int64_t> &tokens) {
  for (size_t sequence = 0; sequence < tokens.size(); ++sequence)
    for (int64_t first = 0; first < tokens[sequence]; first += LAMINA_KV_PAGE_TOKENS) {
      int64_t entry = int64_t(sequence) * batch.blockTableStride + first / LAMINA_KV_PAGE_TOKENS;
      if (int64_t page = batch.blockTable[size_t(entry)]; page < 0 || page >= limits.kv_pages())
        return absl::InvalidArgumentError(absl::StrCat("cache page ", page, " of position ", first,
                                                       " of sequence slot ", sequence, " is outside 0 to ",
                                                       int64_t(limits.kv_pages()) - 1));
    }
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<BatchSegment> BatchSegment::create(const plan::Plan &plan) {
  BatchSegment batch;
  uint64_t bytes = 0;
  for (int field = 0; field < plan::BatchField_ARRAYSIZE; ++field) {
    batch.fieldOffsets_[size_t(field)] = bytes;
    bytes = alignUp(bytes + 4 * batchFieldEntries(plan.limits(), plan::BatchField(field)), kFieldAlignment);
  }
  auto add = [&](int worker, int buffer) {
    uint64_t offset = alignUp(bytes, kPageBytes);
    batch.hostOffsets_[{uint32_t(worker), uint32_t(buffer)}] = offset;
    bytes = offset + plan.workers(worker).buffers(buffer).bytes();
    return offset;
  };
  for (int w = 0; w < plan.workers_size() && !isFunction(plan); ++w)
    for (int b = 0; b < plan.workers(w).buffers_size(); ++b)
      if (Rows *rows = batch.rowsOf(plan.workers(w).buffers(b).name()))
        *rows = {add(w, b), plan.workers(w).buffers(b).row_bytes()};
  for (const auto *ports : {&plan.inputs(), &plan.outputs()})
    for (const plan::Port &port : *ports)
      add(int(port.worker()), int(port.buffer()));
  LAMINA_ASSIGN_OR_RETURN(batch.segment_, SharedSegment::create(bytes, "the batch and its logits"));
  return batch;
}

BatchSegment::Rows *BatchSegment::rowsOf(const std::string &buffer) {
  if (buffer == kLogitsBuffer)
    return &logits_;
  if (buffer == kCandidateLogitsBuffer)
    return &candidateLogits_;
  return buffer == kCandidateIdsBuffer ? &candidateIds_ : nullptr;
}

std::optional<uint64_t> BatchSegment::hostOffset(uint32_t worker, uint32_t buffer) const {
  auto found = hostOffsets_.find({worker, buffer});
  return found == hostOffsets_.end() ? std::nullopt : std::optional(found->second);
}

std::span<std::byte> BatchSegment::port(const plan::Plan &plan, const plan::Port &port) const {
  return {data() + *hostOffset(port.worker(), port.buffer()),
          plan.workers(int(port.worker())).buffers(int(port.buffer())).bytes()};
}

BatchView BatchSegment::view(const plan::Limits &limits) const {
  auto span = [&](plan::BatchField field) {
    return std::span<int32_t>(reinterpret_cast<int32_t *>(data() + fieldOffsets_[size_t(field)]),
                              batchFieldEntries(limits, field));
  };
  return {span(plan::TOKEN_IDS),          span(plan::POSITIONS),   span(plan::SEQUENCES),
          span(plan::OUTPUT_ROW_INDICES), span(plan::BLOCK_TABLE), blockTableStride(limits)};
}

absl::Status checkBatch(const plan::Plan &plan, const BatchView &batch, const LaminaStep &step) {
  if (isFunction(plan))
    return absl::OkStatus();
  const plan::Limits &limits = plan.limits();
  if (step.tokens < 1 || step.tokens > limits.max_batch_tokens())
    return absl::InvalidArgumentError(
        absl::StrCat("a step has 1 to ", limits.max_batch_tokens(), " tokens, got ", step.tokens));
  if (step.outputRows < 0 || step.outputRows > limits.max_output_rows())
    return absl::InvalidArgumentError(
        absl::StrCat("a step has 0 to ", limits.max_output_rows(), " output rows, got ", step.outputRows));
  if (step.sequences < 1 || step.sequences > limits.max_sequences())
    return absl::InvalidArgumentError(
        absl::StrCat("a step has 1 to ", limits.max_sequences(), " sequences, got ", step.sequences));
  if (step.candidates < 0 || step.candidates > candidatesOf(plan))
    return absl::InvalidArgumentError(
        absl::StrCat("a step asks for 0 to ", candidatesOf(plan), " candidates, got ", step.candidates));
  if (step.blockTableStride != batch.blockTableStride)
    return absl::InvalidArgumentError(absl::StrCat("the block table has ", batch.blockTableStride,
                                                   " entries per sequence, the step says ",
                                                   step.blockTableStride));
  bool hasCache = false;
  for (const plan::Worker &worker : plan.workers())
    hasCache |= worker.caches_size() != 0;
  std::vector<int64_t> lengths(limits.max_sequences());
  for (int64_t row = 0; row < step.tokens; ++row) {
    int64_t token = batch.tokenIds[size_t(row)];
    int64_t position = batch.positions[size_t(row)];
    int64_t sequence = batch.sequences[size_t(row)];
    if (token < 0 || token >= plan.model().vocab_size())
      return outOfRange("token id", row, token, plan.model().vocab_size());
    if (position < 0 || position >= limits.max_context())
      return outOfRange("position", row, position, limits.max_context());
    if (sequence < 0 || sequence >= limits.max_sequences())
      return outOfRange("sequence slot", row, sequence, limits.max_sequences());
    lengths[size_t(sequence)] = std::max(lengths[size_t(sequence)], position + 1);
  }
  if (hasCache)
    LAMINA_RETURN_IF_ERROR(checkPages(limits, batch, lengths));
  for (int64_t row = 0; row < step.outputRows; ++row)
    if (int64_t index = batch.outputRows[size_t(row)]; index < 0 || index >= step.tokens)
      return absl::InvalidArgumentError(
          absl::StrCat("output row ", row, " asks for row ", index, " of a batch of ", step.tokens));
  return absl::OkStatus();
}

} // namespace lamina
