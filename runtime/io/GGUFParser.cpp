//===- GGUFParser.cpp - parses and checks one GGUF file -----------------------------------------------===//
//
// Model files come from strangers. Every length and count is compared with the bytes that are left before it
// is used, sizes are computed without overflow, and names are compared through hash maps, so that time and
// memory are bounded by the size of the file. The order of the checks follows the order of the bytes.
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/io/GGUFParser.h"

#include "runtime/base/StrCat.h"

#include "absl/strings/match.h"

#include <algorithm>
#include <bit>
#include <optional>

namespace lamina {
namespace {

using gguf::ValueType;

static_assert(std::endian::native == std::endian::little, "GGUF values are loaded as they lie in the file");

constexpr std::string_view kIncomplete = "the file is cut off, download it again";
constexpr std::string_view kDamaged = "the file is damaged, download or convert it again";

class Parser {
public:
  Parser(GGUFReader::Part &part, uint32_t partNumber, GGUFReader::Options options)
      : part_(part), bytes_(part.bytes), partNumber_(partNumber), options_(options) {}

  absl::Status run();

private:
  template <typename... Args> absl::Status error(uint64_t offset, const Args &...message) const {
    return absl::InvalidArgumentError(strCat(part_.path, ": byte ", offset, ": ", message...));
  }
  uint64_t left() const { return bytes_.size() - position_; }

  absl::Status checkMagic();
  absl::Status readHeader();
  absl::Status readPairs();
  absl::Status readPair();
  absl::Status readValue(GGUFPair &pair);
  absl::Status readArray(GGUFPair &pair);
  absl::Status readAlignment();
  absl::Status readTensors();
  absl::Status readTensor(GGUFTensor &tensor);
  absl::Status readDims(GGUFTensor &tensor, std::string_view what);
  absl::Status readType(GGUFTensor &tensor, std::string_view what);
  absl::Status placeTensor(GGUFTensor &tensor, std::string_view what);
  absl::Status checkData();

  /// Reads a little-endian number; `what` is "the number of tensors", "length of key 3", ...
  template <typename T> absl::Status read(T &value, std::string_view what);
  absl::Status readString(std::string_view &value, std::string_view what);
  absl::Status readValueType(ValueType &type, std::string_view what);

  GGUFReader::Part &part_;
  std::span<const uint8_t> bytes_;
  uint32_t partNumber_;
  GGUFReader::Options options_;
  uint64_t position_ = 0;
  uint64_t numTensors_ = 0;
  uint64_t numPairs_ = 0;
  /// Size of the data section so far, padded after each tensor.
  uint64_t dataSize_ = 0;
};

template <typename T> absl::Status Parser::read(T &value, std::string_view what) {
  if (left() < sizeof(T))
    return error(position_, what, " needs ", sizeof(T), " bytes but the file ends after ", left(), "; ",
                 kIncomplete);
  std::memcpy(&value, bytes_.data() + position_, sizeof(T));
  position_ += sizeof(T);
  return absl::OkStatus();
}

absl::Status Parser::readString(std::string_view &value, std::string_view what) {
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

absl::Status Parser::readValueType(ValueType &type, std::string_view what) {
  uint64_t start = position_;
  uint32_t id = 0;
  LAMINA_RETURN_IF_ERROR(read(id, what));
  if (id >= gguf::kNumValueTypes)
    return error(start, what, " is ", id, ", expected 0 to ", gguf::kNumValueTypes - 1, "; ", kDamaged);
  type = static_cast<ValueType>(id);
  return absl::OkStatus();
}

/// What a file that is not GGUF looks like, and what to do about it.
std::string_view guessContent(std::string_view start) {
  if (start.starts_with("version https://git-lfs"))
    return "this is a Git LFS pointer, fetch the file itself with 'git lfs pull'";
  if (absl::StartsWithIgnoreCase(toAbsl(start), "<!doctype") ||
      absl::StartsWithIgnoreCase(toAbsl(start), "<html"))
    return "this is a web page, download the file itself";
  if (start.starts_with("PK\x03\x04"))
    return "this looks like a PyTorch checkpoint, convert it to GGUF first";
  if (start.size() > 8 && start[8] == '{' && start.substr(1, 7).find('\0') != std::string_view::npos)
    return "this looks like a safetensors file, convert it to GGUF first";
  for (std::string_view legacy : {"lmgg", "fmgg", "tjgg", "algg"})
    if (start.starts_with(legacy))
      return "this is a GGML file from before GGUF, convert the original model again";
  if (start.starts_with("FUGG"))
    return "the bytes are in reverse order, convert the model on a little-endian machine";
  return "expected a GGUF model";
}

absl::Status Parser::checkMagic() {
  if (bytes_.empty())
    return error(0, "the file is empty; download it again");
  std::string_view start(reinterpret_cast<const char *>(bytes_.data()), std::min<size_t>(bytes_.size(), 64));
  if (!start.starts_with(gguf::kMagic)) {
    if (gguf::kMagic.starts_with(start))
      return error(0, "the file ends within the magic number 'GGUF'; ", kIncomplete);
    return error(0, "expected the magic number 'GGUF', got ", quoteName(start.substr(0, 4)), "; ",
                 guessContent(start));
  }
  position_ = gguf::kMagic.size();
  return absl::OkStatus();
}

absl::Status Parser::readHeader() {
  LAMINA_RETURN_IF_ERROR(checkMagic());
  uint64_t start = position_;
  LAMINA_RETURN_IF_ERROR(read(part_.version, "the version"));
  if (part_.version != 0 && (part_.version & 0xFFFF) == 0)
    return error(start, "the version reads as ", part_.version,
                 "; the file seems to be big-endian, convert it with gguf_convert_endian.py");
  if (part_.version < gguf::kOldestVersion)
    return error(start, "GGUF version ", part_.version, ", expected 2 or 3; ",
                 part_.version == 1 ? "convert the original model again with a current converter" : kDamaged);
  if (part_.version > gguf::kVersion)
    return error(start, "GGUF version ", part_.version, ", expected 2 or 3; a newer lamina may read it");

  start = position_;
  LAMINA_RETURN_IF_ERROR(read(numTensors_, "the number of tensors"));
  uint64_t pairsStart = position_;
  LAMINA_RETURN_IF_ERROR(read(numPairs_, "the number of key/value pairs"));
  if (numTensors_ > left() / gguf::kMinTensorBytes)
    return error(start, "the number of tensors is ", static_cast<int64_t>(numTensors_), ", but the ", left(),
                 " bytes left hold at most ", left() / gguf::kMinTensorBytes, "; ", kDamaged);
  if (numPairs_ > left() / gguf::kMinPairBytes)
    return error(pairsStart, "the number of key/value pairs is ", static_cast<int64_t>(numPairs_),
                 ", but the ", left(), " bytes left hold at most ", left() / gguf::kMinPairBytes, "; ",
                 kDamaged);
  return absl::OkStatus();
}

absl::Status Parser::readPairs() {
  part_.pairs.reserve(numPairs_);
  part_.pairIndex.reserve(numPairs_);
  for (uint64_t i = 0; i < numPairs_; ++i)
    LAMINA_RETURN_IF_ERROR(readPair());
  return absl::OkStatus();
}

absl::Status Parser::readPair() {
  uint64_t start = position_;
  size_t number = part_.pairs.size();
  GGUFPair pair;
  LAMINA_RETURN_IF_ERROR(readString(pair.key, strCat("key number ", number)));
  if (pair.key.empty())
    return error(start, "key number ", number, " is empty; ", kDamaged);
  auto [entry, inserted] = part_.pairIndex.try_emplace(pair.key, static_cast<uint32_t>(number));
  if (!inserted)
    return error(start, "key ", quoteName(pair.key), " occurs twice, as number ", entry->second, " and ",
                 number, "; ", kDamaged);
  LAMINA_RETURN_IF_ERROR(readValueType(pair.type, strCat("the value type of key ", quoteName(pair.key))));
  LAMINA_RETURN_IF_ERROR(readValue(pair));
  part_.pairs.push_back(pair);
  return absl::OkStatus();
}

absl::Status Parser::readValue(GGUFPair &pair) {
  pair.elementType = pair.type;
  pair.offset = position_;
  if (pair.type == ValueType::Array)
    return readArray(pair);
  if (pair.type == ValueType::String) {
    std::string_view value;
    LAMINA_RETURN_IF_ERROR(readString(value, strCat("the value of key ", quoteName(pair.key))));
    pair.bytes = bytes_.subspan(position_ - value.size(), value.size());
    return absl::OkStatus();
  }
  uint64_t size = gguf::valueBytes(pair.type);
  if (left() < size)
    return error(position_, "the value of key ", quoteName(pair.key), " needs ", size,
                 " bytes but the file ends after ", left(), "; ", kIncomplete);
  pair.bytes = bytes_.subspan(position_, size);
  position_ += size;
  return absl::OkStatus();
}

absl::Status Parser::readArray(GGUFPair &pair) {
  std::string key = quoteName(pair.key);
  uint64_t start = position_;
  LAMINA_RETURN_IF_ERROR(readValueType(pair.elementType, strCat("the element type of key ", key)));
  if (pair.elementType == ValueType::Array)
    return error(start, "key ", key, " is an array of arrays, which no GGUF reader supports; ", kDamaged);
  start = position_;
  LAMINA_RETURN_IF_ERROR(read(pair.count, strCat("the number of items of key ", key)));
  if (pair.count > gguf::kMaxArrayCount)
    return error(start, "key ", key, " has ", pair.count, " items, expected at most ", gguf::kMaxArrayCount,
                 "; ", kDamaged);
  bool strings = pair.elementType == ValueType::String;
  uint64_t itemBytes = strings ? sizeof(uint64_t) : gguf::valueBytes(pair.elementType);
  if (pair.count > left() / itemBytes)
    return error(start, "key ", key, " has ", pair.count, " items of ", gguf::valueTypeName(pair.elementType),
                 ", but the ", left(), " bytes left hold at most ", left() / itemBytes, "; ", kIncomplete);
  uint64_t begin = position_;
  if (!strings) {
    position_ += pair.count * itemBytes;
  } else {
    // The text of a message is not built for each of the many items of a vocabulary, only for a bad one.
    for (uint64_t i = 0; i < pair.count; ++i) {
      uint64_t length = 0;
      if (left() >= sizeof(length))
        std::memcpy(&length, bytes_.data() + position_, sizeof(length));
      if (left() < sizeof(length) || length > std::min(gguf::kMaxStringBytes, left() - sizeof(length))) {
        std::string_view item;
        return readString(item, strCat("item ", i, " of key ", key));
      }
      position_ += sizeof(length) + length;
    }
  }
  pair.bytes = bytes_.subspan(begin, position_ - begin);
  return absl::OkStatus();
}

absl::Status Parser::readAlignment() {
  auto found = part_.pairIndex.find(gguf::kAlignmentKey);
  if (found == part_.pairIndex.end())
    return absl::OkStatus();
  const GGUFPair &pair = part_.pairs[found->second];
  if (pair.type != ValueType::U32)
    return error(pair.offset, "key 'general.alignment': expected u32, got ", pair.typeName(), "; ", kDamaged);
  std::memcpy(&part_.alignment, pair.bytes.data(), sizeof(uint32_t));
  if (!std::has_single_bit(part_.alignment) || part_.alignment > gguf::kMaxAlignment)
    return error(pair.offset, "key 'general.alignment': expected a power of two up to ", gguf::kMaxAlignment,
                 ", got ", part_.alignment, "; ", kDamaged);
  return absl::OkStatus();
}

absl::Status Parser::readTensors() {
  // The number was checked against the bytes behind the header; pairs have taken some of these since.
  if (numTensors_ > left() / gguf::kMinTensorBytes)
    return error(position_, "the header promises ", numTensors_, " tensors, but the ", left(),
                 " bytes left describe at most ", left() / gguf::kMinTensorBytes, "; ", kIncomplete);
  absl::flat_hash_map<std::string_view, uint32_t> names;
  names.reserve(numTensors_);
  part_.tensors.reserve(numTensors_);
  for (uint64_t i = 0; i < numTensors_; ++i) {
    uint64_t start = position_;
    GGUFTensor tensor;
    tensor.part = partNumber_;
    LAMINA_RETURN_IF_ERROR(readTensor(tensor));
    auto [entry, inserted] = names.try_emplace(tensor.name, static_cast<uint32_t>(i));
    if (!inserted)
      return error(start, "tensor ", quoteName(tensor.name), " occurs twice, as number ", entry->second,
                   " and ", i, "; ", kDamaged);
    part_.tensors.push_back(tensor);
  }
  return absl::OkStatus();
}

absl::Status Parser::readTensor(GGUFTensor &tensor) {
  uint64_t start = position_;
  size_t number = part_.tensors.size();
  LAMINA_RETURN_IF_ERROR(readString(tensor.name, strCat("the name of tensor number ", number)));
  std::string what = strCat("tensor ", quoteName(tensor.name));
  if (tensor.name.size() >= gguf::kMaxTensorName)
    return error(start, what, ": the name is ", tensor.name.size(), " bytes long, expected at most ",
                 gguf::kMaxTensorName - 1, "; ", kDamaged);
  // C readers would see the name end there, so two readers could take different tensors for this one.
  if (tensor.name.find('\0') != std::string_view::npos)
    return error(start, what, ": the name contains a NUL byte; ", kDamaged);
  LAMINA_RETURN_IF_ERROR(readDims(tensor, what));
  LAMINA_RETURN_IF_ERROR(readType(tensor, what));
  return placeTensor(tensor, what);
}

absl::Status Parser::readDims(GGUFTensor &tensor, std::string_view what) {
  uint64_t start = position_;
  LAMINA_RETURN_IF_ERROR(read(tensor.rank, strCat("the number of dimensions of ", what)));
  if (tensor.rank > gguf::kMaxDims)
    return error(start, what, ": ", tensor.rank, " dimensions, expected at most ", gguf::kMaxDims, "; ",
                 kDamaged);
  tensor.dims = {1, 1, 1, 1};
  uint64_t elements = 1;
  for (uint32_t i = 0; i < tensor.rank; ++i) {
    start = position_;
    int64_t dim = 0;
    LAMINA_RETURN_IF_ERROR(read(dim, strCat("dimension ", i, " of ", what)));
    if (dim <= 0)
      return error(start, what, ": dimension ", i, " is ", dim, ", expected at least 1; ", kDamaged);
    if (static_cast<uint64_t>(dim) >= static_cast<uint64_t>(INT64_MAX) / elements)
      return error(start, what, ": the number of elements does not fit 63 bits; ", kDamaged);
    elements *= static_cast<uint64_t>(dim);
    tensor.dims[i] = static_cast<uint64_t>(dim);
  }
  return absl::OkStatus();
}

absl::Status Parser::readType(GGUFTensor &tensor, std::string_view what) {
  uint64_t start = position_;
  uint32_t id = 0;
  LAMINA_RETURN_IF_ERROR(read(id, strCat("the type of ", what)));
  if (std::string_view removed = removedTensorTypeName(id); !removed.empty())
    return error(start, what, ": type ", id, " (", removed,
                 ") was removed from GGUF; quantise the model again with a current llama.cpp");
  const BlockFormat *format = findBlockFormat(id);
  // ik_llama.cpp gives out its ids from 97 (repacked types from 200); no other writer does.
  if (!format && id >= 97 && id < 400)
    return error(start, what, ": type ", id,
                 " is one that only ik_llama.cpp writes; quantise the model to one of llama.cpp's types");
  if (!format)
    return error(start, what, ": type ", id, " is unknown, expected 0 to 42; ",
                 id < 97 ? "a newer lamina may read it, or quantise the model to another type" : kDamaged);
  tensor.type = format->type;
  if (tensor.dims[0] % format->elements != 0)
    return error(start, what, ": rows of ", tensor.dims[0], " elements are no multiple of the ",
                 format->elements, " in a block of ", format->name, "; ", kDamaged);
  // blocks * bytes < 2^63 * bytes / elements; only types of more than one byte per element can overflow.
  uint64_t blocks = tensor.elements() / format->elements;
  if (blocks > static_cast<uint64_t>(INT64_MAX) / format->bytes)
    return error(start, what, ": the size in bytes does not fit 63 bits; ", kDamaged);
  tensor.bytes = blocks * format->bytes;
  return absl::OkStatus();
}

absl::Status Parser::placeTensor(GGUFTensor &tensor, std::string_view what) {
  uint64_t start = position_;
  LAMINA_RETURN_IF_ERROR(read(tensor.offset, strCat("the offset of ", what)));
  if (tensor.offset != dataSize_)
    return error(start, what, ": expected offset ", dataSize_, " (tensors follow each other, aligned to ",
                 part_.alignment, " bytes), got ", tensor.offset, "; ", kDamaged);
  // Half of what 63 bits hold, so that neither this sum nor the padding and the header added to it overflow.
  constexpr uint64_t limit = 1ull << 62;
  if (tensor.bytes > limit || dataSize_ > limit - tensor.bytes)
    return error(start, what, ": the tensors together take more than 2^62 bytes; ", kDamaged);
  dataSize_ = gguf::alignUp(dataSize_ + tensor.bytes, part_.alignment);
  return absl::OkStatus();
}

absl::Status Parser::checkData() {
  part_.dataOffset = gguf::alignUp(position_, part_.alignment);
  for (GGUFTensor &tensor : part_.tensors) {
    // Cannot overflow: both terms are below 2^63.
    tensor.offset += part_.dataOffset;
    if (options_.allowMissingData)
      continue;
    if (tensor.offset > bytes_.size() || tensor.bytes > bytes_.size() - tensor.offset)
      return error(bytes_.size(), "the file ends here, but tensor ", quoteName(tensor.name), " takes bytes ",
                   tensor.offset, " to ", tensor.offset + tensor.bytes, "; ", kIncomplete);
  }
  return absl::OkStatus();
}

absl::Status Parser::run() {
  LAMINA_RETURN_IF_ERROR(readHeader());
  LAMINA_RETURN_IF_ERROR(readPairs());
  LAMINA_RETURN_IF_ERROR(readAlignment());
  LAMINA_RETURN_IF_ERROR(readTensors());
  return checkData();
}

} // namespace

absl::Status parseGGUF(GGUFReader::Part &part, uint32_t partNumber, GGUFReader::Options options) {
  return Parser(part, partNumber, options).run();
}

} // namespace lamina
