//===- SharedSegment.cpp - memory that a process shares with its forks --------------------------------===//

#include "runtime/transport/SharedSegment.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <utility>

namespace lamina {

absl::StatusOr<SharedSegment> SharedSegment::create(uint64_t bytes, const std::string &what) {
  uint64_t length = std::max<uint64_t>(bytes, 1);
  void *address =
      mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot map ", bytes, " shared bytes for ", what, ": ", strerror(errno)));
  return SharedSegment(static_cast<std::byte *>(address), length);
}

SharedSegment::SharedSegment(SharedSegment &&other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

SharedSegment &SharedSegment::operator=(SharedSegment &&other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

SharedSegment::~SharedSegment() {
  if (data_ != nullptr)
    munmap(data_, bytes_);
}

} // namespace lamina
