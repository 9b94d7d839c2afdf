//===- ArtifactFileWriter.cpp - writes one file of an artifact ----------------------------------------===//

#include "runtime/io/ArtifactWriter.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace lamina {

static int writeAll(int fd, const uint8_t *data, size_t size) {
  while (size > 0) {
    ssize_t written = ::write(fd, data, size);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return errno;
    data += written;
    size -= static_cast<size_t>(written);
  }
  return 0;
}

ArtifactFileWriter::ArtifactFileWriter(ArtifactWriter &writer, std::string name, int fd,
                                       uint64_t expectedBytes)
    : writer_(&writer), name_(std::move(name)), fd_(fd), expectedBytes_(expectedBytes) {}

ArtifactFileWriter::ArtifactFileWriter(ArtifactFileWriter &&other) noexcept
    : writer_(other.writer_), name_(std::move(other.name_)), fd_(std::exchange(other.fd_, -1)),
      offset_(other.offset_), expectedBytes_(other.expectedBytes_), chunk_(std::move(other.chunk_)),
      digest_(std::move(other.digest_)) {}

ArtifactFileWriter::~ArtifactFileWriter() {
  if (fd_ >= 0)
    ::close(fd_);
}

absl::Status ArtifactFileWriter::append(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    std::span<const uint8_t> part = bytes.first(std::min(bytes.size(), kDigestChunkBytes - chunk_.size()));
    chunk_.insert(chunk_.end(), part.begin(), part.end());
    offset_ += part.size();
    bytes = bytes.subspan(part.size());
    if (chunk_.size() == kDigestChunkBytes)
      LAMINA_RETURN_IF_ERROR(writeChunk());
  }
  return absl::OkStatus();
}

absl::Status ArtifactFileWriter::writeChunk() {
  if (int error = writeAll(fd_, chunk_.data(), chunk_.size())) {
    uint64_t written = offset_ - chunk_.size();
    return writer_->writeError(name_, error, std::max(expectedBytes_, offset_) - written);
  }
  Sha256 sha;
  sha.update(chunk_);
  digest_.update(sha.finish());
  chunk_.clear();
  return absl::OkStatus();
}

absl::Status ArtifactFileWriter::append(std::string_view bytes) {
  return append(std::span(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
}

absl::Status ArtifactFileWriter::alignTo(uint64_t alignment) {
  static constexpr uint8_t zeros[kWeightsPageBytes] = {};
  uint64_t missing = (alignment - offset_ % alignment) % alignment;
  while (missing > 0) {
    uint64_t part = std::min<uint64_t>(missing, sizeof(zeros));
    LAMINA_RETURN_IF_ERROR(append(std::span(zeros, part)));
    missing -= part;
  }
  return absl::OkStatus();
}

absl::Status ArtifactFileWriter::close() {
  if (!chunk_.empty())
    LAMINA_RETURN_IF_ERROR(writeChunk());
  // The reservation may have been longer than what was written.
  int error = ::ftruncate(fd_, static_cast<off_t>(offset_)) == 0 && ::fsync(fd_) == 0 ? 0 : errno;
  if (::close(std::exchange(fd_, -1)) != 0 && error == 0)
    error = errno;
  if (error != 0)
    return writer_->writeError(name_, error, offset_);
  std::lock_guard lock(writer_->mutex_);
  writer_->files_[name_] = {offset_, Sha256::hex(digest_.finish())};
  return absl::OkStatus();
}

} // namespace lamina
