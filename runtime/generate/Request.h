//===- Request.h - what is asked of a model, and what came of it ----------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_GENERATE_REQUEST_H
#define LAMINA_RUNTIME_GENERATE_REQUEST_H

#include "runtime/base/Status.h"
#include "runtime/sampler/Sampler.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

struct GenerationRequest {
  std::vector<int32_t> promptTokens;
  /// Tokens to generate; 0 evaluates the prompt only, negative goes on until the model stops or the context
  /// is full.
  int64_t maxTokens = -1;
  SamplerOptions sampling = {};
  std::vector<std::string> stops = {}; ///< generation ends before any of these would appear in the text
  bool ignoreEndOfText = false;        ///< go on after an end-of-generation token
  bool promptLogits = false;           ///< hand the logits of every prompt position to the listener
  /// The cache is kept for the next request, which computes its prompt from the first token on that differs. Not if
  /// others are running or waiting when this one ends.
  bool keepCache = false;
};

enum class FinishReason {
  Length,      ///< maxTokens reached or the context full
  Stop,        ///< an end-of-generation token or a stop string
  Interrupted, ///< interrupt() was called
};
/// "length", "stop", "interrupted".
std::string_view finishReasonName(FinishReason reason);

/// Milliseconds on one clock. A request's clock starts when it is submitted.
struct GenerationTimings {
  double prefillMs = 0;      ///< steps in which prompt tokens were processed
  int64_t prefillTokens = 0; ///< prompt tokens processed, again after a preemption
  double firstTokenMs = 0;   ///< from submission to the first token, waiting for a slot included
  double decodeMs = 0;       ///< from the first token to the last
  int64_t decodeTokens = 0;  ///< tokens generated after the first
};

struct GenerationResult {
  std::vector<int32_t> promptTokens;
  /// Generated tokens, without the end-of-generation token that stopped it; with those of a stop string.
  std::vector<int32_t> tokens;
  std::string text; ///< of the tokens, up to a stop string
  FinishReason finishReason = FinishReason::Length;
  bool contextFull = false; ///< ended because of the context rather than maxTokens
  GenerationTimings timings;
};

/// Called by Generator::step for things that happened in it. Requests are numbered from 0 in the order of
/// submission.
class GenerationListener {
public:
  virtual ~GenerationListener() = default;
  /// Text that can be shown. Concatenated it is the result's text.
  virtual void onText(size_t request, std::string_view text) {}
  /// Logits of a prompt position, each once and in ascending order; for requests with promptLogits.
  virtual absl::Status onPromptLogits(size_t request, size_t position, std::span<const float> logits) {
    return absl::OkStatus();
  }
  virtual void onFinished(size_t request, const GenerationResult &result) {}
};

} // namespace lamina

#endif // LAMINA_RUNTIME_GENERATE_REQUEST_H
