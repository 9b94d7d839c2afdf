//===- Run.cpp - dispatches to what the command line asks for -----------------------------------------===//

#include "tools/lamina-run/Run.h"

#include "tools/common/CommandLines.h"

#include <cstdio>
#include <string>

namespace lamina::run {
namespace {

absl::Status perform(const RunOptions &options) {
  switch (options.action) {
  case Action::Generate:
    return generate(options);
  case Action::Chat:
    return chat(options);
  case Action::Perplexity:
    return perplexity(options);
  case Action::Function:
    return runFunction(options);
  case Action::Describe:
    return describe(options);
  case Action::Check:
    return check(options);
  case Action::Tokenize:
    return tokenize(options);
  }
  return absl::OkStatus();
}

} // namespace

static int runOne(int argc, const char *const *argv) {
  ParsedCommandLine parsed = parseCommandLine(argc, argv);
  if (!parsed.options)
    return parsed.exitStatus;
  absl::Status status = perform(*parsed.options);
  // A full disk behind a redirection shows only when the buffer is written.
  if (status.ok() && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0))
    status = absl::UnavailableError("cannot write to standard output; is the disk full?");
  if (status.ok())
    return kSuccess;
  std::fflush(stdout);
  if (absl::IsCancelled(status))
    return kInterrupted;
  std::fprintf(stderr, "lamina-run: error: %s\n", std::string(status.message()).c_str());
  return kFailedRun;
}

int runMain(int argc, char **argv) {
  if (std::optional<int> status = runCommandLines(argc, argv, runOne))
    return *status;
  return runOne(argc, argv);
}

} // namespace lamina::run
