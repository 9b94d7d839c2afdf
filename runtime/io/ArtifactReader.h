//===- ArtifactReader.h - opens an artifact after checking every byte of it -----------------*- C++ -*-===//
//
// open() checks in this order, and refuses at the first failure: the manifest's own hash and version; that
// the directory holds the listed files, all of them and nothing else, as regular files; every size; every
// SHA-256; the plan's version and its references to files. Nothing of the artifact is parsed or executed
// before its hash holds.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_ARTIFACTREADER_H
#define LAMINA_RUNTIME_IO_ARTIFACTREADER_H

#include "runtime/base/Status.h"
#include "runtime/io/ArtifactManifest.h"
#include "runtime/io/plan.pb.h"

#include <string>
#include <string_view>

namespace lamina {

class ArtifactReader {
public:
  /// Opens and verifies the artifact at `path`, hashing with up to `threads` threads (0: one per core).
  /// Errors name the artifact and the file.
  static absl::StatusOr<ArtifactReader> open(const std::string &path, unsigned threads = 0);

  const std::string &path() const { return path_; }
  const ArtifactManifest &manifest() const { return manifest_; }
  const plan::Plan &plan() const { return plan_; }
  /// Path of one of the artifact's files in the file system.
  std::string filePath(std::string_view name) const;
  /// Bytes of all files but the manifest.
  uint64_t totalBytes() const;

private:
  ArtifactReader() = default;

  std::string path_;
  ArtifactManifest manifest_;
  plan::Plan plan_;
};

/// Parses plan.pb and checks its version and that the files it names are in the manifest; the executor checks
/// the rest before it runs anything. Errors do not name the plan.
absl::StatusOr<plan::Plan> parsePlan(std::string_view bytes, const ArtifactManifest &manifest);

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_ARTIFACTREADER_H
