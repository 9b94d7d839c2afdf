//===- GGUFTensors.h - the descriptions of a GGUF file's tensors ----------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_IO_GGUFTENSORS_H
#define LAMINA_RUNTIME_IO_GGUFTENSORS_H

#include "runtime/io/GGUFCursor.h"

namespace lamina {

/// Parses and checks them, from where the cursor stands.
class GGUFTensors : GGUFCursor {
public:
  /// Offsets of the tensors count from the data's beginning.
  GGUFTensors(const GGUFCursor &cursor, GGUFReader::Part &part, uint32_t partNumber)
      : GGUFCursor(cursor), part_(part), partNumber_(partNumber) {}

  absl::Status parse(uint64_t count);
  /// Where the descriptions end.
  uint64_t end() const { return position_; }

private:
  absl::Status readTensor(GGUFTensor &tensor);
  absl::Status readDims(GGUFTensor &tensor, std::string_view what);
  absl::Status readType(GGUFTensor &tensor, std::string_view what);
  absl::Status placeTensor(GGUFTensor &tensor, std::string_view what);

  GGUFReader::Part &part_;
  uint32_t partNumber_;
  uint64_t dataSize_ = 0; ///< of the data so far, padded after each tensor
};

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_GGUFTENSORS_H
