//===- Reader.h - reads ONNX model files -------------------------------------------------*- C++ -*-===//
//
// Reads a ModelProto of IR version 3 to 14, with the files of its external data, and checks all of it before
// anything is handed out; docs/formats/onnx.md lists what is refused. Files are mapped, the bytes of tensors
// are not touched. Memory and time are bounded by the size of the model's file.
//
// Errors are one line: file, node, tensor or byte offset, what was expected and found, what to do.
//
//===-----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_READER_H
#define LAMINA_LIB_IMPORT_ONNX_READER_H

#include "lib/Import/ONNX/Model.h"

namespace lamina::onnx {

inline constexpr int64_t kOldestIrVersion = 3;
/// That of onnx.proto.
inline constexpr int64_t kNewestIrVersion = 14;

struct ReadOptions {
  /// Accept models whose external files do not exist; Model::bytes then fails for what is missing.
  bool allowMissingData = false;
};

absl::StatusOr<Model> readModel(const std::string &path, ReadOptions options = {});

/// Reads an image of a model without external data; the bytes must outlive the model. `name` stands for the
/// path in messages.
absl::StatusOr<Model> readModel(std::span<const uint8_t> bytes, std::string name, ReadOptions options = {});

/// True if the bytes are, or begin like, a ModelProto.
bool looksLikeOnnx(std::span<const uint8_t> bytes);

/// Reads a file that holds one TensorProto, as the inputs and outputs of test cases do; its bytes are in the
/// result.
absl::StatusOr<TensorConstant> readTensorFile(const std::string &path);
/// The same from memory.
absl::StatusOr<TensorConstant> readTensorFile(std::span<const uint8_t> bytes, const std::string &name);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_READER_H
