//===- GGUFParser.cpp - parses and checks one GGUF file -----------------------------------------------===//
//
// Model files come from strangers. Every length and count is compared with the bytes that are left before it
// is used, sizes are computed without overflow, and names are compared through hash maps, so that time and
// memory are bounded by the size of the file. The order of the checks follows the order of the bytes.
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/io/GGUFParser.h"

#include "runtime/io/GGUFTensors.h"

#include "absl/strings/match.h"

#include <algorithm>
#include <bit>

namespace lamina {
namespace {

using gguf::ValueType;

class Parser : GGUFCursor {
public:
  Parser(GGUFReader::Part &part, uint32_t partNumber, GGUFReader::Options options)
      : GGUFCursor(part.path, part.bytes), part_(part), partNumber_(partNumber), options_(options) {}

  absl::Status run();

private:
  absl::Status checkMagic();
  absl::Status readHeader();
  absl::Status readPairs();
  absl::Status readPair();
  absl::Status readValue(GGUFPair &pair);
  absl::Status readArray(GGUFPair &pair);
  absl::Status readAlignment();
  absl::Status checkData();

  GGUFReader::Part &part_;
  uint32_t partNumber_;
  GGUFReader::Options options_;
  uint64_t numTensors_ = 0;
  uint64_t numPairs_ = 0;
};

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
  GGUFTensors tensors(*this, part_, partNumber_);
  LAMINA_RETURN_IF_ERROR(tensors.parse(numTensors_));
  position_ = tensors.end();
  return checkData();
}

} // namespace

absl::Status parseGGUF(GGUFReader::Part &part, uint32_t partNumber, GGUFReader::Options options) {
  return Parser(part, partNumber, options).run();
}

} // namespace lamina
