//===- Options.h - lamina-run's command line as data ----------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_RUN_OPTIONS_H
#define LAMINA_TOOLS_LAMINA_RUN_OPTIONS_H

#include "runtime/sampler/Sampler.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lamina::run {

/// Exit statuses; a shell reports 128 + SIGINT for what Ctrl-C ended.
enum ExitStatus { kSuccess = 0, kFailedRun = 1, kWrongCommandLine = 2, kInterrupted = 130 };

enum class Action { Generate, Chat, Perplexity, Function, Describe, Check, Tokenize };

/// What the command line says of sampling.
struct SamplingFlags {
  std::optional<float> temperature, topP, minP, repetitionPenalty;
  std::optional<int32_t> topK, repetitionWindow;
  std::optional<uint64_t> seed;

  /// The rest is as in `otherwise`.
  SamplerOptions over(const SamplerOptions &otherwise) const {
    return {.temperature = temperature.value_or(otherwise.temperature),
            .topK = topK.value_or(otherwise.topK),
            .topP = topP.value_or(otherwise.topP),
            .minP = minP.value_or(otherwise.minP),
            .repetitionPenalty = repetitionPenalty.value_or(otherwise.repetitionPenalty),
            .repetitionWindow = repetitionWindow.value_or(otherwise.repetitionWindow),
            .seed = seed.value_or(otherwise.seed)};
  }

  /// An option that was given and chooses only where the temperature is above 0; null if there is none.
  const char *needsTemperature() const {
    return topK ? "--top-k" : topP ? "--top-p" : minP ? "--min-p" : seed ? "--seed" : nullptr;
  }
};

struct RunOptions {
  Action action = Action::Generate;
  std::string model; ///< an artifact, or what lamina-opt compiles first
  // How it compiles it.
  std::vector<std::string> compileFlags;
  std::vector<std::string> flagFiles; ///< that the flags name

  // At most one of these is set; none in an interactive chat.
  std::optional<std::string> prompt;
  std::optional<std::string> promptFile;
  std::optional<std::vector<int32_t>> promptTokens;

  // Of a model that computes outputs from inputs.
  std::vector<std::string> inputs; ///< NAME=FILE.npy
  std::string outputFolder;

  std::optional<int64_t> maxTokens;
  SamplingFlags sampling;
  std::vector<std::string> stops;
  bool ignoreEndOfText = false;
  int64_t prefillChunk = 0;

  bool chat = false;
  std::string system;
  bool noBos = false;

  std::string perplexityFile;
  int64_t contextSize = 0; ///< window of --perplexity, 0 = default

  int threads = 0;
  bool inProcess = false;

  bool json = false;
  bool stats = false;
  std::string logitsFile;
  std::string traceFile;
};

/// The options, or an exit status because help was printed (0) or the command line is wrong (2, said on
/// stderr).
struct ParsedCommandLine {
  std::optional<RunOptions> options;
  int exitStatus = kSuccess;
};
ParsedCommandLine parseCommandLine(int argc, const char *const *argv);

} // namespace lamina::run

#endif // LAMINA_TOOLS_LAMINA_RUN_OPTIONS_H
