//===- GeneratorResults.cpp - what becomes of a step --------------------------------------------------===//

#include "runtime/base/Clock.h"
#include "runtime/base/StrCat.h"
#include "runtime/generate/Batch.h"

#include <algorithm>

namespace lamina {
namespace {

double milliseconds(uint64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-6; }

} // namespace

std::string_view finishReasonName(FinishReason reason) {
  switch (reason) {
  case FinishReason::Length:
    return "length";
  case FinishReason::Stop:
    return "stop";
  case FinishReason::Interrupted:
    return "interrupted";
  }
  return "";
}

absl::Status Generator::collect(Sequence &sequence, int64_t count, int64_t firstRow, const Batch &batch) {
  GenerationTimings &timings = sequence.result.timings;
  int64_t end = sequence.processed + count;
  // After a preemption generated tokens are rebuilt as well; they are no prompt.
  if (int64_t prompt = std::min(end, sequence.promptSize()) - sequence.processed; prompt > 0) {
    timings.prefillMs += milliseconds(monotonicNanoseconds() - batch.began);
    timings.prefillTokens += prompt;
  }
  int64_t wanted = sequence.wantedBegin(end);
  if (sequence.request.promptLogits)
    for (; sequence.logitsDelivered >= wanted &&
           sequence.logitsDelivered < std::min(end, sequence.promptSize());
         ++sequence.logitsDelivered)
      LAMINA_RETURN_IF_ERROR(
          listener_.onPromptLogits(sequence.id, static_cast<size_t>(sequence.logitsDelivered),
                                   runner_.logits(firstRow + sequence.logitsDelivered - wanted)));
  sequence.processed = end;
  if (end < sequence.size())
    return absl::OkStatus();
  if (sequence.request.maxTokens == 0) {
    finish(sequence, FinishReason::Length);
    return absl::OkStatus();
  }
  absl::StatusOr<int32_t> token = sample(sequence, firstRow + end - 1 - wanted, batch);
  if (!token.ok())
    return absl::Status(token.status().code(), strCat("request ", sequence.id, ", position ", sequence.size(),
                                                      ": ", token.status().message()));
  return takeToken(sequence, *token);
}

absl::StatusOr<int32_t> Generator::sample(Sequence &sequence, int64_t row, const Batch &batch) {
  if (batch.candidatesAsked() == 0)
    return sequence.sampler.sample(runner_.logits(row), sequence.tokens);
  Candidates candidates = runner_.candidates(row);
  return sequence.sampler.sampleAmong(candidates.logits, candidates.ids, runner_.limits().vocabulary);
}

absl::Status Generator::takeToken(Sequence &sequence, int32_t token) {
  uint64_t now = monotonicNanoseconds();
  GenerationResult &result = sequence.result;
  if (sequence.generated() == 0) {
    sequence.firstToken = now;
    result.timings.firstTokenMs = milliseconds(now - sequence.submitted);
  }
  if (tokenizer_ && tokenizer_->isEndOfGeneration(token) && !sequence.request.ignoreEndOfText) {
    finish(sequence, FinishReason::Stop);
    return absl::OkStatus();
  }
  if (sequence.generated() > 0) {
    ++result.timings.decodeTokens;
    result.timings.decodeMs = milliseconds(now - sequence.firstToken);
  }
  sequence.tokens.push_back(token);
  result.tokens.push_back(token);
  if (sequence.decoder) {
    std::string text = sequence.matcher.push(sequence.decoder->push(token));
    result.text += text;
    if (!text.empty())
      listener_.onText(sequence.id, text);
  }
  if (sequence.matcher.stopped()) {
    finish(sequence, FinishReason::Stop);
  } else if (sequence.generated() == sequence.request.maxTokens) {
    finish(sequence, FinishReason::Length);
  } else if (sequence.size() > context_) {
    // The last token has no position of its own any more; it is a result nevertheless.
    result.contextFull = true;
    finish(sequence, FinishReason::Length);
  }
  return absl::OkStatus();
}

void Generator::finish(Sequence &sequence, FinishReason reason) {
  GenerationResult &result = sequence.result;
  if (sequence.decoder) {
    std::string rest = sequence.matcher.push(sequence.decoder->finish()) + sequence.matcher.finish();
    result.text += rest;
    if (!rest.empty())
      listener_.onText(sequence.id, rest);
  }
  result.finishReason = reason;
  sequence.finished = true;
  listener_.onFinished(sequence.id, result);
}

void Generator::dropFinished() {
  bool alone = running_.size() == 1 && waiting_.empty();
  for (SequencePtr &sequence : running_) {
    if (!sequence->finished)
      continue;
    if (alone && sequence->request.keepCache)
      kept_ = std::move(sequence);
    else
      pages_.closeSequence(sequence->slot).IgnoreError(); // it is open: it is running
  }
  std::erase_if(running_, [](const SequencePtr &sequence) { return !sequence || sequence->finished; });
}

void Generator::interrupt() {
  for (SequencePtr &sequence : running_)
    finish(*sequence, FinishReason::Interrupted);
  for (SequencePtr &sequence : waiting_)
    finish(*sequence, FinishReason::Interrupted);
  waiting_.clear();
  dropFinished();
}

} // namespace lamina
