//===- GGUFSplit.cpp - models split into several GGUF files -------------------------------------------===//

#include "runtime/io/GGUFSplit.h"

#include "runtime/base/StrCat.h"
#include "runtime/io/GGUFParser.h"

#include "absl/strings/str_format.h"

namespace lamina {
namespace {

using gguf::ValueType;
using Part = GGUFReader::Part;

/// Splitting writes at most 5 digits into the names.
constexpr uint64_t kMaxParts = 99999;

template <typename... Args> absl::Status error(const Part &part, const Args &...message) {
  return absl::InvalidArgumentError(strCat(part.path, ": ", message...));
}

/// Reads an integer key of one part: writers disagree about its width.
absl::Status readCount(const Part &part, std::string_view key, uint64_t &value) {
  auto found = part.pairIndex.find(key);
  if (found == part.pairIndex.end())
    return error(part, "key '", key, "' is missing although the model is split; get all parts again");
  const GGUFPair &pair = part.pairs[found->second];
  switch (pair.type) {
  case ValueType::U16:
  case ValueType::U32:
  case ValueType::I32:
  case ValueType::U64:
  case ValueType::I64:
    break;
  default:
    return error(part, "byte ", pair.offset, ": key '", key, "': expected an integer, got ", pair.typeName());
  }
  value = 0;
  std::memcpy(&value, pair.bytes.data(), pair.bytes.size());
  if (value > INT32_MAX)
    return error(part, "byte ", pair.offset, ": key '", key, "': expected 0 to 2^31 - 1, got ", value);
  return absl::OkStatus();
}

absl::StatusOr<Part> openPart(const std::string &path, uint32_t number, GGUFReader::Options options) {
  Part part;
  part.path = path;
  LAMINA_ASSIGN_OR_RETURN(part.file, MappedFile::open(path));
  part.bytes = part.file.bytes();
  LAMINA_RETURN_IF_ERROR(parseGGUF(part, number, options));
  return part;
}

std::string partSuffix(uint64_t number, uint64_t count) {
  return absl::StrFormat("-%05d-of-%05d.gguf", number + 1, count);
}

absl::Status checkKeys(const Part &part, uint64_t number, const SplitKeys &expected) {
  LAMINA_ASSIGN_OR_RETURN(SplitKeys keys, readSplitKeys(part));
  if (keys.number != number)
    return error(part, "key 'split.no': expected ", number, " as the file's name says, got ", keys.number,
                 "; the file was renamed or is of another model");
  if (keys.count != expected.count)
    return error(part, "key 'split.count': expected ", expected.count, " as in the other parts, got ",
                 keys.count, "; the parts are not of one model");
  if (keys.tensors != expected.tensors)
    return error(part, "key 'split.tensors.count': expected ", expected.tensors,
                 " as in the other parts, got ", keys.tensors, "; the parts are not of one model");
  return absl::OkStatus();
}

/// Keys that a part repeats must say what the first part says.
absl::Status checkSharedMetadata(const Part &first, const Part &part) {
  for (const GGUFPair &pair : part.pairs) {
    if (pair.key == gguf::kSplitNumberKey || pair.key == gguf::kAlignmentKey)
      continue;
    auto found = first.pairIndex.find(pair.key);
    if (found == first.pairIndex.end())
      continue;
    const GGUFPair &other = first.pairs[found->second];
    if (pair.type != other.type || pair.elementType != other.elementType ||
        !std::equal(pair.bytes.begin(), pair.bytes.end(), other.bytes.begin(), other.bytes.end()))
      return error(part, "byte ", pair.offset, ": key ", quoteName(pair.key), " differs from that in ",
                   first.path, "; the parts are not of one model");
  }
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<SplitKeys> readSplitKeys(const Part &part) {
  SplitKeys keys;
  if (!part.pairIndex.contains(gguf::kSplitCountKey))
    return keys;
  LAMINA_RETURN_IF_ERROR(readCount(part, gguf::kSplitCountKey, keys.count));
  if (keys.count <= 1)
    return SplitKeys();
  LAMINA_RETURN_IF_ERROR(readCount(part, gguf::kSplitNumberKey, keys.number));
  LAMINA_RETURN_IF_ERROR(readCount(part, gguf::kSplitTensorsKey, keys.tensors));
  if (keys.number >= keys.count || keys.count > kMaxParts)
    return error(part, "keys 'split.no' and 'split.count': part ", keys.number, " of ", keys.count,
                 " cannot be; the file is damaged");
  return keys;
}

absl::StatusOr<std::vector<Part>> openGGUFParts(const std::string &path, GGUFReader::Options options) {
  LAMINA_ASSIGN_OR_RETURN(Part given, openPart(path, 0, options));
  LAMINA_ASSIGN_OR_RETURN(SplitKeys split, readSplitKeys(given));
  std::vector<Part> parts;
  if (split.count <= 1) {
    parts.push_back(std::move(given));
    return parts;
  }
  std::string suffix = partSuffix(split.number, split.count);
  if (!path.ends_with(suffix))
    return error(given, "this is part ", split.number + 1, " of ", split.count,
                 " of a split model, expected a name ending in '", suffix,
                 "'; give the parts their original names");
  std::string stem = path.substr(0, path.size() - suffix.size());
  uint64_t tensors = 0;
  for (uint64_t i = 0; i < split.count; ++i) {
    absl::StatusOr<Part> part =
        openPart(stem + partSuffix(i, split.count), static_cast<uint32_t>(i), options);
    if (absl::IsNotFound(part.status()))
      return absl::NotFoundError(strCat(path, ": the model has ", split.count, " parts, but '", stem,
                                        partSuffix(i, split.count),
                                        "' is missing; put all parts into one folder"));
    LAMINA_RETURN_IF_ERROR(part.status());
    LAMINA_RETURN_IF_ERROR(checkKeys(*part, i, split));
    if (i > 0)
      LAMINA_RETURN_IF_ERROR(checkSharedMetadata(parts.front(), *part));
    tensors += part->tensors.size();
    parts.push_back(*std::move(part));
  }
  if (tensors != split.tensors)
    return error(parts.front(), "key 'split.tensors.count' promises ", split.tensors, " tensors, but the ",
                 split.count, " parts hold ", tensors, "; the parts are not of one model");
  return parts;
}

} // namespace lamina
