//===- Wire.h - a bounded walk over protobuf's wire format -------------------------------*- C++ -*-===//
//
// Gives the fields of one message where they lie in a file: nothing is copied, nothing is read outside the
// message, and time is linear in its bytes. Field numbers and types are those of onnx.proto; unknown fields
// can be skipped. Errors name the file and the byte offset.
//
//===-----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_WIRE_H
#define LAMINA_LIB_IMPORT_ONNX_WIRE_H

#include "runtime/base/Status.h"
#include "runtime/base/StrCat.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina::onnx {

inline constexpr std::string_view kDamaged = "the file is damaged, download or export the model again";
inline constexpr std::string_view kCutOff = "the file is cut off, download it again";

/// Only these four are in use; groups are refused.
enum class WireType : uint8_t { Varint = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5 };

struct WireField {
  uint32_t number = 0;
  WireType type = WireType::Varint;
  uint64_t offset = 0;                 ///< of the payload in the file
  uint64_t value = 0;                  ///< Varint; the bits of Fixed64 and Fixed32
  std::span<const uint8_t> bytes = {}; ///< Bytes, Fixed64 and Fixed32
};

class WireMessage {
public:
  /// `path` names the file in messages and must outlive this; the bytes lie at `offset` of it.
  WireMessage(const std::string &path, std::span<const uint8_t> bytes, uint64_t offset)
      : path_(&path), bytes_(bytes), offset_(offset) {}

  bool done() const { return position_ == bytes_.size(); }
  /// The next field; not to be called when done.
  absl::Status next(WireField &field);
  /// Starts again.
  void rewind() { position_ = 0; }

  const std::string &path() const { return *path_; }
  std::span<const uint8_t> bytes() const { return bytes_; }
  uint64_t offset() const { return offset_; }

  // The value of a field that `next` gave; `what` names it in messages ("TensorProto.dims").

  absl::Status get(const WireField &field, std::string_view what, int64_t &value) const;
  absl::Status get(const WireField &field, std::string_view what, float &value) const;
  absl::Status get(const WireField &field, std::string_view what, std::string_view &value) const;
  absl::Status get(const WireField &field, std::string_view what, std::string &value) const;
  /// An embedded message.
  absl::StatusOr<WireMessage> message(const WireField &field, std::string_view what) const;
  /// Appends the value, or all of them where they are packed.
  absl::Status append(const WireField &field, std::string_view what, std::vector<int64_t> &values) const;
  absl::Status append(const WireField &field, std::string_view what, std::vector<float> &values) const;

  /// The error of something inside `what`, which is put behind the file's name: "FILE: node 'x': byte N:
  /// ...".
  absl::Status within(std::string_view what, const absl::Status &error) const;
  /// "FILE: byte N: ..."
  template <typename... Args> absl::Status error(uint64_t offset, const Args &...text) const {
    return absl::InvalidArgumentError(strCat(*path_, ": byte ", offset, ": ", text...));
  }

private:
  uint64_t here() const { return offset_ + position_; }
  absl::Status readVarint(uint64_t &value);
  absl::Status expect(const WireField &field, WireType type, std::string_view what) const;

  const std::string *path_;
  std::span<const uint8_t> bytes_;
  uint64_t offset_;
  uint64_t position_ = 0;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_WIRE_H
