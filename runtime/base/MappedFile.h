//===- MappedFile.h - a whole file, read only, in memory --------------------------------------*- C++ -*-===//
//
// Maps a file privately and read-only. The bytes stay valid as long as the object lives, also after the file
// was removed or renamed. Truncating a mapped file from outside is undefined (the kernel sends SIGBUS), as
// for every program that maps files. Moving is cheap; copying is not possible. Const use is thread-safe.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_BASE_MAPPEDFILE_H
#define LAMINA_RUNTIME_BASE_MAPPEDFILE_H

#include "runtime/base/Status.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace lamina {

class MappedFile {
public:
  /// Maps the regular file at `path`. An empty file gives an empty span. Errors name the path and the cause:
  /// NotFound, PermissionDenied, FailedPrecondition (a directory or device), Unavailable (anything else).
  static absl::StatusOr<MappedFile> open(const std::string &path);

  /// Maps the file behind an open descriptor, which is closed in any case; `path` names it in messages. For
  /// callers that restrict what may be opened.
  static absl::StatusOr<MappedFile> fromDescriptor(int fd, const std::string &path);

  /// Nothing mapped, no path.
  MappedFile() = default;
  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;
  ~MappedFile();

  const std::string &path() const { return path_; }
  const uint8_t *data() const { return data_; }
  size_t size() const { return size_; }
  std::span<const uint8_t> bytes() const { return {data_, size_}; }

  /// Asks the kernel to cache in huge pages what it still has to read of the file, and to map what it has so. A
  /// hint: not every file system can.
  void preferHugePages() const;

  /// Tells the kernel that [offset, offset + length) will be read soon. A hint: errors are ignored.
  void willNeed(size_t offset, size_t length) const;

private:
  void unmap();

  std::string path_;
  const uint8_t *data_ = nullptr;
  size_t size_ = 0;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_BASE_MAPPEDFILE_H
