//===- ArtifactWriter.cpp - writes an artifact so that it exists whole or not at all ------------------===//

#include "runtime/io/ArtifactWriter.h"

#include "runtime/base/MappedFile.h"
#include "runtime/base/StrCat.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace lamina {
namespace {

namespace fs = std::filesystem;

absl::Status pathError(std::string_view what, std::string_view path, int error, std::string_view remedy) {
  return absl::UnavailableError(
      strCat("cannot ", what, " '", path, "': ", std::strerror(error), "; ", remedy));
}

int syncPath(const std::string &path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno;
  int error = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  return error;
}

std::string parentOf(const std::string &path) {
  std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

void removeTree(const std::string &path) {
  std::error_code ignored; // there is nobody left to tell
  fs::remove_all(path, ignored);
}

constexpr std::string_view kPartialInfix = ".partial-";

/// The temporary directories beside `path` and the processes that made them.
std::vector<std::pair<std::string, pid_t>> unfinishedArtifacts(const std::string &path) {
  std::vector<std::pair<std::string, pid_t>> found;
  fs::path parent = fs::path(path).parent_path();
  std::string prefix = strCat(fs::path(path).filename().string(), kPartialInfix);
  std::error_code ignored;
  for (fs::directory_iterator it(parent.empty() ? "." : parent, ignored), end; it != end;
       it.increment(ignored)) {
    std::string name = it->path().filename().string();
    pid_t pid = name.starts_with(prefix) ? static_cast<pid_t>(std::atoi(name.c_str() + prefix.size())) : 0;
    if (pid > 0)
      found.emplace_back(it->path().string(), pid);
  }
  return found;
}

} // namespace

bool isArtifactDirectory(const std::string &path) {
  auto file = MappedFile::open(path + "/" + kManifestFile);
  if (!file.ok())
    return false;
  std::string_view text(reinterpret_cast<const char *>(file->data()), file->size());
  return text.starts_with(kManifestPrefix);
}

void removeUnfinishedArtifact(const std::string &path) {
  for (const auto &[folder, pid] : unfinishedArtifacts(path))
    if (pid == ::getpid())
      removeTree(folder);
}

ArtifactWriter::ArtifactWriter(std::string path, std::string temporary)
    : path_(std::move(path)), temporary_(std::move(temporary)) {}

ArtifactWriter::~ArtifactWriter() {
  if (!committed_)
    removeTree(temporary_);
}

absl::StatusOr<std::unique_ptr<ArtifactWriter>> ArtifactWriter::create(std::string path) {
  while (path.size() > 1 && path.back() == '/')
    path.pop_back();
  struct stat info;
  if (::lstat(path.c_str(), &info) == 0) {
    std::error_code ignored;
    bool replaceable = S_ISDIR(info.st_mode) && (isArtifactDirectory(path) || fs::is_empty(path, ignored));
    if (!replaceable)
      return absl::AlreadyExistsError(strCat(
          "'", path, "' exists and is no artifact; it was left alone, remove it or choose another output"));
  } else if (errno != ENOENT) {
    return pathError("write", path, errno, "choose another output");
  }
  for (const auto &[folder, pid] : unfinishedArtifacts(path))
    if (::kill(pid, 0) != 0 && errno == ESRCH) // what a killed compiler left behind
      removeTree(folder);
  std::string temporary = strCat(path, kPartialInfix, ::getpid(), "-XXXXXX");
  if (!::mkdtemp(temporary.data()))
    return pathError("create a folder beside", path, errno,
                     "choose an output in a folder that can be written");
  // mkdtemp makes it private; an artifact is as readable as any other file of the user's.
  mode_t mask = ::umask(0);
  ::umask(mask);
  ::chmod(temporary.c_str(), 0777 & ~mask);
  return std::unique_ptr<ArtifactWriter>(new ArtifactWriter(std::move(path), std::move(temporary)));
}

absl::Status ArtifactWriter::makeFolders(std::string_view name) {
  for (size_t slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/', slash + 1)) {
    std::string folder = strCat(temporary_, "/", name.substr(0, slash));
    if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST)
      return writeError(name.substr(0, slash), errno, 0);
  }
  return absl::OkStatus();
}

absl::Status ArtifactWriter::writeError(std::string_view file, int error, uint64_t bytesNeeded) const {
  std::string where = strCat(path_, "/", file);
  if (error != ENOSPC && error != EDQUOT && error != EFBIG)
    return pathError("write", where, error, "nothing was left under the artifact's name");
  struct statvfs disk;
  uint64_t available = ::statvfs(temporary_.c_str(), &disk) == 0 ? disk.f_bavail * disk.f_frsize : 0;
  return absl::ResourceExhaustedError(strCat(
      "cannot write '", where, "': ", std::strerror(error), ": ", bytesNeeded, " more bytes needed, ",
      available,
      " available; free some space or choose another output, nothing was left under the artifact's name"));
}

absl::StatusOr<ArtifactFileWriter> ArtifactWriter::openFile(std::string name, uint64_t expectedBytes) {
  if (!isArtifactPath(name) || name == kManifestFile)
    return absl::InvalidArgumentError(strCat("'", name, "' may not be the name of an artifact's file"));
  {
    std::lock_guard lock(mutex_);
    if (!begun_.insert(name).second)
      return absl::AlreadyExistsError(strCat("the artifact has two files named '", name, "'"));
    LAMINA_RETURN_IF_ERROR(makeFolders(name));
  }
  return beginFile(std::move(name), expectedBytes);
}

absl::StatusOr<ArtifactFileWriter> ArtifactWriter::beginFile(std::string name, uint64_t expectedBytes) {
  std::string path = strCat(temporary_, "/", name);
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0)
    return writeError(name, errno, expectedBytes);
  ArtifactFileWriter file(*this, name, fd, expectedBytes);
  // File systems without reservation say so; only a real lack of space counts.
  if (expectedBytes > 0 && ::fallocate(fd, 0, 0, static_cast<off_t>(expectedBytes)) != 0 &&
      (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
    return writeError(name, errno, expectedBytes);
  return file;
}

absl::Status ArtifactWriter::addFile(std::string name, std::span<const uint8_t> bytes) {
  LAMINA_ASSIGN_OR_RETURN(ArtifactFileWriter file, openFile(std::move(name), bytes.size()));
  LAMINA_RETURN_IF_ERROR(file.append(bytes));
  return file.close();
}

absl::Status ArtifactWriter::addFile(std::string name, std::string_view bytes) {
  return addFile(std::move(name), std::span(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
}

absl::Status ArtifactWriter::copyFile(std::string name, const std::string &source) {
  LAMINA_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(source));
  return addFile(std::move(name), file.bytes());
}

absl::Status ArtifactWriter::syncFolders() const {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(temporary_, error), end; !error && entry != end;
       entry.increment(error)) {
    if (!entry->is_directory(error) || error)
      continue;
    if (int failed = syncPath(entry->path().string()))
      return pathError("write", entry->path().string(), failed, "nothing was left under the artifact's name");
  }
  if (error)
    return pathError("write", temporary_, error.value(), "nothing was left under the artifact's name");
  if (int failed = syncPath(temporary_))
    return pathError("write", temporary_, failed, "nothing was left under the artifact's name");
  return absl::OkStatus();
}

absl::Status ArtifactWriter::moveIntoPlace() {
  // An exchange never leaves a moment without an artifact of that name; it needs an old one and a file system
  // that knows it. Otherwise a plain rename, which replaces nothing but an empty directory.
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0) {
    committed_ = true;
    removeTree(temporary_); // now the old artifact
    return absl::OkStatus();
  }
  std::string old;
  if (isArtifactDirectory(path_)) {
    old = temporary_ + "-old";
    if (::rename(path_.c_str(), old.c_str()) != 0)
      return pathError("replace", path_, errno, "the old artifact was left as it was");
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    int error = errno;
    if (!old.empty())
      ::rename(old.c_str(), path_.c_str());
    return pathError("replace", path_, error, "what was there was left as it was");
  }
  committed_ = true;
  if (!old.empty())
    removeTree(old);
  return absl::OkStatus();
}

absl::Status ArtifactWriter::commit(ArtifactManifest manifest) {
  for (const std::string &name : begun_)
    if (!files_.contains(name))
      return absl::InternalError(strCat("the artifact's file '", name, "' was begun but not finished"));
  manifest.files = files_;
  std::string text = formatManifest(manifest);
  // Whoever changed a field must not produce what no reader accepts.
  if (auto parsed = parseManifest(text); !parsed.ok())
    return absl::InternalError(strCat("the manifest would be refused: ", parsed.status().message()));
  LAMINA_ASSIGN_OR_RETURN(ArtifactFileWriter file, beginFile(kManifestFile, text.size()));
  LAMINA_RETURN_IF_ERROR(file.append(text));
  LAMINA_RETURN_IF_ERROR(file.close());
  LAMINA_RETURN_IF_ERROR(syncFolders());
  LAMINA_RETURN_IF_ERROR(moveIntoPlace());
  syncPath(parentOf(path_)); // makes the new name itself durable; the artifact is complete either way
  return absl::OkStatus();
}

} // namespace lamina
