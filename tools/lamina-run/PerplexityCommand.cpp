//===- PerplexityCommand.cpp - --perplexity -----------------------------------------------------------===//

#include "runtime/base/Clock.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/StrCat.h"
#include "runtime/generate/Perplexity.h"
#include "tools/common/Trace.h"
#include "tools/lamina-run/Interrupt.h"
#include "tools/lamina-run/Report.h"
#include "tools/lamina-run/Run.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace lamina::run {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kDefaultWindow = 512;

absl::StatusOr<int64_t> windowSize(const RunOptions &options, const ContextBound &bound) {
  if (options.contextSize > bound.tokens())
    return absl::OutOfRangeError(strCat("--context-size is ", options.contextSize, ", ", bound.text(),
                                        "; give less", bound.advice(options.contextSize)));
  return options.contextSize > 0 ? options.contextSize : std::min(kDefaultWindow, bound.tokens());
}

/// A line on a terminal that is written over, a few times a second.
class Progress {
public:
  void show(int64_t done, int64_t total) {
    uint64_t now = monotonicNanoseconds();
    if (!terminal_ || (now - last_ < 200000000 && done < total))
      return;
    last_ = now;
    std::fprintf(stderr, "\r%lld of %lld tokens%s", static_cast<long long>(done),
                 static_cast<long long>(total), done < total ? "" : "\n");
  }

private:
  bool terminal_ = ::isatty(STDERR_FILENO) != 0;
  uint64_t last_ = 0;
};

void print(const RunOptions &options, const PerplexityResult &result, size_t textTokens, int64_t window,
           double ms) {
  if (!options.json) {
    std::printf(
        "perplexity %.6f, mean NLL %.8f over %lld predictions (%zu tokens of text, %zu windows of %lld), "
        "%.1f tokens/s\n",
        result.perplexity, result.meanNll, static_cast<long long>(result.predictions), textTokens,
        result.windows.size(), static_cast<long long>(window), perSecond(result.predictions, ms));
    return;
  }
  Json windows = Json::array();
  for (const PerplexityResult::Window &one : result.windows)
    windows.push_back(
        {{"predictions", one.predictions}, {"mean_nll", one.nll / static_cast<double>(one.predictions)}});
  std::printf("%s\n", dumpLine({{"perplexity", result.perplexity},
                                {"mean_nll", result.meanNll},
                                {"predictions", result.predictions},
                                {"text_tokens", textTokens},
                                {"context_size", window},
                                {"tokens_per_second", perSecond(result.predictions, ms)},
                                {"windows", windows}})
                          .c_str());
}

} // namespace

absl::Status perplexity(const RunOptions &options) {
  LAMINA_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(options.perplexityFile));
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::open(options));
  if (!session->tokenizer)
    return absl::FailedPreconditionError("the model has no vocabulary, so it cannot read a text");
  LAMINA_ASSIGN_OR_RETURN(int64_t window, windowSize(options, ContextBound(session->runner->limits())));
  std::string_view text(reinterpret_cast<const char *>(file.data()), file.size());
  LAMINA_ASSIGN_OR_RETURN(std::vector<int32_t> ids, session->tokenizer->encode(text, {.addSpecial = false}));
  const TokenizerData &data = session->tokenizer->data();
  int32_t bos = data.addBos && !options.noBos ? data.bos : NoToken;

  uint64_t began = monotonicNanoseconds();
  Progress progress;
  catchInterrupts();
  LAMINA_ASSIGN_OR_RETURN(PerplexityResult result,
                          measurePerplexity(*session->runner, perplexityWindows(ids, bos, window),
                                            {.prefillChunk = options.prefillChunk},
                                            [&](int64_t done, int64_t total) {
                                              progress.show(done, total);
                                              return !interrupted();
                                            }));
  double ms = static_cast<double>(monotonicNanoseconds() - began) * 1e-6;
  print(options, result, ids.size(), window, ms);
  if (!options.traceFile.empty())
    LAMINA_RETURN_IF_ERROR(writeTrace(*session->engine, options.traceFile));
  if (options.stats)
    printStats({}, *session, ms);
  return absl::OkStatus();
}

} // namespace lamina::run
