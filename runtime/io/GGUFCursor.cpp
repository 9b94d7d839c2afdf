//===- GGUFCursor.cpp - goes through the bytes of a GGUF file -----------------------------------------===//

#include "runtime/io/GGUFCursor.h"

namespace lamina {

absl::Status GGUFCursor::readString(std::string_view &value, std::string_view what) {
  uint64_t start = position_;
  uint64_t length = 0;
  LAMINA_RETURN_IF_ERROR(read(length, what));
  if (length > gguf::kMaxStringBytes)
    return error(start, what, " is ", length, " bytes long, expected at most ", gguf::kMaxStringBytes, "; ",
                 kDamaged);
  if (length > left())
    return error(start, what, " is ", length, " bytes long but only ", left(), " bytes are left; ",
                 kIncomplete);
  value = {reinterpret_cast<const char *>(bytes_.data()) + position_, static_cast<size_t>(length)};
  position_ += length;
  return absl::OkStatus();
}

absl::Status GGUFCursor::readValueType(gguf::ValueType &type, std::string_view what) {
  uint64_t start = position_;
  uint32_t id = 0;
  LAMINA_RETURN_IF_ERROR(read(id, what));
  if (id >= gguf::kNumValueTypes)
    return error(start, what, " is ", id, ", expected 0 to ", gguf::kNumValueTypes - 1, "; ", kDamaged);
  type = static_cast<gguf::ValueType>(id);
  return absl::OkStatus();
}

} // namespace lamina
