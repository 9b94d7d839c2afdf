//===- MappedFile.cpp - a whole file, read only, in memory ----------------------------------------------===//

#include "runtime/base/MappedFile.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace lamina {
namespace {

absl::Status fileError(const char *what, const std::string &path, int error) {
  std::string message = absl::StrCat("cannot ", what, " '", path, "': ", std::strerror(error));
  switch (error) {
  case ENOENT:
  case ENOTDIR:
    return absl::NotFoundError(message + "; check the path");
  case EACCES:
  case EPERM:
    return absl::PermissionDeniedError(message + "; check the file's permissions");
  default:
    return absl::UnavailableError(message);
  }
}

} // namespace

absl::StatusOr<MappedFile> MappedFile::open(const std::string &path) {
  // Without O_NONBLOCK opening a fifo would wait for a writer for ever.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return fileError("open", path, errno);
  return fromDescriptor(fd, path);
}

absl::StatusOr<MappedFile> MappedFile::fromDescriptor(int fd, const std::string &path) {
  struct stat info;
  if (::fstat(fd, &info) != 0) {
    int error = errno;
    ::close(fd);
    return fileError("read the size of", path, error);
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    return absl::FailedPreconditionError(
        absl::StrCat("'", path, "' is ", S_ISDIR(info.st_mode) ? "a directory" : "not a regular file",
                     "; expected a file"));
  }
  MappedFile file;
  file.path_ = path;
  // mmap refuses length 0.
  if (info.st_size > 0) {
    void *address = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
    if (address == MAP_FAILED) {
      int error = errno;
      ::close(fd);
      return fileError("map", path, error);
    }
    file.data_ = static_cast<const uint8_t *>(address);
    file.size_ = static_cast<size_t>(info.st_size);
  }
  ::close(fd);
  return file;
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  if (this != &other) {
    unmap();
    path_ = std::move(other.path_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

MappedFile::~MappedFile() { unmap(); }

void MappedFile::unmap() {
  if (data_)
    ::munmap(const_cast<uint8_t *>(data_), size_);
  data_ = nullptr;
  size_ = 0;
}

void MappedFile::preferHugePages() const {
  if (data_)
    ::madvise(const_cast<uint8_t *>(data_), size_, MADV_HUGEPAGE);
}

void MappedFile::willNeed(size_t offset, size_t length) const {
  if (!data_ || offset >= size_)
    return;
  // madvise wants a page-aligned address.
  size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  size_t begin = offset / page * page;
  size_t end = offset + std::min(length, size_ - offset);
  ::madvise(const_cast<uint8_t *>(data_) + begin, end - begin, MADV_WILLNEED);
}

} // namespace lamina
