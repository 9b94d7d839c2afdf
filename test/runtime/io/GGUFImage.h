//===- GGUFImage.h - writes GGUF bytes, also wrong ones ---------------------------------------*- C++ -*-===//
//
// Appends the raw pieces of a GGUF file for tests of the reader, which need files that GGUFWriter cannot
// write.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_RUNTIME_IO_GGUFIMAGE_H
#define LAMINA_TEST_RUNTIME_IO_GGUFIMAGE_H

#include "runtime/io/GGUFReader.h"

#include <initializer_list>

namespace lamina {

struct GGUFImage {
  std::string bytes;

  template <typename T> GGUFImage &put(T value) {
    bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
    return *this;
  }
  GGUFImage &text(std::string_view value) {
    put<uint64_t>(value.size());
    bytes += value;
    return *this;
  }
  GGUFImage &header(int64_t tensors, int64_t pairs, uint32_t version = 3) {
    bytes += "GGUF";
    return put(version).put(tensors).put(pairs);
  }
  GGUFImage &key(std::string_view name, gguf::ValueType type) {
    return text(name).put(static_cast<uint32_t>(type));
  }
  template <typename T> GGUFImage &pair(std::string_view name, gguf::ValueType type, T value) {
    return key(name, type).put(value);
  }
  GGUFImage &array(std::string_view name, gguf::ValueType elementType, uint64_t count) {
    return key(name, gguf::ValueType::Array).put(static_cast<uint32_t>(elementType)).put(count);
  }
  GGUFImage &tensor(std::string_view name, std::initializer_list<int64_t> dims, uint32_t type,
                    uint64_t offset) {
    text(name).put(static_cast<uint32_t>(dims.size()));
    for (int64_t dim : dims)
      put(dim);
    return put(type).put(offset);
  }
  GGUFImage &pad(size_t alignment = gguf::kDefaultAlignment) {
    bytes.resize(gguf::alignUp(bytes.size(), alignment), '\0');
    return *this;
  }
  GGUFImage &zeros(size_t count) {
    bytes.append(count, '\0');
    return *this;
  }

  std::span<const uint8_t> span() const {
    return {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()};
  }
  /// Reads the image from memory as "test.gguf".
  absl::StatusOr<GGUFReader> read(GGUFReader::Options options = {}) const {
    return GGUFReader::fromMemory(span(), "test.gguf", options);
  }
  /// The message of the reader's refusal; empty if it accepts the image.
  std::string refusal(GGUFReader::Options options = {}) const {
    absl::StatusOr<GGUFReader> reader = read(options);
    return reader.ok() ? "" : std::string(reader.status().message());
  }
};

} // namespace lamina

#endif // LAMINA_TEST_RUNTIME_IO_GGUFIMAGE_H
