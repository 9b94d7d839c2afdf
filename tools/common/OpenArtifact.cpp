//===- OpenArtifact.cpp - the artifact behind MODEL on a command line ---------------------------------===//

#include "tools/common/OpenArtifact.h"

#include "runtime/base/Clock.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/StrCat.h"
#include "runtime/io/GGUFReader.h"
#include "tools/common/CompileCache.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace lamina {
namespace {

/// Whether another compilation helps: what is in the artifact is wrong, rather than reading it.
bool isDamage(const absl::Status &status) {
  return absl::IsDataLoss(status) || absl::IsFailedPrecondition(status) || absl::IsInvalidArgument(status);
}

bool isGGUFFile(const std::string &path) {
  auto file = MappedFile::open(path);
  return file.ok() && GGUFReader::looksLikeGGUF(file->bytes());
}

} // namespace

absl::StatusOr<ArtifactReader> openArtifact(const ModelSource &source, uint64_t *began) {
  auto open = [&](const std::string &path) {
    if (began)
      *began = monotonicNanoseconds();
    return ArtifactReader::open(path, static_cast<unsigned>(source.threads));
  };
  std::error_code ignored; // a path that cannot be examined is reported by whoever opens it
  if (!std::filesystem::is_regular_file(source.model, ignored))
    return open(source.model);
  if (!isGGUFFile(source.model))
    return absl::InvalidArgumentError(
        strCat("'", source.model,
               "' is neither an artifact (a folder made by lamina-opt) nor a GGUF file; "
               "compile other models with lamina-opt MODEL -o NAME.lamina"));
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
