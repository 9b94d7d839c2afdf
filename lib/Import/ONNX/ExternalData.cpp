//===- ExternalData.cpp - tensors outside the model's file -----------------------------------------===//

#include "lib/Import/ONNX/ExternalData.h"

#include "runtime/base/StrCat.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lamina::onnx {
namespace {

/// O_NONBLOCK: opening a fifo would wait for a writer for ever.
constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;

absl::Status openError(int error) {
  switch (error) {
  case ENOENT:
  case ENOTDIR:
    return absl::NotFoundError(
        "the file is missing; put it next to the model, download or export both again");
  case ELOOP:
    return absl::InvalidArgumentError(
        "the path leads through a symbolic link, which a model must not use; put the "
        "file itself there (Hugging Face: download with --local-dir)");
  case EXDEV:
    return absl::InvalidArgumentError(
        "the path leaves the model's directory; put the file next to the model");
  default:
    return absl::UnavailableError(strCat("cannot open the file: ", std::strerror(error)));
  }
}

/// What must hold of the open file itself.
absl::Status checkFile(int fd) {
  struct stat info;
  if (::fstat(fd, &info) != 0)
    return absl::UnavailableError(strCat("cannot read the file's size: ", std::strerror(errno)));
  if (!S_ISREG(info.st_mode))
    return absl::InvalidArgumentError(strCat(
        "this is ", S_ISDIR(info.st_mode) ? "a directory" : "not a regular file", ", expected a file"));
  if (info.st_nlink > 1)
    return absl::InvalidArgumentError(
        "the file has several names (hard links), which a model must not use; put a "
        "copy there");
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> parseNumber(std::string_view key, std::string_view text, uint64_t otherwise) {
  if (text.empty())
    return otherwise;
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0)
    return absl::InvalidArgumentError(
        strCat("its ", key, ": expected a number from 0 to 2^63 - 1, got ", quoteName(text)));
  return static_cast<uint64_t>(value);
}

} // namespace

absl::StatusOr<std::string> normalLocation(std::string_view location) {
  if (location.empty())
    return absl::InvalidArgumentError("it has external data but no location; export the model again");
  if (location.front() == '/')
    return absl::InvalidArgumentError("the path is absolute, expected one relative to the model's directory");
  if (location.find('\0') != std::string_view::npos || location.find('\\') != std::string_view::npos)
    return absl::InvalidArgumentError("the path contains a backslash or NUL, expected '/' between folders");
  std::string normal;
  while (!location.empty()) {
    size_t slash = std::min(location.find('/'), location.size());
    std::string_view part = location.substr(0, slash);
    location.remove_prefix(std::min(slash + 1, location.size()));
    if (part == "..")
      return absl::InvalidArgumentError("the path contains '..', expected a file in the model's directory");
    if (!part.empty() && part != ".")
      normal += strCat(normal.empty() ? "" : "/", part);
  }
  if (normal.empty())
    return absl::InvalidArgumentError("the path names the model's directory, expected a file in it");
  return normal;
}

int openBeneath(int directory, const std::string &location) {
  struct open_how how = {};
  how.flags = kReadFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  int fd = static_cast<int>(::syscall(SYS_openat2, directory, location.c_str(), &how, sizeof(how)));
  // Sandboxes answer EPERM to system calls that they do not know.
  if (fd < 0 && (errno == ENOSYS || errno == EPERM))
    return openBeneathByWalking(directory, location);
  return fd;
}

int openBeneathByWalking(int directory, const std::string &location) {
  int current = directory;
  int fd = -1;
  size_t begin = 0;
  while (true) {
    size_t slash = location.find('/', begin);
    std::string part = location.substr(begin, slash - begin);
    bool last = slash == std::string::npos;
    fd = ::openat(current, part.c_str(), last ? kReadFlags : O_PATH | O_CLOEXEC | O_NOFOLLOW);
    int error = errno;
    if (current != directory)
      ::close(current);
    errno = error;
    if (last || fd < 0)
      return fd;
    // With O_PATH a link is opened itself.
    struct stat info;
    if (::fstat(fd, &info) == 0 && S_ISLNK(info.st_mode)) {
      ::close(fd);
      errno = ELOOP;
      return -1;
    }
    current = fd;
    begin = slash + 1;
  }
}

ExternalData::~ExternalData() {
  if (directory_ >= 0)
    ::close(directory_);
}

absl::StatusOr<int> ExternalData::directory() {
  if (directory_ >= 0)
    return directory_;
  if (files_.front().mapping.path().empty())
    return absl::NotFoundError(
        "the model was read from memory, so its directory is unknown; open it by its path");
  std::filesystem::path parent = std::filesystem::path(files_.front().path).parent_path();
  directory_ = ::open(parent.empty() ? "." : parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory_ < 0)
    return absl::UnavailableError(strCat("cannot open the model's directory: ", std::strerror(errno)));
  return directory_;
}

absl::Status ExternalData::openFile(const std::string &location, ModelFile &file) {
  LAMINA_ASSIGN_OR_RETURN(int parent, directory());
  int fd = openBeneath(parent, location);
  if (fd < 0)
    return openError(errno);
  if (absl::Status status = checkFile(fd); !status.ok()) {
    ::close(fd);
    return status;
  }
  LAMINA_ASSIGN_OR_RETURN(file.mapping, MappedFile::fromDescriptor(fd, file.path));
  file.bytes = file.mapping.bytes();
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> ExternalData::fileAt(std::string_view location) {
  LAMINA_ASSIGN_OR_RETURN(std::string normal, normalLocation(location));
  auto [entry, inserted] = opened_.try_emplace(normal, static_cast<uint32_t>(files_.size()));
  if (!inserted)
    return entry->second;
  ModelFile file;
  file.path = (std::filesystem::path(files_.front().path).parent_path() / normal).string();
  absl::Status status = openFile(normal, file);
  file.missing = absl::IsNotFound(status);
  if (!status.ok() && !(file.missing && allowMissing_))
    return status;
  files_.push_back(std::move(file));
  return entry->second;
}

absl::StatusOr<TensorPlace> ExternalData::find(const ExternalReference &reference, uint64_t bytes) {
  TensorPlace place{.bytes = bytes};
  LAMINA_ASSIGN_OR_RETURN(place.file, fileAt(reference.location));
  LAMINA_ASSIGN_OR_RETURN(place.offset, parseNumber("offset", reference.offset, 0));
  LAMINA_ASSIGN_OR_RETURN(uint64_t length, parseNumber("length", reference.length, bytes));
  if (length != bytes)
    return absl::InvalidArgumentError(strCat("its shape takes ", bytes, " bytes, but the model gives it ",
                                             length, "; export the model again"));
  const ModelFile &file = files_[place.file];
  if (!file.missing && (place.offset > file.bytes.size() || bytes > file.bytes.size() - place.offset))
    return absl::OutOfRangeError(
        strCat("it takes ", bytes, " bytes at offset ", place.offset, " of a file of ", file.bytes.size(),
               " bytes; the file is cut off or of another model, download it again"));
  return place;
}

} // namespace lamina::onnx
