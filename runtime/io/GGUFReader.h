//===- GGUFReader.h - reads GGUF model files --------------------------------------------------*- C++ -*-===//
//
// Opens a GGUF v2 or v3 file, also one that is split into parts, and checks its whole header before anything
// is handed out; docs/formats/gguf.md lists what is refused. The files stay mapped while the reader lives,
// and every view (strings, arrays, tensor names and data) points into them: nothing is copied, views die with
// the reader. Memory use is bounded by the size of the files. Const use is thread-safe.
//
// Errors are one line: file, byte offset, key or tensor, what was expected and found, what to do.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_GGUFREADER_H
#define LAMINA_RUNTIME_IO_GGUFREADER_H

#include "runtime/base/MappedFile.h"
#include "runtime/base/Status.h"
#include "runtime/io/BlockFormat.h"
#include "runtime/io/GGUFFormat.h"

#include "absl/container/flat_hash_map.h"

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

/// A key and its value where it lies in the file.
struct GGUFPair {
  std::string_view key;
  gguf::ValueType type;
  gguf::ValueType elementType; ///< of an array; otherwise = type
  uint64_t count = 1;          ///< items of an array
  uint64_t offset = 0;         ///< of the value in its file, for messages
  /// The value's bytes; of a string without its length, of an array without its header.
  std::span<const uint8_t> bytes;

  bool isArray() const { return type == gguf::ValueType::Array; }
  /// "u32", "string", "array of f32": for messages.
  std::string typeName() const;
};

/// A numeric array in the file. Elements are unaligned there, so they are loaded one by one.
template <typename T> class GGUFArray {
public:
  GGUFArray() = default;
  explicit GGUFArray(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  size_t size() const { return bytes_.size() / sizeof(T); }
  bool empty() const { return bytes_.empty(); }
  T operator[](size_t i) const {
    T value;
    std::memcpy(&value, bytes_.data() + i * sizeof(T), sizeof(T));
    return value;
  }

private:
  std::span<const uint8_t> bytes_;
};

struct GGUFTensor {
  std::string_view name;
  TensorType type;
  uint32_t rank = 0;                         ///< dimensions given in the file
  std::array<uint64_t, gguf::kMaxDims> dims; ///< dims[0] is the row length; 1 beyond rank
  uint32_t part = 0;                         ///< which file
  uint64_t offset = 0;                       ///< of its data in that file
  uint64_t bytes = 0;                        ///< of its data

  uint64_t elements() const { return dims[0] * dims[1] * dims[2] * dims[3]; }
  const BlockFormat &format() const { return *findBlockFormat(type); }
  /// "Q4_K [4096, 11008]": for messages and reports.
  std::string shapeText() const;
};

class GGUFReader {
public:
  struct Options {
    /// Accept files whose tensor data is cut off (header-only files); data() then fails for what is missing.
    bool allowMissingData = false;
  };

  /// Opens the file, or all parts of a split model when given any of them (`...-00002-of-00003.gguf`).
  static absl::StatusOr<GGUFReader> open(const std::string &path, Options options);
  static absl::StatusOr<GGUFReader> open(const std::string &path) { return open(path, Options()); }

  /// Reads an image of one unsplit file; the bytes must outlive the reader. `name` stands for the path in
  /// messages.
  static absl::StatusOr<GGUFReader> fromMemory(std::span<const uint8_t> bytes, std::string name,
                                               Options options);
  static absl::StatusOr<GGUFReader> fromMemory(std::span<const uint8_t> bytes, std::string name) {
    return fromMemory(bytes, std::move(name), Options());
  }

  /// True if the bytes start as a GGUF file does.
  static bool looksLikeGGUF(std::span<const uint8_t> bytes);

  // Metadata. Of a split model these are the pairs of the first part.

  uint32_t version() const { return parts_.front().version; }
  std::span<const GGUFPair> pairs() const { return parts_.front().pairs; }
  /// Null if the key is absent.
  const GGUFPair *find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }

  // Typed getters. NotFound names the absent key; InvalidArgument names key, expected and found type.

  absl::StatusOr<std::string_view> getString(std::string_view key) const;
  absl::StatusOr<bool> getBool(std::string_view key) const;
  /// Any integer type; a negative value is an error.
  absl::StatusOr<uint64_t> getUnsigned(std::string_view key) const;
  /// Any integer type; u64 above INT64_MAX is an error.
  absl::StatusOr<int64_t> getSigned(std::string_view key) const;
  /// f32 or f64.
  absl::StatusOr<double> getFloat(std::string_view key) const;
  absl::StatusOr<std::vector<std::string_view>> getStrings(std::string_view key) const;
  absl::StatusOr<GGUFArray<float>> getFloats(std::string_view key) const;
  absl::StatusOr<GGUFArray<int32_t>> getInt32s(std::string_view key) const;
  /// An array of any integer type or of bool, or one integer (which gives one element).
  absl::StatusOr<std::vector<int64_t>> getIntegers(std::string_view key) const;

  // The same with a value for an absent key; a wrong type is still an error.

  absl::StatusOr<std::string_view> getStringOr(std::string_view key, std::string_view otherwise) const;
  absl::StatusOr<bool> getBoolOr(std::string_view key, bool otherwise) const;
  absl::StatusOr<uint64_t> getUnsignedOr(std::string_view key, uint64_t otherwise) const;
  absl::StatusOr<double> getFloatOr(std::string_view key, double otherwise) const;

  // Tensors of all parts, in file order.

  std::span<const GGUFTensor> tensors() const { return tensors_; }
  /// Null if there is none of that name.
  const GGUFTensor *findTensor(std::string_view name) const;
  /// The tensor's bytes; OutOfRange where allowMissingData let a cut-off file pass.
  absl::StatusOr<std::span<const uint8_t>> data(const GGUFTensor &tensor) const;

  // Files.

  size_t numParts() const { return parts_.size(); }
  const std::string &path(size_t part = 0) const { return parts_[part].path; }
  std::span<const uint8_t> fileBytes(size_t part = 0) const { return parts_[part].bytes; }
  uint32_t alignment(size_t part = 0) const { return parts_[part].alignment; }
  /// Where the data section of a part begins.
  uint64_t dataOffset(size_t part = 0) const { return parts_[part].dataOffset; }

  /// One parsed file; an implementation detail of the reader.
  struct Part {
    MappedFile file; ///< holds the bytes, unless they came from memory
    std::string path;
    std::span<const uint8_t> bytes;
    uint32_t version = 0;
    uint32_t alignment = gguf::kDefaultAlignment;
    uint64_t dataOffset = 0;
    std::vector<GGUFPair> pairs;
    absl::flat_hash_map<std::string_view, uint32_t> pairIndex;
    std::vector<GGUFTensor> tensors; ///< moved to the reader once all parts are there
  };

private:
  GGUFReader() = default;
  static absl::StatusOr<GGUFReader> assemble(std::vector<Part> parts);

  std::vector<Part> parts_;
  std::vector<GGUFTensor> tensors_;
  absl::flat_hash_map<std::string_view, uint32_t> tensorIndex_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_GGUFREADER_H
