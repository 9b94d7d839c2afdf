//===- GGUFCursor.h - goes through the bytes of a GGUF file ---------------------------------*- C++ -*-===//
//
// Private to the reader. Model files come from strangers: every length is compared with the bytes that are left before
// it is used.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_GGUFCURSOR_H
#define LAMINA_RUNTIME_IO_GGUFCURSOR_H

#include "runtime/base/StrCat.h"
#include "runtime/io/GGUFReader.h"

#include <bit>
#include <cstring>

namespace lamina {

static_assert(std::endian::native == std::endian::little, "GGUF values are loaded as they lie in the file");

inline constexpr std::string_view kIncomplete = "the file is cut off, download it again";
inline constexpr std::string_view kDamaged = "the file is damaged, download or convert it again";

class GGUFCursor {
public:
  /// `path` names the file in messages.
  GGUFCursor(std::string_view path, std::span<const uint8_t> bytes) : path_(path), bytes_(bytes) {}

protected:
  template <typename... Args> absl::Status error(uint64_t offset, const Args &...message) const {
    return absl::InvalidArgumentError(strCat(path_, ": byte ", offset, ": ", message...));
  }
  uint64_t left() const { return bytes_.size() - position_; }

  /// Reads a little-endian number; `what` is "the number of tensors", "length of key 3", ...
  template <typename T> absl::Status read(T &value, std::string_view what);
  absl::Status readString(std::string_view &value, std::string_view what);
  absl::Status readValueType(gguf::ValueType &type, std::string_view what);

  std::string_view path_;
  std::span<const uint8_t> bytes_;
  uint64_t position_ = 0;
};

template <typename T> absl::Status GGUFCursor::read(T &value, std::string_view what) {
  if (left() < sizeof(T))
    return error(position_, what, " needs ", sizeof(T), " bytes but the file ends after ", left(), "; ",
                 kIncomplete);
  std::memcpy(&value, bytes_.data() + position_, sizeof(T));
  position_ += sizeof(T);
  return absl::OkStatus();
}

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_GGUFCURSOR_H
