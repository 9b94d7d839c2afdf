//===- GGUFWriter.h - writes small GGUF files -------------------------------------------------*- C++ -*-===//
//
// Builds a GGUF v3 file in memory, for the artifact's vocabulary-only tokenizer.gguf and for tests. The same
// calls in the same order give the same bytes. The caller keeps keys and tensor names distinct and valid. Not
// thread-safe.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_GGUFWRITER_H
#define LAMINA_RUNTIME_IO_GGUFWRITER_H

#include "runtime/io/GGUFReader.h"

#include <initializer_list>

namespace lamina {

class GGUFWriter {
public:
  /// Copies a pair as it is, bit for bit.
  void addPair(const GGUFPair &pair);

  void addBool(std::string_view key, bool value);
  void addU32(std::string_view key, uint32_t value);
  void addF32(std::string_view key, float value);
  void addString(std::string_view key, std::string_view value);
  void addStrings(std::string_view key, std::span<const std::string_view> values);
  void addInt32s(std::string_view key, std::span<const int32_t> values);
  void addFloats(std::string_view key, std::span<const float> values);

  /// Appends a tensor; dims[0] is the row length. `data` is copied and is as long as type and dims say.
  void addTensor(std::string_view name, TensorType type, std::span<const uint64_t> dims,
                 std::span<const uint8_t> data);

  /// The file, with the default alignment.
  std::string finish() const;

private:
  void beginPair(std::string_view key, gguf::ValueType type);
  void beginArray(std::string_view key, gguf::ValueType elementType, uint64_t count);

  std::string pairs_;
  std::string infos_;
  std::string data_;
  uint64_t numPairs_ = 0;
  uint64_t numTensors_ = 0;
};

/// A GGUF file without tensors that holds the general.* and tokenizer.* pairs of `model`, so that the reader
/// serves tokenizers of models and of artifacts alike. general.alignment and split.* are left out: they
/// describe the original.
std::string copyVocabulary(const GGUFReader &model);

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_GGUFWRITER_H
