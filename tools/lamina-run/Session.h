//===- Session.h - a model that is ready to run ---------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_RUN_SESSION_H
#define LAMINA_TOOLS_LAMINA_RUN_SESSION_H

#include "runtime/executor/Engine.h"
#include "runtime/generate/EngineRunner.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "tools/common/OpenArtifact.h"
#include "tools/lamina-run/Options.h"

#include <memory>
#include <optional>
#include <string>

namespace lamina::run {

struct Session {
  /// Compiles the model if need be, verifies the artifact and starts its workers.
  static absl::StatusOr<std::unique_ptr<Session>> open(const RunOptions &options);

  std::optional<ArtifactReader> artifact;
  std::unique_ptr<Tokenizer> tokenizer; ///< null for a model without a vocabulary
  SamplerOptions sampling;              ///< the command line's over the model's
  std::unique_ptr<Engine> engine;
  std::unique_ptr<EngineRunner> runner;
  double loadMs = 0; ///< hashes, weights and workers; not a compilation
};

/// The model's artifact, compiled first if need be; openArtifact.
absl::StatusOr<ArtifactReader> openModel(const RunOptions &options, uint64_t *began = nullptr);

/// The tokenizer of a GGUF file; null if it has no vocabulary. A doubtful one is warned of on standard error.
absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizer(const std::string &ggufPath);

/// The ids of a text prompt, special tokens in it recognised.
absl::StatusOr<std::vector<int32_t>> encodePrompt(const Tokenizer *tokenizer, std::string_view text,
                                                  bool noBos);

} // namespace lamina::run

#endif // LAMINA_TOOLS_LAMINA_RUN_SESSION_H
