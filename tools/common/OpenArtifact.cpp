//===- OpenArtifact.cpp - the artifact behind MODEL on a command line ---------------------------------===//

#include "tools/common/OpenArtifact.h"

#include "lib/Import/ModelPath.h"
#include "runtime/base/Clock.h"
#include "runtime/base/StrCat.h"
#include "tools/common/CompileCache.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace lamina {
namespace {

namespace fs = std::filesystem;

/// What is wrong with a model that is neither there compiled nor compiled first; nothing if its artifact may say more.
absl::Status refusalOf(const std::string &model) {
  std::error_code ignored; // a path that cannot be examined is reported by whoever opens it
  if (fs::is_regular_file(model, ignored))
    return absl::InvalidArgumentError(
        strCat("'", model, "' is neither an artifact (a folder made by lamina-opt) nor a GGUF or ONNX file"));
  if (fs::is_directory(model, ignored) && !fs::exists(fs::path(model) / kManifestFile, ignored))
    return absl::InvalidArgumentError(strCat("'", model, "' is no artifact: it holds no ", kManifestFile,
                                             "; ", modelFile(model).status().message()));
  return absl::OkStatus();
}

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
  if (!looksLikeSource(source.model)) {
    LAMINA_RETURN_IF_ERROR(refusalOf(source.model));
    return open(source.model);
  }
  LAMINA_ASSIGN_OR_RETURN(CachedArtifact cached, compileIntoCache(source));
  absl::StatusOr<ArtifactReader> artifact = open(cached.path);
  bool removed = stampOf(cached.path) != cached.stamp; // by a process that found it damaged, too
  if (artifact.ok() || (!isDamage(artifact.status()) && !removed))
    return artifact;
  std::fprintf(stderr, "%s: warning: %s; compiling it again\n", program_invocation_short_name,
               std::string(artifact.status().message()).c_str());
  LAMINA_ASSIGN_OR_RETURN(cached, compileIntoCache(source, cached.stamp));
  return open(cached.path);
}

} // namespace lamina
