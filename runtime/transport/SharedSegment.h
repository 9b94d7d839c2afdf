//===- SharedSegment.h - memory that a process shares with its forks ------------------------*- C++ -*-===//
//
// Zeroed anonymous memory, mapped before the first fork. It has no name, so nothing is left behind when the
// last process that maps it dies, and pages cost memory only once touched.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TRANSPORT_SHAREDSEGMENT_H
#define LAMINA_RUNTIME_TRANSPORT_SHAREDSEGMENT_H

#include "runtime/base/Status.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace lamina {

class SharedSegment {
public:
  /// Page-aligned; `what` names the memory in errors ("the batch").
  static absl::StatusOr<SharedSegment> create(uint64_t bytes, const std::string &what);
  SharedSegment() = default;
  SharedSegment(SharedSegment &&other) noexcept;
  SharedSegment &operator=(SharedSegment &&other) noexcept;
  ~SharedSegment();

  std::byte *data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

private:
  SharedSegment(std::byte *data, uint64_t bytes) : data_(data), bytes_(bytes) {}
  std::byte *data_ = nullptr;
  uint64_t bytes_ = 0;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TRANSPORT_SHAREDSEGMENT_H
