//===- Generator.h - continuous batching over a StepRunner ----------------------------------*- C++ -*-===//
//
// Requests come in at any time; each step() runs one ragged batch made of one token of every request that is
// generating and, in what room is left, chunks of prompts. A request waits while there is no slot or no page
// for it. When the cache runs full, the youngest request gives its pages back and is rebuilt from its tokens
// later. None of this shows in a request's tokens: they depend on the request alone.
//
// Used by one thread.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_GENERATE_GENERATOR_H
#define LAMINA_RUNTIME_GENERATE_GENERATOR_H

#include "runtime/generate/ContextBound.h"
#include "runtime/generate/Request.h"
#include "runtime/generate/StepRunner.h"
#include "runtime/kvcache/PageAllocator.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <deque>
#include <memory>
#include <vector>

namespace lamina {

struct GeneratorOptions {
  /// Prompt tokens that one request may put into one step; 0: as many as a step holds.
  int64_t prefillChunk = 0;
};

class Generator {
public:
  /// `runner`, `tokenizer` and `listener` must outlive the generator. Without a tokenizer (null) results have
  /// no text and nothing but maxTokens ends a request.
  Generator(StepRunner &runner, const Tokenizer *tokenizer, GenerationListener &listener,
            GeneratorOptions options = {});
  ~Generator();
  Generator(const Generator &) = delete;
  Generator &operator=(const Generator &) = delete;

  /// Adds a request and returns its number. InvalidArgument for an empty prompt, ids outside the vocabulary,
  /// sampling options that make no sense, stop strings without a tokenizer; OutOfRange for a prompt beyond
  /// the context.
  absl::StatusOr<size_t> submit(GenerationRequest request);

  /// Whether every request has finished.
  bool idle() const { return waiting_.empty() && running_.empty(); }

  /// Runs one batch. An error is final for the generator; it comes from the runner, a sampler or the
  /// listener.
  absl::Status step();

  /// step() until idle.
  absl::Status run();

  /// Finishes every request as it is.
  void interrupt();

private:
  struct Sequence;
  struct Batch;
  using SequencePtr = std::unique_ptr<Sequence>;

  void scheduleDecodes(Batch &batch);
  void schedulePrefills(Batch &batch);
  void admit(Batch &batch);
  void takeKept(Sequence &sequence);
  bool reserve(Sequence &sequence, int64_t tokens);
  void preemptYoungest();
  void addToBatch(Batch &batch, Sequence &sequence, int64_t count);
  int64_t chunkFor(const Batch &batch, const Sequence &sequence) const;
  absl::Status collect(Sequence &sequence, int64_t count, int64_t firstRow, const Batch &batch);
  absl::StatusOr<int32_t> sample(Sequence &sequence, int64_t row, const Batch &batch);
  absl::Status takeToken(Sequence &sequence, int32_t token);
  void finish(Sequence &sequence, FinishReason reason);
  void dropFinished();

  StepRunner &runner_;
  const Tokenizer *tokenizer_;
  GenerationListener &listener_;
  const GeneratorOptions options_;
  PageAllocator pages_;
  const ContextBound bound_;
  const int64_t context_;
  size_t submitted_ = 0;
  size_t rotation_ = 0;              ///< which request decodes first when a step cannot hold all
  std::deque<SequencePtr> waiting_;  ///< without a slot, in the order in which they get one
  std::vector<SequencePtr> running_; ///< with a slot, oldest first
  SequencePtr kept_;                 ///< has finished and has a slot; then nothing is running
};

} // namespace lamina

#endif // LAMINA_RUNTIME_GENERATE_GENERATOR_H
