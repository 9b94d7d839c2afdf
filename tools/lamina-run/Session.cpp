//===- Session.cpp - a model that is ready to run -----------------------------------------------------===//

#include "tools/lamina-run/Session.h"

#include "runtime/base/Clock.h"
#include "runtime/base/StrCat.h"
#include "runtime/executor/PlanCheck.h"
#include "runtime/io/ArtifactWriter.h"
#include "runtime/io/GGUFReader.h"
#include "runtime/sampler/SamplerGGUF.h"
#include "tools/common/Trace.h"
#include "tools/lamina-run/Interrupt.h"
#include "tools/lamina-run/Report.h"

#include <cstdio>

namespace lamina::run {

static absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizerOf(const GGUFReader &reader) {
  absl::StatusOr<TokenizerData> data = tokenizerDataFromGGUF(reader);
  if (absl::IsNotFound(data.status()))
    return nullptr;
  LAMINA_RETURN_IF_ERROR(data.status());
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, Tokenizer::create(*std::move(data)));
  if (!tokenizer->warning().empty())
    std::fprintf(stderr, "lamina-run: warning: %s\n", tokenizer->warning().c_str());
  return tokenizer;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizer(const std::string &ggufPath) {
  // A vocabulary is all that is needed, so the tensors of a cut-off file are not missed.
  LAMINA_ASSIGN_OR_RETURN(GGUFReader reader, GGUFReader::open(ggufPath, {.allowMissingData = true}));
  return tokenizerOf(reader);
}

absl::StatusOr<std::vector<int32_t>> encodePrompt(const Tokenizer *tokenizer, std::string_view text,
                                                  bool noBos) {
  if (!tokenizer)
    return absl::FailedPreconditionError("the model has no vocabulary; give token ids with --prompt-tokens");
  return tokenizer->encode(text, {.addSpecial = !noBos, .parseSpecial = true});
}

absl::StatusOr<ArtifactReader> openModel(const RunOptions &options, uint64_t *began) {
  if (!options.compileFlags.empty() && isArtifactDirectory(options.model))
    return absl::InvalidArgumentError(strCat("'", options.model, "' is compiled already, so ",
                                             options.compileFlags.front(),
                                             " comes too late; give the model that it was compiled from"));
  return openArtifact({options.model, options.threads, options.compileFlags, options.flagFiles}, began);
}

static void warnOfGreedySampling(const SamplingFlags &given, const SamplerOptions &sampling) {
  if (const char *option = given.needsTemperature(); option && sampling.temperature == 0)
    std::fprintf(stderr,
                 "lamina-run: warning: %s has no effect at temperature 0; give --temperature above 0\n",
                 option);
}

absl::StatusOr<std::unique_ptr<Session>> Session::open(const RunOptions &options) {
  if (!options.traceFile.empty())
    LAMINA_RETURN_IF_ERROR(checkTraceFile(options.traceFile));
  auto session = std::make_unique<Session>();
  uint64_t began = 0;
  LAMINA_ASSIGN_OR_RETURN(session->artifact, openModel(options, &began));
  if (isFunction(session->artifact->plan()))
    return absl::InvalidArgumentError("the model computes tensors, not text; give --input NAME=FILE.npy and "
                                      "--output-dir DIR, --describe names its inputs");
  LAMINA_ASSIGN_OR_RETURN(GGUFReader reader, GGUFReader::open(session->artifact->filePath(kTokenizerFile)));
  LAMINA_ASSIGN_OR_RETURN(session->tokenizer, tokenizerOf(reader));
  LAMINA_ASSIGN_OR_RETURN(SamplerOptions sampling, samplerOptionsFromGGUF(reader));
  session->sampling = options.sampling.over(sampling);
  warnOfGreedySampling(options.sampling, session->sampling);
  EngineOptions engineOptions = {.threadsPerWorker = options.threads,
                                 .inProcess = options.inProcess,
                                 .trace = options.stats || !options.traceFile.empty(),
                                 // A conversation goes on after an interrupt, so its engine must too.
                                 .interrupted = options.action == Action::Chat ? nullptr : interrupted};
  LAMINA_ASSIGN_OR_RETURN(
      session->engine, Engine::create(session->artifact->plan(), session->artifact->path(), engineOptions));
  session->runner = std::make_unique<EngineRunner>(*session->engine, session->artifact->plan());
  session->loadMs = static_cast<double>(monotonicNanoseconds() - began) * 1e-6;
  return session;
}

} // namespace lamina::run
