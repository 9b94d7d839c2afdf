//===- ContextBound.h - how long a sequence can be, and what to do about it -----------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_GENERATE_CONTEXTBOUND_H
#define LAMINA_RUNTIME_GENERATE_CONTEXTBOUND_H

#include "runtime/generate/StepRunner.h"

#include <cstdint>
#include <string>

namespace lamina {

/// The longest sequence that fits: the context, or the whole KV cache if that is smaller. The texts are parts
/// of messages and name the option of the compilation that raises the smaller one, up to what the model was
/// trained for.
class ContextBound {
public:
  explicit ContextBound(const RunnerLimits &limits);

  int64_t tokens() const { return tokens_; }

  /// "the compiled context is 4096" or "the KV cache holds 2048 tokens".
  std::string text() const;

  /// How to get room for `wanted` tokens, more than tokens(), to follow advice to ask for less:
  /// " or compile with --kv-tokens=3000".
  std::string advice(int64_t wanted) const;

  /// For a sequence that has reached the bound:
  /// "the context of 4096 tokens is full; compile with a larger --max-context to generate more".
  std::string fullText() const;

private:
  std::string options(int64_t wanted) const;

  const RunnerLimits limits_;
  const int64_t cacheTokens_;
  const int64_t tokens_;
  const bool modelEnds_; ///< no compilation makes more of the model
};

} // namespace lamina

#endif // LAMINA_RUNTIME_GENERATE_CONTEXTBOUND_H
