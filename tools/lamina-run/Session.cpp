//===- Session.cpp - a model that is ready to run -----------------------------------------------------===//

#include "tools/lamina-run/Session.h"

#include "runtime/base/Clock.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/StrCat.h"
#include "runtime/io/GGUFReader.h"
#include "tools/lamina-run/CompileCache.h"
#include "tools/lamina-run/Interrupt.h"

#include <cstdio>
#include <filesystem>

namespace lamina::run {

namespace {

/// Whether another compilation helps: what is in the artifact is wrong, rather than reading it.
bool isDamage(const absl::Status &status) {
  return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status);
}

} // namespace

bool isGGUFFile(const std::string &path) {
  auto file = MappedFile::open(path);
  return file.ok() && GGUFReader::looksLikeGGUF(file->bytes());
}

absl::StatusOr<ArtifactReader> openArtifact(const RunOptions &options, uint64_t *began) {
  auto open = [&](const std::string &path) {
    if (began)
      *began = monotonicNanoseconds();
    return ArtifactReader::open(path, static_cast<unsigned>(options.threads));
  };
  std::error_code ignored; // a path that cannot be examined is reported by whoever opens it
  if (!std::filesystem::is_regular_file(options.model, ignored))
    return open(options.model);
  if (!isGGUFFile(options.model))
    return absl::InvalidArgumentError(
        strCat("'", options.model,
               "' is neither an artifact (a folder made by lamina-opt) nor a GGUF file; "
               "compile other models with lamina-opt MODEL -o NAME.lamina"));
  LAMINA_ASSIGN_OR_RETURN(std::string path, compileIntoCache(options.model));
  absl::StatusOr<ArtifactReader> artifact = open(path);
  if (!isDamage(artifact.status()))
    return artifact;
  std::fprintf(stderr, "lamina-run: warning: %s; compiling it again\n",
               std::string(artifact.status().message()).c_str());
  LAMINA_ASSIGN_OR_RETURN(path, compileIntoCache(options.model, /*again=*/true));
  return open(path);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizer(const std::string &ggufPath) {
  // A vocabulary is all that is needed, so the tensors of a cut-off file are not missed.
  LAMINA_ASSIGN_OR_RETURN(GGUFReader reader, GGUFReader::open(ggufPath, {.allowMissingData = true}));
  absl::StatusOr<TokenizerData> data = tokenizerDataFromGGUF(reader);
  if (absl::IsNotFound(data.status()))
    return nullptr;
  LAMINA_RETURN_IF_ERROR(data.status());
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, Tokenizer::create(*std::move(data)));
  if (!tokenizer->warning().empty())
    std::fprintf(stderr, "lamina-run: warning: %s\n", tokenizer->warning().c_str());
  return tokenizer;
}

absl::StatusOr<std::vector<int32_t>> encodePrompt(const Tokenizer *tokenizer, std::string_view text,
                                                  bool noBos) {
  if (!tokenizer)
    return absl::FailedPreconditionError("the model has no vocabulary; give token ids with --prompt-tokens");
  return tokenizer->encode(text, {.addSpecial = !noBos, .parseSpecial = true});
}

absl::StatusOr<std::unique_ptr<Session>> Session::open(const RunOptions &options) {
  auto session = std::make_unique<Session>();
  uint64_t began = 0;
  LAMINA_ASSIGN_OR_RETURN(session->artifact, openArtifact(options, &began));
  LAMINA_ASSIGN_OR_RETURN(session->tokenizer, loadTokenizer(session->artifact->filePath(kTokenizerFile)));
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
