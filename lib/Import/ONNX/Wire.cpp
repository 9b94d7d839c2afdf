//===- Wire.cpp - a bounded walk over protobuf's wire format ---------------------------------------===//
//
// Protobuf's own parser would copy the bytes of every tensor, and its objects say no longer where they lay.
//
//===-----------------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Wire.h"

#include <bit>
#include <cstring>

namespace lamina::onnx {

static_assert(std::endian::native == std::endian::little, "values are loaded as they lie in the file");

namespace {

std::string_view typeName(WireType type) {
  switch (type) {
  case WireType::Varint:
    return "a varint";
  case WireType::Fixed64:
    return "8 bytes";
  case WireType::Bytes:
    return "a length and bytes";
  case WireType::Fixed32:
    return "4 bytes";
  }
  return "";
}

} // namespace

absl::Status WireMessage::readVarint(uint64_t &value) {
  uint64_t start = here();
  value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (done())
      return error(start, "the message ends within a number; ", kCutOff);
    uint8_t byte = bytes_[position_++];
    // Of the tenth byte only one bit is left.
    if (shift == 63 && byte > 1)
      break;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80)
      return absl::OkStatus();
  }
  return error(start, "a number does not fit 64 bits; ", kDamaged);
}

absl::Status WireMessage::next(WireField &field) {
  uint64_t start = here();
  uint64_t tag = 0;
  LAMINA_RETURN_IF_ERROR(readVarint(tag));
  uint64_t type = tag & 7;
  if (tag >> 3 == 0 || tag > UINT32_MAX || type == 3 || type == 4 || type > 5)
    return error(start, "expected a field of a protobuf message, got tag ", tag, "; ", kDamaged);
  field = {.number = static_cast<uint32_t>(tag >> 3), .type = static_cast<WireType>(type), .offset = here()};
  if (field.type == WireType::Varint)
    return readVarint(field.value);
  uint64_t length = field.type == WireType::Fixed64 ? 8 : 4;
  if (field.type == WireType::Bytes)
    LAMINA_RETURN_IF_ERROR(readVarint(length));
  if (length > bytes_.size() - position_)
    return error(start, "field ", field.number, " takes ", length, " bytes but only ",
                 bytes_.size() - position_, " are left in its message; ", kCutOff);
  field.offset = here();
  field.bytes = bytes_.subspan(position_, length);
  if (field.type != WireType::Bytes)
    std::memcpy(&field.value, field.bytes.data(), length);
  position_ += length;
  return absl::OkStatus();
}

absl::Status WireMessage::expect(const WireField &field, WireType type, std::string_view what) const {
  if (field.type != type)
    return error(field.offset, what, ": expected ", typeName(type), ", got ", typeName(field.type), "; ",
                 kDamaged);
  return absl::OkStatus();
}

absl::Status WireMessage::get(const WireField &field, std::string_view what, int64_t &value) const {
  LAMINA_RETURN_IF_ERROR(expect(field, WireType::Varint, what));
  value = static_cast<int64_t>(field.value);
  return absl::OkStatus();
}

absl::Status WireMessage::get(const WireField &field, std::string_view what, float &value) const {
  LAMINA_RETURN_IF_ERROR(expect(field, WireType::Fixed32, what));
  value = std::bit_cast<float>(static_cast<uint32_t>(field.value));
  return absl::OkStatus();
}

absl::Status WireMessage::get(const WireField &field, std::string_view what, std::string_view &value) const {
  LAMINA_RETURN_IF_ERROR(expect(field, WireType::Bytes, what));
  value = {reinterpret_cast<const char *>(field.bytes.data()), field.bytes.size()};
  return absl::OkStatus();
}

absl::Status WireMessage::get(const WireField &field, std::string_view what, std::string &value) const {
  std::string_view view;
  LAMINA_RETURN_IF_ERROR(get(field, what, view));
  value = view;
  return absl::OkStatus();
}

absl::StatusOr<WireMessage> WireMessage::message(const WireField &field, std::string_view what) const {
  LAMINA_RETURN_IF_ERROR(expect(field, WireType::Bytes, what));
  return WireMessage(*path_, field.bytes, field.offset);
}

absl::Status WireMessage::append(const WireField &field, std::string_view what,
                                 std::vector<int64_t> &values) const {
  if (field.type != WireType::Bytes)
    return get(field, what, values.emplace_back());
  WireMessage packed(*path_, field.bytes, field.offset);
  while (!packed.done()) {
    uint64_t value = 0;
    LAMINA_RETURN_IF_ERROR(packed.readVarint(value));
    values.push_back(static_cast<int64_t>(value));
  }
  return absl::OkStatus();
}

absl::Status WireMessage::append(const WireField &field, std::string_view what,
                                 std::vector<float> &values) const {
  if (field.type != WireType::Bytes)
    return get(field, what, values.emplace_back());
  if (field.bytes.size() % sizeof(float) != 0)
    return error(field.offset, what, ": ", field.bytes.size(), " bytes are no multiple of 4; ", kDamaged);
  size_t before = values.size();
  values.resize(before + field.bytes.size() / sizeof(float));
  if (!field.bytes.empty())
    std::memcpy(values.data() + before, field.bytes.data(), field.bytes.size());
  return absl::OkStatus();
}

absl::Status WireMessage::within(std::string_view what, const absl::Status &error) const {
  std::string_view text = toStd(error.message());
  std::string file = strCat(*path_, ": ");
  if (text.starts_with(file))
    text.remove_prefix(file.size());
  return absl::Status(error.code(), toAbsl(strCat(file, what, ": ", text)));
}

} // namespace lamina::onnx
