//===- Chat.cpp - a conversation line by line ---------------------------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/generate/Generator.h"
#include "tools/common/Trace.h"
#include "tools/lamina-run/Conversation.h"
#include "tools/lamina-run/Interrupt.h"
#include "tools/lamina-run/Report.h"
#include "tools/lamina-run/Run.h"

#include <cstdio>
#include <optional>
#include <unistd.h>

namespace lamina::run {
namespace {

/// A line of standard input; nothing at its end.
std::optional<std::string> readLine(bool interactive) {
  if (interactive) {
    std::fputs("> ", stderr);
    std::fflush(stderr);
  }
  std::string line;
  int c;
  while ((c = std::getchar()) != EOF && c != '\n')
    line += static_cast<char>(c);
  if (c == EOF && line.empty())
    return std::nullopt;
  return line;
}

class Answer : public GenerationListener {
public:
  void onText(size_t, std::string_view text) override {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  void onFinished(size_t, const GenerationResult &finished) override { result = finished; }
  GenerationResult result;
};

/// OutOfRange if a conversation has outgrown the context. A first message is a prompt like any other.
absl::Status checkRoom(const Conversation &conversation, size_t tokens, const Session &session) {
  ContextBound bound(session.runner->limits());
  auto wanted = static_cast<int64_t>(tokens);
  if (!conversation.isAnswered() || wanted <= bound.tokens())
    return absl::OkStatus();
  return absl::OutOfRangeError(strCat("the conversation is full: with this message it has ", wanted,
                                      " tokens, ", bound.text(), "; begin a new one", bound.advice(wanted)));
}

/// Generates one answer, the next of those that `listener` has heard. Ctrl-C ends the answer, not the
/// conversation.
absl::StatusOr<GenerationResult> answer(const RunOptions &options, Session &session,
                                        const Conversation &conversation, Generator &generator,
                                        const Answer &listener) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<int32_t> ids, conversation.encode());
  LAMINA_RETURN_IF_ERROR(checkRoom(conversation, ids.size(), session));
  LAMINA_RETURN_IF_ERROR(generator
                             .submit({.promptTokens = std::move(ids),
                                      .maxTokens = options.maxTokens.value_or(-1),
                                      .sampling = session.sampling,
                                      .stops = options.stops,
                                      .ignoreEndOfText = options.ignoreEndOfText,
                                      .keepCache = true})
                             .status());
  catchInterrupts();
  while (!generator.idle()) {
    LAMINA_RETURN_IF_ERROR(generator.step());
    if (interrupted())
      generator.interrupt();
  }
  releaseInterrupts();
  std::printf("\n");
  std::fflush(stdout);
  warnOfFullContext(listener.result, session);
  return listener.result;
}

} // namespace

absl::Status chat(const RunOptions &options) {
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::open(options));
  LAMINA_ASSIGN_OR_RETURN(Conversation conversation,
                          Conversation::create(session->tokenizer.get(), options.system));
  bool interactive = ::isatty(STDIN_FILENO) != 0;
  if (interactive)
    std::fputs("One line is one message. Ctrl-C ends an answer, Ctrl-D the conversation.\n", stderr);
  Answer listener;
  Generator generator(*session->runner, session->tokenizer.get(), listener,
                      {.prefillChunk = options.prefillChunk});
  std::vector<GenerationResult> results;
  double wallMs = 0;
  while (std::optional<std::string> line = readLine(interactive)) {
    if (line->empty())
      continue;
    conversation.add("user", *std::move(line));
    absl::StatusOr<GenerationResult> result = answer(options, *session, conversation, generator, listener);
    if (absl::IsOutOfRange(result.status()) && interactive) {
      // A shorter message may still fit.
      std::fprintf(stderr, "%s\n", std::string(result.status().message()).c_str());
      conversation.removeLast();
      continue;
    }
    LAMINA_RETURN_IF_ERROR(result.status());
    conversation.add("assistant", result->text);
    wallMs += result->timings.firstTokenMs + result->timings.decodeMs;
    results.push_back(*std::move(result));
  }
  if (!options.traceFile.empty())
    LAMINA_RETURN_IF_ERROR(writeTrace(*session->engine, options.traceFile));
  if (options.stats && !results.empty())
    printStats(results, *session, wallMs);
  return absl::OkStatus();
}

} // namespace lamina::run
