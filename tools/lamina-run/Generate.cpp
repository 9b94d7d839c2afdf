//===- Generate.cpp - text from prompts ---------------------------------------------------------------===//

#include "runtime/base/Clock.h"
#include "runtime/base/StrCat.h"
#include "runtime/generate/Generator.h"
#include "runtime/io/NpyWriter.h"
#include "tools/common/Trace.h"
#include "tools/lamina-run/Conversation.h"
#include "tools/lamina-run/Interrupt.h"
#include "tools/lamina-run/Prompts.h"
#include "tools/lamina-run/Report.h"
#include "tools/lamina-run/Run.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <optional>
#include <span>

namespace lamina::run {
namespace {

constexpr int64_t kDefaultMaxTokens = 128;

/// The prompts as text, empty if they were given as ids.
absl::StatusOr<std::vector<std::string>> promptTexts(const RunOptions &options) {
  std::vector<std::string> prompts;
  if (options.prompt) {
    LAMINA_ASSIGN_OR_RETURN(prompts.emplace_back(), promptText(*options.prompt));
    return prompts;
  }
  if (!options.promptFile)
    return prompts;
  LAMINA_ASSIGN_OR_RETURN(prompts, promptLines(*options.promptFile));
  std::erase(prompts, "");
  if (prompts.empty())
    return absl::InvalidArgumentError(
        strCat("'", *options.promptFile, "' has no prompts; expected one a line"));
  return prompts;
}

absl::StatusOr<std::vector<int32_t>> promptIds(const RunOptions &options, const Session &session,
                                               const std::string &text) {
  if (!options.chat)
    return encodePrompt(session.tokenizer.get(), text, options.noBos);
  LAMINA_ASSIGN_OR_RETURN(Conversation conversation,
                          Conversation::create(session.tokenizer.get(), options.system));
  conversation.add("user", text);
  return conversation.encode();
}

/// As --prompt-tokens takes them.
std::string idsText(std::span<const int32_t> ids) {
  std::string text;
  for (int32_t id : ids)
    text += strCat(text.empty() ? "" : ",", id);
  return text;
}

/// Shows results in the order of the requests, each when it and all before it are finished. Only the text of
/// a single prompt is shown as it comes.
class Printer : public GenerationListener {
public:
  Printer(const RunOptions &options, const Session &session, std::vector<std::string> prompts,
          std::optional<NpyWriter> logits)
      : options_(options), session_(session), prompts_(std::move(prompts)), logits_(std::move(logits)) {}

  void onText(size_t request, std::string_view text) override {
    if (options_.json || prompts_.size() > 1)
      return;
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  absl::Status onPromptLogits(size_t, size_t, std::span<const float> logits) override {
    return logits_->append({reinterpret_cast<const uint8_t *>(logits.data()), logits.size_bytes()});
  }

  void onFinished(size_t request, const GenerationResult &result) override {
    if (results_.size() <= request)
      results_.resize(request + 1);
    results_[request] = result;
    for (; shown_ < results_.size() && results_[shown_]; ++shown_)
      show(*results_[shown_]);
  }

  /// Those of a prompt that was interrupted are not kept.
  absl::Status closeLogits() {
    return logits_ && logits_->isComplete() ? logits_->close() : absl::OkStatus();
  }

  std::vector<GenerationResult> takeResults() {
    std::vector<GenerationResult> results;
    for (std::optional<GenerationResult> &result : results_)
      if (result)
        results.push_back(*std::move(result));
    return results;
  }

private:
  void show(const GenerationResult &result) {
    if (options_.json)
      std::printf("%s\n", dumpLine(generationJson(result, session_)).c_str());
    else if (prompts_.size() > 1)
      std::printf("[%zu] %s\n%s\n\n", shown_ + 1, prompts_[shown_].c_str(), result.text.c_str());
    else // the text is there already; a model without a vocabulary has none
      std::printf("%s\n", session_.tokenizer ? "" : idsText(result.tokens).c_str());
    std::fflush(stdout);
    warnOfFullContext(result, session_);
  }

  const RunOptions &options_;
  const Session &session_;
  std::vector<std::string> prompts_;
  std::optional<NpyWriter> logits_;
  std::vector<std::optional<GenerationResult>> results_;
  size_t shown_ = 0;
};

GenerationRequest requestOf(const RunOptions &options, const SamplerOptions &sampling,
                            std::vector<int32_t> ids) {
  return {.promptTokens = std::move(ids),
          .maxTokens = options.maxTokens.value_or(options.chat ? -1 : kDefaultMaxTokens),
          .sampling = sampling,
          .stops = options.stops,
          .ignoreEndOfText = options.ignoreEndOfText,
          .promptLogits = !options.logitsFile.empty()};
}

absl::Status runUntilDone(Generator &generator) {
  catchInterrupts();
  while (!generator.idle()) {
    absl::Status status = generator.step();
    if (!status.ok() && !absl::IsCancelled(status))
      return status;
    if (!status.ok() || interrupted()) {
      generator.interrupt();
      return absl::CancelledError("interrupted");
    }
  }
  return absl::OkStatus();
}

} // namespace

absl::Status generate(const RunOptions &options) {
  // Before the model is loaded: a missing file should not take minutes to notice.
  LAMINA_ASSIGN_OR_RETURN(std::vector<std::string> prompts, promptTexts(options));
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::open(options));
  std::vector<std::vector<int32_t>> ids;
  if (options.promptTokens)
    ids.push_back(*options.promptTokens);
  for (const std::string &prompt : prompts) {
    LAMINA_ASSIGN_OR_RETURN(ids.emplace_back(), promptIds(options, *session, prompt));
  }
  std::optional<NpyWriter> logits;
  if (!options.logitsFile.empty()) {
    const int64_t shape[] = {static_cast<int64_t>(ids[0].size()),
                             session->artifact->plan().model().vocab_size()};
    LAMINA_ASSIGN_OR_RETURN(logits, NpyWriter::create(options.logitsFile, "<f4", shape));
  }
  uint64_t began = monotonicNanoseconds();
  Printer printer(options, *session, std::move(prompts), std::move(logits));
  Generator generator(*session->runner, session->tokenizer.get(), printer,
                      {.prefillChunk = options.prefillChunk});
  for (std::vector<int32_t> &prompt : ids) {
    absl::Status status = generator.submit(requestOf(options, session->sampling, std::move(prompt))).status();
    if (!status.ok())
      return ids.size() == 1 ? status
                             : absl::Status(status.code(), strCat("prompt ", &prompt - ids.data() + 1, ": ",
                                                                  status.message()));
  }
  absl::Status status = runUntilDone(generator);
  double wallMs = static_cast<double>(monotonicNanoseconds() - began) * 1e-6;
  if (!status.ok() && !absl::IsCancelled(status))
    return status;
  LAMINA_RETURN_IF_ERROR(printer.closeLogits());
  if (!options.traceFile.empty())
    LAMINA_RETURN_IF_ERROR(writeTrace(*session->engine, options.traceFile));
  if (options.stats)
    printStats(printer.takeResults(), *session, wallMs);
  return status;
}

} // namespace lamina::run
