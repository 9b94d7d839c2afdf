//===- Tokenize.cpp - --tokenize ----------------------------------------------------------------------===//

#include "lib/Import/ModelPath.h"
#include "runtime/base/StrCat.h"
#include "tools/common/OpenArtifact.h"
#include "tools/lamina-run/Prompts.h"
#include "tools/lamina-run/Run.h"
#include "tools/lamina-run/Session.h"

#include <cstdio>
#include <filesystem>
#include <string>

namespace lamina::run {
namespace {

absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizerOf(const RunOptions &options) {
  std::error_code ignored; // a path that cannot be examined is reported by whoever opens it
  if (!std::filesystem::is_directory(options.model, ignored) &&
      formatOf(options.model) != ModelFormat::ONNX) {
    if (!options.compileFlags.empty())
      return absl::InvalidArgumentError(
          strCat("'", options.model, "': --dim and --constant are of ONNX models; leave them out"));
    return loadTokenizer(options.model);
  }
  LAMINA_ASSIGN_OR_RETURN(ArtifactReader artifact, openModel(options));
  return loadTokenizer(artifact.filePath(kTokenizerFile));
}

absl::Status print(const RunOptions &options, const Tokenizer &tokenizer, std::string_view text) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<int32_t> ids, encodePrompt(&tokenizer, text, options.noBos));
  std::string line = "[";
  for (size_t i = 0; i < ids.size(); ++i)
    line += strCat(i == 0 ? "" : ", ", ids[i]);
  std::printf("%s]\n", line.c_str());
  return absl::OkStatus();
}

} // namespace

absl::Status tokenize(const RunOptions &options) {
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, tokenizerOf(options));
  if (!tokenizer)
    return absl::FailedPreconditionError(
        strCat("'", options.model, "' has no vocabulary (tokenizer.ggml.tokens)"));
  if (!options.promptFile) {
    LAMINA_ASSIGN_OR_RETURN(std::string text, promptText(options.prompt.value_or("-")));
    return print(options, *tokenizer, text);
  }
  LAMINA_ASSIGN_OR_RETURN(std::vector<std::string> lines, promptLines(*options.promptFile));
  for (const std::string &line : lines)
    LAMINA_RETURN_IF_ERROR(print(options, *tokenizer, line));
  return absl::OkStatus();
}

} // namespace lamina::run
