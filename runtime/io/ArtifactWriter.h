//===- ArtifactWriter.h - writes an artifact so that it exists whole or not at all ----------*- C++ -*-===//
//
// Files go into a temporary directory beside the final one, are hashed on the way, and reach the disk before
// one rename gives them their name. Until commit() succeeds the final name keeps what it held; whatever fails
// or is abandoned is removed. A killed process leaves at most NAME.partial-PID-XXXXXX, never a half-written
// NAME; the next writer of NAME removes it.
//
// The writer and each of its files serve one thread at a time; different files may be written by different
// threads.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_ARTIFACTWRITER_H
#define LAMINA_RUNTIME_IO_ARTIFACTWRITER_H

#include "runtime/base/Sha256.h"
#include "runtime/base/Status.h"
#include "runtime/io/ArtifactManifest.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

class ArtifactWriter;

/// One file being written, front to back. Destroying it without close() leaves the artifact incomplete:
/// commit() then fails.
class ArtifactFileWriter {
public:
  ArtifactFileWriter(ArtifactFileWriter &&other) noexcept;
  ArtifactFileWriter &operator=(ArtifactFileWriter &&) = delete;
  ~ArtifactFileWriter();

  absl::Status append(std::span<const uint8_t> bytes);
  absl::Status append(std::string_view bytes);
  /// Zeros up to the next multiple of `alignment`.
  absl::Status alignTo(uint64_t alignment);
  /// Bytes so far.
  uint64_t offset() const { return offset_; }
  /// Flushes to the disk and enters size and hash into the manifest. Nothing may be appended afterwards.
  absl::Status close();

private:
  friend class ArtifactWriter;
  ArtifactFileWriter(ArtifactWriter &writer, std::string name, int fd, uint64_t expectedBytes);
  absl::Status writeChunk();

  ArtifactWriter *writer_;
  std::string name_;
  int fd_;
  uint64_t offset_ = 0;
  uint64_t expectedBytes_;
  std::vector<uint8_t> chunk_; // what was appended since the last whole chunk
  Sha256 digest_;              // of the digests of the chunks so far
};

class ArtifactWriter {
public:
  /// Prepares to write the artifact `path`. Fails if `path` exists and is anything but an artifact or an
  /// empty directory, or if its parent cannot be written.
  static absl::StatusOr<std::unique_ptr<ArtifactWriter>> create(std::string path);

  ArtifactWriter(const ArtifactWriter &) = delete;
  ArtifactWriter &operator=(const ArtifactWriter &) = delete;
  /// Removes the temporary directory unless it was committed.
  ~ArtifactWriter();

  /// Begins the file `name` (isArtifactPath). With `expectedBytes` its space is reserved at once, so that a
  /// full disk shows before hours of work and not after; the file may still become longer.
  absl::StatusOr<ArtifactFileWriter> openFile(std::string name, uint64_t expectedBytes = 0);
  /// The whole file `name` from memory.
  absl::Status addFile(std::string name, std::span<const uint8_t> bytes);
  absl::Status addFile(std::string name, std::string_view bytes);
  /// The whole file `name` copied from the file `source`.
  absl::Status copyFile(std::string name, const std::string &source);

  /// Writes the manifest (its `files` are filled in here), flushes everything and gives the artifact its
  /// name, replacing an artifact that had it. Nothing may be written afterwards.
  absl::Status commit(ArtifactManifest manifest);

private:
  friend class ArtifactFileWriter;
  ArtifactWriter(std::string path, std::string temporary);

  absl::Status makeFolders(std::string_view name);
  absl::StatusOr<ArtifactFileWriter> beginFile(std::string name, uint64_t expectedBytes);
  absl::Status writeError(std::string_view file, int error, uint64_t bytesNeeded) const;
  absl::Status syncFolders() const;
  absl::Status moveIntoPlace();

  std::string path_;
  std::string temporary_;
  std::mutex mutex_;                          // guards the two below
  std::map<std::string, ArtifactFile> files_; // closed
  std::set<std::string> begun_;               // every name, closed or not
  bool committed_ = false;
};

/// Removes what writers of this process have begun of the artifact `path`: for a process that is about to end
/// by a signal and runs no destructors. Thread-safe; what a writer still creates meanwhile may stay.
void removeUnfinishedArtifact(const std::string &path);

/// Whether `path` is a directory that holds an artifact's manifest.
bool isArtifactDirectory(const std::string &path);

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_ARTIFACTWRITER_H
