//===- OpenArtifact.cpp - the artifact behind MODEL on a command line ---------------------------------===//

#include "tools/common/OpenArtifact.h"

#include "runtime/base/Clock.h"
#include "runtime/base/StrCat.h"
#include "tools/common/CompileCache.h"
#include "tools/common/SourceFiles.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace lamina {
namespace {

/// Whether another compilation helps: what is in the artifact is wrong, rather than reading it.
bool isDamage(const absl::Status &status) {
  return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status);
}

} // namespace

absl::StatusOr<ArtifactReader> openArtifact(const ModelSource &source, uint64_t *began) {
  auto open = [&](const std::string &path) {
    if (began)
      *began = monotonicNanoseconds();
    return ArtifactReader::open(path, static_cast<unsigned>(source.threads));
  };
  std::error_code ignored; // a path that cannot be examined is reported by whoever opens it
  bool compiles = looksLikeSource(source.model);
  if (!compiles && std::filesystem::is_regular_file(source.model, ignored))
    return absl::InvalidArgumentError(strCat("'", source.model, "' is neither an artifact (a folder made by lamina-opt) nor a GGUF or "
                                             "ONNX file"));
  if (!compiles)
    return open(source.model);
  LAMINA_ASSIGN_OR_RETURN(std::string path, compileIntoCache(source.model, source.compileFlags));
  absl::StatusOr<ArtifactReader> artifact = open(path);
  if (!isDamage(artifact.status()))
    return artifact;
  std::fprintf(stderr, "%s: warning: %s; compiling it again\n", program_invocation_short_name,
               std::string(artifact.status().message()).c_str());
  LAMINA_ASSIGN_OR_RETURN(path, compileIntoCache(source.model, source.compileFlags, /*again=*/true));
  return open(path);
}

} // namespace lamina
