//===- Sequence.h - a request on its way --------------------------------------------------*- C++ -*-===//
//
// Private to Generator.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_GENERATE_SEQUENCE_H
#define LAMINA_RUNTIME_GENERATE_SEQUENCE_H

#include "runtime/base/Clock.h"
#include "runtime/generate/Generator.h"
#include "runtime/sampler/StopMatcher.h"
#include "runtime/tokenizer/StreamDecoder.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace lamina {

struct Generator::Sequence {
  Sequence(size_t id, GenerationRequest asked, Sampler sampler)
      : id(id), request(std::move(asked)), sampler(std::move(sampler)), matcher(request.stops),
        tokens(request.promptTokens), submitted(monotonicNanoseconds()) {
    result.promptTokens = request.promptTokens;
  }

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  int64_t promptSize() const { return static_cast<int64_t>(request.promptTokens.size()); }
  int64_t generated() const { return size() - promptSize(); }
  int64_t pending() const { return size() - processed; }
  /// Nothing is left but the token that was generated last.
  bool decoding() const { return generated() > 0 && pending() == 1; }

  /// The first position of [processed, end) whose logits are wanted; all behind it are wanted too.
  int64_t wantedBegin(int64_t end) const {
    if (request.promptLogits && logitsDelivered < promptSize())
      return std::min(end, std::max(processed, logitsDelivered));
    return end == size() && request.maxTokens != 0 ? end - 1 : end;
  }

  /// Of each row whose logits are wanted; 0: all of it.
  int64_t candidatesNeeded() const {
    bool hasLogitsToDeliver = request.promptLogits && logitsDelivered < promptSize();
    return hasLogitsToDeliver ? 0 : sampler.candidatesNeeded();
  }

  const size_t id;
  const GenerationRequest request;
  Sampler sampler;
  std::optional<StreamDecoder> decoder;
  StopMatcher matcher;
  std::vector<int32_t> tokens; ///< prompt and generated
  int64_t processed = 0;       ///< positions in the cache
  int64_t logitsDelivered = 0; ///< prompt positions
  int slot = -1;
  bool finished = false;
  uint64_t submitted;
  uint64_t firstToken = 0;
  GenerationResult result;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_GENERATE_SEQUENCE_H
