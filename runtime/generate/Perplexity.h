//===- Perplexity.h - how well a model predicts a text --------------------------------------*- C++ -*-===//
//
// The convention: the text is tokenised as a whole, without bos, and cut into windows that do not overlap.
// Each window is one sequence; it begins with bos where the vocabulary asks for bos, and bos counts towards
// the window's size. In a window every token but the first is predicted from all that precede it, and every
// prediction counts alike:
//
//   mean NLL = sum over predictions of -log p(token) / number of predictions        perplexity = exp(mean
//   NLL)
//
// The last window may be shorter; a window without a prediction is left out.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_GENERATE_PERPLEXITY_H
#define LAMINA_RUNTIME_GENERATE_PERPLEXITY_H

#include "runtime/generate/Generator.h"

#include <functional>
#include <span>
#include <vector>

namespace lamina {

/// -log softmax(logits)[token], in double precision.
double negativeLogLikelihood(std::span<const float> logits, int32_t token);

/// Cuts `ids` into windows of `size` tokens, each beginning with `bos` unless that is NoToken. size >= 2.
std::vector<std::vector<int32_t>> perplexityWindows(std::span<const int32_t> ids, int32_t bos, int64_t size);

struct PerplexityResult {
  struct Window {
    int64_t predictions = 0;
    double nll = 0; ///< sum over the predictions
  };
  std::vector<Window> windows;
  int64_t predictions = 0;
  double meanNll = 0;
  double perplexity = 0;
};

/// Evaluates the windows, several at once. `progress` (may be empty) hears after each step how many
/// predictions of how many are done; Cancelled if it returns false. InvalidArgument if there is nothing to
/// predict.
absl::StatusOr<PerplexityResult> measurePerplexity(StepRunner &runner,
                                                   std::vector<std::vector<int32_t>> windows,
                                                   GeneratorOptions options,
                                                   const std::function<bool(int64_t, int64_t)> &progress);

} // namespace lamina

#endif // LAMINA_RUNTIME_GENERATE_PERPLEXITY_H
