//===- ArtifactManifest.h - manifest.json ---------------------------------------------------*- C++ -*-===//
//
// What an artifact says about itself: versions, source model, targets, and size and digest of every file.
// The text is canonical (sorted, no time stamps), so equal artifacts have equal manifests. Its first line
// carries the SHA-256 of all that follows it; a damaged manifest is therefore recognised before it is
// believed.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_ARTIFACTMANIFEST_H
#define LAMINA_RUNTIME_IO_ARTIFACTMANIFEST_H

#include "runtime/base/Status.h"
#include "runtime/io/ArtifactFormat.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

struct ArtifactFile {
  uint64_t bytes = 0;
  std::string digest; ///< 64 lower-case hexadecimal digits; see kChunkDigestFormatVersion

  bool operator==(const ArtifactFile &) const = default;
};

struct ArtifactManifest {
  uint32_t formatVersion = kArtifactFormatVersion;
  std::string compilerVersion;
  std::string modelName;            ///< file name of the source model, without its folder
  std::string modelSha256;          ///< of the source model; of its parts' concatenation for a split file
  std::vector<std::string> targets; ///< "x86-64-v3", "aarch64", in the compiler's order
  std::vector<std::string> flags;   ///< compile flags that changed the result, in the compiler's order
  std::map<std::string, ArtifactFile>
      files; ///< every file but the manifest, by path relative to the artifact

  bool operator==(const ArtifactManifest &) const = default;
};

/// The canonical text.
std::string formatManifest(const ArtifactManifest &manifest);

/// Parses and checks a manifest's text: hash, version, every field's presence and type, file names and
/// hashes. Errors do not name the manifest; the caller knows where it came from.
absl::StatusOr<ArtifactManifest> parseManifest(std::string_view text);

/// Whether `path` may name a file of an artifact: relative, components of [A-Za-z0-9._+-] that do not begin
/// with a dot, at most kMaxArtifactPathBytes.
bool isArtifactPath(std::string_view path);

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_ARTIFACTMANIFEST_H
