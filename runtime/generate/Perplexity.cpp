//===- Perplexity.cpp - how well a model predicts a text ----------------------------------------------===//

#include "runtime/generate/Perplexity.h"

#include "runtime/base/StrCat.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace lamina {
namespace {

class NllListener : public GenerationListener {
public:
  explicit NllListener(const std::vector<std::vector<int32_t>> &windows)
      : windows_(windows), sums_(windows.size()) {}

  absl::Status onPromptLogits(size_t request, size_t position, std::span<const float> logits) override {
    const std::vector<int32_t> &window = windows_[request];
    if (position + 1 >= window.size())
      return absl::OkStatus();
    double nll = negativeLogLikelihood(logits, window[position + 1]);
    if (!std::isfinite(nll))
      return absl::InternalError(strCat("the logits of window ", request, ", position ", position,
                                        " are not finite; the model or its compilation is broken"));
    // Positions of a window come in order, so its sum does not depend on the batches.
    sums_[request].nll += nll;
    ++sums_[request].predictions;
    ++predictions_;
    return absl::OkStatus();
  }

  int64_t predictions() const { return predictions_; }
  std::vector<PerplexityResult::Window> takeSums() { return std::move(sums_); }

private:
  const std::vector<std::vector<int32_t>> &windows_;
  std::vector<PerplexityResult::Window> sums_;
  int64_t predictions_ = 0;
};

} // namespace

double negativeLogLikelihood(std::span<const float> logits, int32_t token) {
  double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits)
    sum += std::exp(logit - largest);
  return largest + std::log(sum) - logits[static_cast<size_t>(token)];
}

std::vector<std::vector<int32_t>> perplexityWindows(std::span<const int32_t> ids, int32_t bos, int64_t size) {
  size_t share = static_cast<size_t>(size) - (bos == NoToken ? 0 : 1);
  std::vector<std::vector<int32_t>> windows;
  while (!ids.empty()) {
    std::vector<int32_t> window;
    if (bos != NoToken)
      window.push_back(bos);
    size_t count = std::min(share, ids.size());
    window.insert(window.end(), ids.begin(), ids.begin() + static_cast<ptrdiff_t>(count));
    ids = ids.subspan(count);
    if (window.size() >= 2)
      windows.push_back(std::move(window));
  }
  return windows;
}

absl::StatusOr<PerplexityResult> measurePerplexity(StepRunner &runner,
                                                   std::vector<std::vector<int32_t>> windows,
                                                   GeneratorOptions options,
                                                   const std::function<bool(int64_t, int64_t)> &progress) {
  NllListener listener(windows);
  Generator generator(runner, nullptr, listener, options);
  int64_t total = 0;
  for (const std::vector<int32_t> &window : windows) {
    total += static_cast<int64_t>(window.size()) - 1;
    LAMINA_RETURN_IF_ERROR(
        generator.submit({.promptTokens = window, .maxTokens = 0, .promptLogits = true}).status());
  }
  if (total == 0)
    return absl::InvalidArgumentError("the text has fewer than two tokens, so there is nothing to predict");
  while (!generator.idle()) {
    LAMINA_RETURN_IF_ERROR(generator.step());
    if (progress && !progress(listener.predictions(), total))
      return absl::CancelledError("interrupted");
  }
  PerplexityResult result;
  result.windows = listener.takeSums();
  double sum = 0;
  for (const PerplexityResult::Window &window : result.windows) {
    sum += window.nll;
    result.predictions += window.predictions;
  }
  result.meanNll = sum / static_cast<double>(result.predictions);
  result.perplexity = std::exp(result.meanNll);
  return result;
}

} // namespace lamina
