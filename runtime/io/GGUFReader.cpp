//===- GGUFReader.cpp - reads GGUF model files --------------------------------------------------------===//

#include "runtime/io/GGUFReader.h"

#include "runtime/base/StrCat.h"
#include "runtime/io/GGUFParser.h"
#include "runtime/io/GGUFSplit.h"

namespace lamina {

using gguf::ValueType;

std::string GGUFPair::typeName() const {
  if (isArray())
    return strCat("array of ", gguf::valueTypeName(elementType));
  return std::string(gguf::valueTypeName(type));
}

std::string GGUFTensor::shapeText() const {
  std::string text = strCat(tensorTypeName(type), " [");
  for (uint32_t i = 0; i < rank; ++i)
    text += strCat(i ? ", " : "", dims[i]);
  return text + "]";
}

//===----------------------------------------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------------------------------------===//

absl::StatusOr<GGUFReader> GGUFReader::open(const std::string &path, Options options) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<Part> parts, openGGUFParts(path, options));
  return assemble(std::move(parts));
}

absl::StatusOr<GGUFReader> GGUFReader::fromMemory(std::span<const uint8_t> bytes, std::string name,
                                                  Options options) {
  std::vector<Part> parts(1);
  parts[0].path = std::move(name);
  parts[0].bytes = bytes;
  LAMINA_RETURN_IF_ERROR(parseGGUF(parts[0], 0, options));
  LAMINA_ASSIGN_OR_RETURN(SplitKeys split, readSplitKeys(parts[0]));
  if (split.count > 1)
    return absl::InvalidArgumentError(strCat(parts[0].path, ": this is part ", split.number + 1, " of ",
                                             split.count, " of a split model; open it by its path"));
  return assemble(std::move(parts));
}

bool GGUFReader::looksLikeGGUF(std::span<const uint8_t> bytes) {
  std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  return text.starts_with(gguf::kMagic);
}

absl::StatusOr<GGUFReader> GGUFReader::assemble(std::vector<Part> parts) {
  GGUFReader reader;
  reader.parts_ = std::move(parts);
  size_t total = 0;
  for (const Part &part : reader.parts_)
    total += part.tensors.size();
  reader.tensors_.reserve(total);
  reader.tensorIndex_.reserve(total);
  for (Part &part : reader.parts_) {
    for (const GGUFTensor &tensor : part.tensors) {
      auto [entry, inserted] =
          reader.tensorIndex_.try_emplace(tensor.name, static_cast<uint32_t>(reader.tensors_.size()));
      if (!inserted)
        return absl::InvalidArgumentError(strCat(
            part.path, ": tensor ", quoteName(tensor.name), " is already in ",
            reader.parts_[reader.tensors_[entry->second].part].path, "; the parts are not of one model"));
      reader.tensors_.push_back(tensor);
    }
    part.tensors = {};
  }
  return reader;
}

//===----------------------------------------------------------------------------------------------------===//
// Typed getters
//===----------------------------------------------------------------------------------------------------===//

namespace {

absl::Status wrongType(const GGUFReader &reader, const GGUFPair &pair, std::string_view expected) {
  return absl::InvalidArgumentError(strCat(reader.path(), ": byte ", pair.offset, ": key ",
                                           quoteName(pair.key), ": expected ", expected, ", got ",
                                           pair.typeName()));
}

absl::StatusOr<const GGUFPair *> require(const GGUFReader &reader, std::string_view key) {
  if (const GGUFPair *pair = reader.find(key))
    return pair;
  return absl::NotFoundError(strCat(reader.path(), ": key ", quoteName(key), " is missing"));
}

template <typename T> T load(const uint8_t *bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

bool isInteger(ValueType type) {
  switch (type) {
  case ValueType::U8:
  case ValueType::I8:
  case ValueType::U16:
  case ValueType::I16:
  case ValueType::U32:
  case ValueType::I32:
  case ValueType::U64:
  case ValueType::I64:
    return true;
  default:
    return false;
  }
}

/// An integer (or bool) of the file in 64 bits; for u64 the bits as they are.
int64_t loadInteger(ValueType type, const uint8_t *bytes) {
  switch (type) {
  case ValueType::U8:
    return load<uint8_t>(bytes);
  case ValueType::Bool:
    return load<uint8_t>(bytes) != 0;
  case ValueType::I8:
    return load<int8_t>(bytes);
  case ValueType::U16:
    return load<uint16_t>(bytes);
  case ValueType::I16:
    return load<int16_t>(bytes);
  case ValueType::U32:
    return load<uint32_t>(bytes);
  case ValueType::I32:
    return load<int32_t>(bytes);
  default:
    return load<int64_t>(bytes);
  }
}

absl::Status outOfRange(const GGUFReader &reader, const GGUFPair &pair, std::string_view expected,
                        std::string_view got) {
  return absl::InvalidArgumentError(strCat(reader.path(), ": byte ", pair.offset, ": key ",
                                           quoteName(pair.key), ": expected ", expected, ", got ", got));
}

/// The pair if it is an array of `elementType`.
absl::StatusOr<const GGUFPair *> requireArray(const GGUFReader &reader, std::string_view key,
                                              ValueType elementType) {
  LAMINA_ASSIGN_OR_RETURN(const GGUFPair *pair, require(reader, key));
  if (!pair->isArray() || pair->elementType != elementType)
    return wrongType(reader, *pair, strCat("array of ", gguf::valueTypeName(elementType)));
  return pair;
}

} // namespace

const GGUFPair *GGUFReader::find(std::string_view key) const {
  const Part &part = parts_.front();
  auto found = part.pairIndex.find(key);
  return found == part.pairIndex.end() ? nullptr : &part.pairs[found->second];
}

absl::StatusOr<std::string_view> GGUFReader::getString(std::string_view key) const {
  LAMINA_ASSIGN_OR_RETURN(const GGUFPair *pair, require(*this, key));
  if (pair->type != ValueType::String)
    return wrongType(*this, *pair, "string");
  return std::string_view(reinterpret_cast<const char *>(pair->bytes.data()), pair->bytes.size());
}

absl::StatusOr<bool> GGUFReader::getBool(std::string_view key) const {
  LAMINA_ASSIGN_OR_RETURN(const GGUFPair *pair, require(*this, key));
  if (pair->type != ValueType::Bool)
    return wrongType(*this, *pair, "bool");
  return pair->bytes[0] != 0;
}

absl::StatusOr<uint64_t> GGUFReader::getUnsigned(std::string_view key) const {
  LAMINA_ASSIGN_OR_RETURN(const GGUFPair *pair, require(*this, key));
  if (!isInteger(pair->type))
    return wrongType(*this, *pair, "an integer");
  int64_t value = loadInteger(pair->type, pair->bytes.data());
  if (value < 0 && pair->type != ValueType::U64)
    return outOfRange(*this, *pair, "0 or more", strCat(value));
  return static_cast<uint64_t>(value);
}

absl::StatusOr<int64_t> GGUFReader::getSigned(std::string_view key) const {
  LAMINA_ASSIGN_OR_RETURN(const GGUFPair *pair, require(*this, key));
  if (!isInteger(pair->type))
    return wrongType(*this, *pair, "an integer");
  int64_t value = loadInteger(pair->type, pair->bytes.data());
  if (value < 0 && pair->type == ValueType::U64)
    return outOfRange(*this, *pair, "less than 2^63", strCat(static_cast<uint64_t>(value)));
  return value;
}

absl::StatusOr<double> GGUFReader::getFloat(std::string_view key) const {
  LAMINA_ASSIGN_OR_RETURN(const GGUFPair *pair, require(*this, key));
  if (pair->type == ValueType::F32)
    return load<float>(pair->bytes.data());
  if (pair->type == ValueType::F64)
    return load<double>(pair->bytes.data());
  return wrongType(*this, *pair, "f32 or f64");
}

absl::StatusOr<std::vector<std::string_view>> GGUFReader::getStrings(std::string_view key) const {
  LAMINA_ASSIGN_OR_RETURN(const GGUFPair *pair, requireArray(*this, key, ValueType::String));
  std::vector<std::string_view> strings;
  strings.reserve(pair->count);
  // The parser has checked every length.
  const uint8_t *bytes = pair->bytes.data();
  for (uint64_t i = 0; i < pair->count; ++i) {
    uint64_t length = load<uint64_t>(bytes);
    bytes += sizeof(length);
    strings.emplace_back(reinterpret_cast<const char *>(bytes), length);
    bytes += length;
  }
  return strings;
}

absl::StatusOr<GGUFArray<float>> GGUFReader::getFloats(std::string_view key) const {
  LAMINA_ASSIGN_OR_RETURN(const GGUFPair *pair, requireArray(*this, key, ValueType::F32));
  return GGUFArray<float>(pair->bytes);
}

absl::StatusOr<GGUFArray<int32_t>> GGUFReader::getInt32s(std::string_view key) const {
  LAMINA_ASSIGN_OR_RETURN(const GGUFPair *pair, requireArray(*this, key, ValueType::I32));
  return GGUFArray<int32_t>(pair->bytes);
}

absl::StatusOr<std::vector<int64_t>> GGUFReader::getIntegers(std::string_view key) const {
  LAMINA_ASSIGN_OR_RETURN(const GGUFPair *pair, require(*this, key));
  ValueType type = pair->elementType;
  if (!isInteger(type) && !(pair->isArray() && type == ValueType::Bool))
    return wrongType(*this, *pair, "an integer or an array of integers or bools");
  std::vector<int64_t> values(pair->count);
  for (uint64_t i = 0; i < pair->count; ++i) {
    values[i] = loadInteger(type, pair->bytes.data() + i * gguf::valueBytes(type));
    if (values[i] < 0 && type == ValueType::U64)
      return outOfRange(*this, *pair, "less than 2^63", strCat(static_cast<uint64_t>(values[i])));
  }
  return values;
}

absl::StatusOr<std::string_view> GGUFReader::getStringOr(std::string_view key,
                                                         std::string_view otherwise) const {
  return has(key) ? getString(key) : otherwise;
}

absl::StatusOr<bool> GGUFReader::getBoolOr(std::string_view key, bool otherwise) const {
  return has(key) ? getBool(key) : otherwise;
}

absl::StatusOr<uint64_t> GGUFReader::getUnsignedOr(std::string_view key, uint64_t otherwise) const {
  return has(key) ? getUnsigned(key) : otherwise;
}

absl::StatusOr<double> GGUFReader::getFloatOr(std::string_view key, double otherwise) const {
  return has(key) ? getFloat(key) : otherwise;
}

//===----------------------------------------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------------------------------------===//

const GGUFTensor *GGUFReader::findTensor(std::string_view name) const {
  auto found = tensorIndex_.find(name);
  return found == tensorIndex_.end() ? nullptr : &tensors_[found->second];
}

absl::StatusOr<std::span<const uint8_t>> GGUFReader::data(const GGUFTensor &tensor) const {
  std::span<const uint8_t> bytes = parts_[tensor.part].bytes;
  if (tensor.offset > bytes.size() || tensor.bytes > bytes.size() - tensor.offset)
    return absl::OutOfRangeError(strCat(path(tensor.part), ": tensor ", quoteName(tensor.name),
                                        " takes bytes ", tensor.offset, " to ", tensor.offset + tensor.bytes,
                                        ", but the file ends at byte ", bytes.size(),
                                        "; it holds the header only, use the complete file"));
  return bytes.subspan(tensor.offset, tensor.bytes);
}

} // namespace lamina
