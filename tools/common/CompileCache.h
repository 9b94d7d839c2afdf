//===- CompileCache.h - artifacts of models that are run directly ---------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_COMPILECACHE_H
#define LAMINA_TOOLS_COMMON_COMPILECACHE_H

#include "tools/common/SourceFiles.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

/// Tells an artifact from the one that replaces it: its manifest's inode and time of writing.
struct ArtifactStamp {
  uint64_t inode = 0;
  int64_t seconds = 0, nanoseconds = 0;

  bool operator==(const ArtifactStamp &) const = default;
};

/// Nothing if there is no artifact.
std::optional<ArtifactStamp> stampOf(const std::string &artifact);

/// The artifact of a model that openSourceFiles opens: $XDG_CACHE_HOME/lamina/KEY.lamina (~/.cache/lamina without the variable),
/// where KEY is the compileCacheKey. If it is missing, lamina-opt makes it: the one beside this program, or
/// else the one in PATH; also if the one that is there is the `damaged` one. Another process that finds it damaged may
/// replace it from then on, so its stamp is of when it was found.
struct CachedArtifact {
  std::string path;
  std::optional<ArtifactStamp> stamp;
};
absl::StatusOr<CachedArtifact> compileIntoCache(const ModelSource &source,
                                                const std::optional<ArtifactStamp> &damaged = std::nullopt);

/// The SHA-256 of everything that such an artifact depends on: what the model and its files are called, how long they are, and the
/// `digest` of their bytes (see modelDigest); our version, the compiler at that path, the `target` that it chooses by itself, and
/// its `flags` with digests of the files that they name. Machines that share a home folder need not run the same code.
std::string compileCacheKey(const SourceFiles &model, const std::string &digest, const std::string &compiler,
                            const std::string &target, const std::vector<std::string> &flags);

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_COMPILECACHE_H
