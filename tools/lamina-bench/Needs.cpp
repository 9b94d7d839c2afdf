//===- Needs.cpp - what the tests ask of an artifact --------------------------------------------------===//

#include "tools/lamina-bench/Needs.h"

#include "runtime/base/StrCat.h"
#include "runtime/generate/ContextBound.h"
#include "runtime/io/CompileDefaults.h"

#include <algorithm>

namespace lamina::bench {
namespace {

/// A sequence holds whole pages.
int64_t cacheTokens(const BatchedSpec &spec) {
  return spec.sequences * pagesOf(spec.tokensEach()) * LAMINA_KV_PAGE_TOKENS;
}

absl::Status lacking(const BatchedSpec &spec, int64_t needed, const char *what, int64_t limit,
                     const char *option) {
  return absl::FailedPreconditionError(
      strCat("--npl ", spec.sequences, " with --npp ", spec.prompt, " --ntg ", spec.generate, " needs ",
             needed, " ", what, ", the artifact has ", limit, "; compile with ", option, "=", needed));
}

absl::Status checkBatched(const BatchedSpec &spec, const RunnerLimits &limits) {
  if (spec.tokensEach() > limits.context)
    return lacking(spec, spec.tokensEach(), "tokens of context", limits.context, "--max-context");
  if (spec.sequences > limits.sequences)
    return lacking(spec, spec.sequences, "sequence slots", limits.sequences, "--max-sequences");
  if (spec.sequences > limits.outputRows)
    return lacking(spec, spec.sequences, "rows of logits", limits.outputRows, "--max-output-rows");
  if (spec.sequences > limits.batchTokens)
    return lacking(spec, spec.sequences, "tokens in a step", limits.batchTokens, "--max-batch-tokens");
  if (int64_t room = limits.pages * LAMINA_KV_PAGE_TOKENS; cacheTokens(spec) > room)
    return lacking(spec, cacheTokens(spec), "tokens of KV cache", room, "--kv-tokens");
  return absl::OkStatus();
}

} // namespace

int64_t pagesOf(int64_t tokens) { return (tokens + LAMINA_KV_PAGE_TOKENS - 1) / LAMINA_KV_PAGE_TOKENS; }

absl::Status checkRoom(const BenchOptions &options, const RunnerLimits &limits) {
  ContextBound bound(limits);
  for (const TestSpec &test : options.tests)
    if (test.context() > bound.tokens())
      return absl::FailedPreconditionError(strCat(test.name(), " needs ", test.context(), " tokens, but ",
                                                  bound.text(), "; lower -p, -n or -d",
                                                  bound.advice(test.context())));
  for (const BatchedSpec &spec : options.batched)
    LAMINA_RETURN_IF_ERROR(checkBatched(spec, limits));
  return absl::OkStatus();
}

std::vector<std::string> compileFlags(const BenchOptions &options) {
  int64_t context = 0, cache = 0, sequences = 0;
  for (const TestSpec &test : options.tests)
    context = std::max(context, test.context());
  for (const BatchedSpec &spec : options.batched) {
    context = std::max(context, spec.tokensEach());
    cache = std::max(cache, cacheTokens(spec));
    sequences = std::max(sequences, spec.sequences);
  }
  // A test within the defaults shares the cached artifact with lamina-run.
  std::vector<std::string> flags;
  if (context > kDefaultContext)
    flags.push_back(strCat("--max-context=", context));
  // How much the cache holds by default follows from the model.
  if (context > kDefaultContext || cache > 0)
    flags.push_back(strCat("--kv-tokens=", std::max(cache, context)));
  if (sequences > kDefaultSequences)
    flags.push_back(strCat("--max-sequences=", sequences));
  if (sequences > kDefaultOutputRows)
    flags.push_back(strCat("--max-output-rows=", sequences));
  if (sequences > kDefaultBatchTokens)
    flags.push_back(strCat("--max-batch-tokens=", sequences));
  return flags;
}

} // namespace lamina::bench
