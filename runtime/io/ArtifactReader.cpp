//===- ArtifactReader.cpp - opens an artifact after checking every byte of it -------------------------===//

#include "runtime/io/ArtifactReader.h"

#include "runtime/base/MappedFile.h"
#include "runtime/base/Sha256.h"
#include "runtime/base/StrCat.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <set>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace lamina {
namespace {

constexpr std::string_view kRemedy = "copy the artifact again or recompile";

absl::Status inArtifact(const std::string &path, std::string_view file, const absl::Status &status) {
  return absl::Status(status.code(), strCat("artifact '", path, "': ", file, ": ", status.message()));
}

struct DirectoryCloser {
  void operator()(DIR *directory) const { ::closedir(directory); }
};

/// What stands in the directory, without following links.
class Listing {
public:
  Listing(const std::string &root, const ArtifactManifest &manifest) : root_(root), manifest_(manifest) {
    for (const auto &[path, file] : manifest.files)
      for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
        folders_.insert(path.substr(0, slash));
  }

  /// Every file must be listed with its size, every listed file be there.
  absl::Status check() {
    LAMINA_RETURN_IF_ERROR(visit(""));
    for (const auto &[path, file] : manifest_.files)
      if (!seen_.contains(path))
        return absl::DataLossError(strCat("artifact '", root_, "': ", path, ": missing; ", kRemedy));
    return absl::OkStatus();
  }

private:
  /// `folder` is "" or "code/". Depth is bounded: only folders of listed files are entered.
  absl::Status visit(const std::string &folder) {
    std::string path = strCat(root_, "/", folder);
    std::unique_ptr<DIR, DirectoryCloser> directory(::opendir(path.c_str()));
    if (!directory)
      return absl::UnavailableError(strCat("cannot read '", path, "': ", std::strerror(errno)));
    while (dirent *entry = ::readdir(directory.get())) {
      std::string_view name = entry->d_name;
      if (name == "." || name == "..")
        continue;
      LAMINA_RETURN_IF_ERROR(visitEntry(::dirfd(directory.get()), entry->d_name, strCat(folder, name)));
    }
    return absl::OkStatus();
  }

  absl::Status visitEntry(int directory, const char *name, const std::string &path) {
    auto refuse = [&](std::string_view what) {
      return absl::DataLossError(strCat("artifact '", root_, "': ", path, ": ", what));
    };
    struct stat info;
    if (::fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
      return refuse(std::strerror(errno));
    if (S_ISDIR(info.st_mode))
      return folders_.contains(path) ? visit(path + "/") : refuse("folder not in the manifest; remove it");
    if (!S_ISREG(info.st_mode))
      return refuse("expected a regular file, got a link or device; remove it");
    if (path == kManifestFile)
      return absl::OkStatus();
    auto listed = manifest_.files.find(path);
    if (listed == manifest_.files.end())
      return refuse("not in the manifest; remove it");
    if (static_cast<uint64_t>(info.st_size) != listed->second.bytes)
      return refuse(strCat("has ", info.st_size, " bytes, expected ", listed->second.bytes, "; ", kRemedy));
    seen_.insert(path);
    return absl::OkStatus();
  }

  const std::string &root_;
  const ArtifactManifest &manifest_;
  std::set<std::string> folders_;
  std::set<std::string> seen_;
};

/// Hashes all files, a chunk at a time, so that every thread has work until the end.
class DigestCheck {
public:
  DigestCheck(const std::string &root, const ArtifactManifest &manifest)
      : root_(root), chunked_(manifest.formatVersion >= kChunkDigestFormatVersion) {
    for (const auto &[name, listed] : manifest.files)
      files_.push_back({.name = name, .listed = listed, .mapped = {}, .digests = {}});
  }

  absl::Status run(unsigned threads) {
    for (File &file : files_)
      LAMINA_RETURN_IF_ERROR(map(file));
    if (threads == 0)
      threads = std::max(1u, std::thread::hardware_concurrency());
    threads = static_cast<unsigned>(std::min<size_t>(threads, chunks_.size()));
    std::vector<std::thread> helpers;
    try {
      for (unsigned i = 1; i < threads; ++i)
        helpers.emplace_back([this] { work(); });
    } catch (const std::system_error &) { // fewer do as well
    }
    work();
    for (std::thread &helper : helpers)
      helper.join();
    for (const File &file : files_)
      LAMINA_RETURN_IF_ERROR(compare(file));
    return absl::OkStatus();
  }

private:
  struct File {
    const std::string &name;
    const ArtifactFile &listed;
    MappedFile mapped;
    std::vector<Sha256::Digest> digests; // by chunk
  };
  struct Chunk {
    File *file;
    size_t index;
  };

  absl::Status map(File &file) {
    absl::StatusOr<MappedFile> mapped = MappedFile::open(strCat(root_, "/", file.name));
    if (!mapped.ok())
      return inArtifact(root_, file.name, mapped.status());
    file.mapped = *std::move(mapped);
    if (file.mapped.size() != file.listed.bytes) // it was right a moment ago
      return absl::DataLossError(
          strCat("artifact '", root_, "': ", file.name, ": is being changed; try again"));
    file.mapped.preferHugePages();
    file.digests.resize(chunked_ ? (file.mapped.size() + kDigestChunkBytes - 1) / kDigestChunkBytes : 1);
    for (size_t i = 0; i < file.digests.size(); ++i)
      chunks_.push_back({&file, i});
    return absl::OkStatus();
  }

  void work() {
    Sha256 sha;
    for (size_t i = next_++; i < chunks_.size(); i = next_++) {
      auto [file, index] = chunks_[i];
      std::span<const uint8_t> bytes = file->mapped.bytes();
      if (chunked_) {
        bytes = bytes.subspan(index * kDigestChunkBytes);
        bytes = bytes.first(std::min(bytes.size(), kDigestChunkBytes));
      }
      sha.update(bytes);
      file->digests[index] = sha.finish();
    }
  }

  std::string digestOf(const File &file) const {
    if (!chunked_)
      return Sha256::hex(file.digests[0]);
    Sha256 sha;
    for (const Sha256::Digest &digest : file.digests)
      sha.update(digest);
    return Sha256::hex(sha.finish());
  }

  absl::Status compare(const File &file) const {
    std::string actual = digestOf(file);
    if (actual == file.listed.digest)
      return absl::OkStatus();
    return absl::DataLossError(strCat("artifact '", root_, "': ", file.name, ": sha256 is ", actual,
                                      ", expected ", file.listed.digest, "; ", kRemedy));
  }

  const std::string &root_;
  const bool chunked_;      // or each file as one, as before there were chunks
  std::vector<File> files_; // in the manifest's order, which is that of their names
  std::vector<Chunk> chunks_;
  std::atomic<size_t> next_ = 0;
};

absl::StatusOr<ArtifactManifest> readManifest(const std::string &path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0)
    return absl::NotFoundError(
        strCat("cannot open '", path, "': ", std::strerror(errno), "; check the path"));
  std::string manifestPath = strCat(path, "/", kManifestFile);
  if (!S_ISDIR(info.st_mode) || ::lstat(manifestPath.c_str(), &info) != 0)
    return absl::InvalidArgumentError(
        strCat("'", path, "' is no artifact: it holds no ", kManifestFile,
               "; compile a model to one with lamina-opt MODEL -o NAME.lamina"));
  if (!S_ISREG(info.st_mode) || static_cast<uint64_t>(info.st_size) > kMaxManifestBytes)
    return inArtifact(path, kManifestFile,
                      absl::DataLossError(strCat("expected a regular file of at most ", kMaxManifestBytes,
                                                 " bytes; ", kRemedy)));
  LAMINA_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(manifestPath));
  auto manifest = parseManifest({reinterpret_cast<const char *>(file.data()), file.size()});
  if (!manifest.ok())
    return inArtifact(path, kManifestFile, manifest.status());
  return manifest;
}

absl::Status checkFileReference(const ArtifactManifest &manifest, const std::string &worker,
                                const std::string &file) {
  if (manifest.files.contains(file))
    return absl::OkStatus();
  return absl::DataLossError(
      strCat("worker '", worker, "' needs file '", file, "', which the artifact does not have; recompile"));
}

} // namespace

absl::StatusOr<plan::Plan> parsePlan(std::string_view bytes, const ArtifactManifest &manifest) {
  plan::Plan plan;
  if (bytes.size() > kMaxPlanBytes || !plan.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return absl::DataLossError("not a plan in Protobuf; recompile");
  uint32_t version = plan.format_version();
  if (version < kOldestPlanFormatVersion || version > kPlanFormatVersion)
    return absl::FailedPreconditionError(strCat("plan format version ", version, ", this lamina-run reads ",
                                                kOldestPlanFormatVersion, " to ", kPlanFormatVersion,
                                                "; compile the model again with this version's lamina-opt"));
  for (const plan::Worker &worker : plan.workers()) {
    if (!worker.weights_file().empty())
      LAMINA_RETURN_IF_ERROR(checkFileReference(manifest, worker.name(), worker.weights_file()));
    for (const plan::CodeObject &code : worker.code())
      LAMINA_RETURN_IF_ERROR(checkFileReference(manifest, worker.name(), code.file()));
  }
  return plan;
}

absl::StatusOr<ArtifactReader> ArtifactReader::open(const std::string &path, unsigned threads) {
  ArtifactReader reader;
  reader.path_ = path;
  while (reader.path_.size() > 1 && reader.path_.back() == '/')
    reader.path_.pop_back();
  LAMINA_ASSIGN_OR_RETURN(reader.manifest_, readManifest(reader.path_));
  for (const char *required : {kPlanFile, kTokenizerFile})
    if (!reader.manifest_.files.contains(required))
      return inArtifact(reader.path_, kManifestFile,
                        absl::DataLossError(strCat("lists no ", required, "; recompile")));
  LAMINA_RETURN_IF_ERROR(Listing(reader.path_, reader.manifest_).check());
  LAMINA_RETURN_IF_ERROR(DigestCheck(reader.path_, reader.manifest_).run(threads));
  LAMINA_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(reader.filePath(kPlanFile)));
  auto plan = parsePlan({reinterpret_cast<const char *>(file.data()), file.size()}, reader.manifest_);
  if (!plan.ok())
    return inArtifact(reader.path_, kPlanFile, plan.status());
  reader.plan_ = *std::move(plan);
  return reader;
}

std::string ArtifactReader::filePath(std::string_view name) const { return strCat(path_, "/", name); }

uint64_t ArtifactReader::totalBytes() const {
  uint64_t total = 0;
  for (const auto &[path, file] : manifest_.files)
    total += file.bytes;
  return total;
}

} // namespace lamina
