//===- Generator.cpp - continuous batching over a StepRunner ------------------------------------------===//

#include "runtime/generate/Generator.h"

#include "runtime/base/Clock.h"
#include "runtime/base/StrCat.h"
#include "runtime/generate/Batch.h"

#include <algorithm>
#include <utility>

namespace lamina {

Generator::Generator(StepRunner &runner, const Tokenizer *tokenizer, GenerationListener &listener,
                     GeneratorOptions options)
    : runner_(runner), tokenizer_(tokenizer), listener_(listener), options_(options),
      pages_(runner.limits().pages, runner.batch().blockTable, runner.batch().blockTableStride,
             runner.limits().context),
      bound_(runner.limits()), context_(bound_.tokens()) {}

Generator::~Generator() = default;

absl::StatusOr<size_t> Generator::submit(GenerationRequest request) {
  auto length = static_cast<int64_t>(request.promptTokens.size());
  if (length == 0)
    return absl::InvalidArgumentError("the prompt has no tokens; give it some text");
  if (length > context_)
    return absl::OutOfRangeError(strCat("the prompt has ", length, " tokens, ", bound_.text(),
                                        "; shorten the prompt", bound_.advice(length)));
  for (int32_t token : request.promptTokens)
    if (token < 0 || token >= runner_.limits().vocabulary)
      return absl::InvalidArgumentError(strCat("prompt token ", token, " is not in the vocabulary of ",
                                               runner_.limits().vocabulary, " tokens"));
  if (!tokenizer_ && !request.stops.empty())
    return absl::InvalidArgumentError("stop strings need a vocabulary, and this model has none");
  LAMINA_ASSIGN_OR_RETURN(Sampler sampler, Sampler::create(request.sampling));
  auto sequence = std::make_unique<Sequence>(submitted_, std::move(request), std::move(sampler));
  if (tokenizer_)
    sequence->decoder.emplace(*tokenizer_);
  waiting_.push_back(std::move(sequence));
  return submitted_++;
}

//===--------------------------------------------------------------------------------------------------------===//
// Choosing a batch
//===--------------------------------------------------------------------------------------------------------===//

bool Generator::reserve(Sequence &sequence, int64_t tokens) {
  return pages_.reserve(sequence.slot, tokens).ok();
}

void Generator::preemptYoungest() {
  SequencePtr victim = std::move(running_.back());
  running_.pop_back();
  pages_.closeSequence(victim->slot).IgnoreError(); // it is open: its slot came from openSequence
  victim->slot = -1;
  victim->processed = 0;
  waiting_.push_front(std::move(victim));
}

void Generator::addToBatch(Batch &batch, Sequence &sequence, int64_t count) {
  BatchView &view = runner_.batch();
  int64_t end = sequence.processed + count;
  int64_t wanted = sequence.wantedBegin(end);
  batch.entries.push_back({&sequence, count, batch.rows});
  if (wanted < end)
    batch.need(sequence.candidatesNeeded(), runner_.limits().candidates);
  for (int64_t position = sequence.processed; position < end; ++position) {
    auto row = static_cast<size_t>(batch.tokens++);
    view.tokenIds[row] = sequence.tokens[static_cast<size_t>(position)];
    view.positions[row] = static_cast<int32_t>(position);
    view.sequences[row] = sequence.slot;
    if (position >= wanted)
      view.outputRows[static_cast<size_t>(batch.rows++)] = static_cast<int32_t>(row);
  }
}

int64_t Generator::chunkFor(const Batch &batch, const Sequence &sequence) const {
  int64_t count = std::min(sequence.pending(), runner_.limits().batchTokens - batch.tokens);
  if (options_.prefillChunk > 0)
    count = std::min(count, options_.prefillChunk);
  int64_t held = (sequence.processed + LAMINA_KV_PAGE_TOKENS - 1) / LAMINA_KV_PAGE_TOKENS;
  count = std::min(count, (held + pages_.freePages()) * LAMINA_KV_PAGE_TOKENS - sequence.processed);
  // Wanted rows end the chunk, so a chunk that ends earlier wants fewer.
  int64_t rows = sequence.processed + count - sequence.wantedBegin(sequence.processed + count);
  int64_t tooMany = std::max<int64_t>(0, rows - (runner_.limits().outputRows - batch.rows));
  return count - tooMany;
}

/// All requests that generate get their page first, oldest first, so that a request that is made to give its
/// pages back is never in the batch already.
void Generator::scheduleDecodes(Batch &batch) {
  for (size_t i = 0; i < running_.size(); ++i) {
    if (!running_[i]->decoding())
      continue;
    while (i < running_.size() && !reserve(*running_[i], running_[i]->size()))
      preemptYoungest();
  }
  std::vector<Sequence *> decoding;
  for (SequencePtr &sequence : running_)
    if (sequence->decoding())
      decoding.push_back(sequence.get());
  size_t room = static_cast<size_t>(std::min(runner_.limits().batchTokens, runner_.limits().outputRows));
  size_t count = std::min(room, decoding.size());
  size_t first = decoding.size() > room ? rotation_ % decoding.size() : 0;
  for (size_t i = 0; i < count; ++i)
    addToBatch(batch, *decoding[(first + i) % decoding.size()], 1);
  rotation_ = first + count;
}

void Generator::schedulePrefills(Batch &batch) {
  for (SequencePtr &sequence : running_) {
    if (sequence->decoding())
      continue;
    int64_t count = chunkFor(batch, *sequence);
    if (count > 0 && reserve(*sequence, sequence->processed + count))
      addToBatch(batch, *sequence, count);
  }
}

/// Gives the sequence what is kept as far as it is the same, if at all. One token at least is computed, for its
/// logits.
void Generator::takeKept(Sequence &sequence) {
  SequencePtr kept = std::move(kept_);
  auto begin = kept->tokens.begin(), end = begin + kept->processed;
  auto same = std::mismatch(begin, end, sequence.tokens.begin(), sequence.tokens.end() - 1).first - begin;
  if (same == 0 || sequence.request.promptLogits || !pages_.truncate(kept->slot, same).ok()) {
    pages_.closeSequence(kept->slot).IgnoreError(); // it is open
    return;
  }
  sequence.slot = kept->slot;
  sequence.processed = same;
}

void Generator::admit(Batch &batch) {
  if (kept_ && !waiting_.empty())
    takeKept(*waiting_.front());
  while (!waiting_.empty() && (waiting_.front()->slot >= 0 || pages_.freeSequences() > 0)) {
    Sequence &next = *waiting_.front();
    // One more than it has, or the first token that it generates would drive it out again.
    int64_t wholePages = pages_.pagesNeeded(-1, std::min(next.size() + 1, context_));
    if (!running_.empty() && wholePages > pages_.freePages())
      return;
    int64_t count = chunkFor(batch, next);
    if (count <= 0)
      return;
    if (next.slot < 0) {
      absl::StatusOr<int> slot = pages_.openSequence();
      if (!slot.ok())
        return;
      next.slot = *slot;
    }
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
    if (reserve(next, next.processed + count))
      addToBatch(batch, next, count);
  }
}

absl::Status Generator::step() {
  if (idle())
    return absl::OkStatus();
  Batch batch;
  scheduleDecodes(batch);
  schedulePrefills(batch);
  // Prompts that wait for each other's pages: the youngest steps back until the oldest can go on.
  while (batch.entries.empty() && running_.size() > 1) {
    preemptYoungest();
    schedulePrefills(batch);
  }
  admit(batch);
  if (batch.entries.empty())
    return absl::InternalError("no request can run although a slot and all pages are free");
  LaminaStep step = {.tokens = batch.tokens,
                     .outputRows = batch.rows,
                     .sequences = static_cast<int64_t>(batch.entries.size()),
                     .blockTableStride = runner_.batch().blockTableStride,
                     .candidates = batch.candidatesAsked()};
  batch.began = monotonicNanoseconds();
  LAMINA_RETURN_IF_ERROR(runner_.step(step));
  for (const Batch::Entry &entry : batch.entries)
    LAMINA_RETURN_IF_ERROR(collect(*entry.sequence, entry.count, entry.firstRow, batch));
  dropFinished();
  return absl::OkStatus();
}

absl::Status Generator::run() {
  while (!idle())
    LAMINA_RETURN_IF_ERROR(step());
  return absl::OkStatus();
}

} // namespace lamina
