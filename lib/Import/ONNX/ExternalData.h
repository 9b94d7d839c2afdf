//===- ExternalData.h - tensors outside the model's file ---------------------------------*- C++ -*-===//
//
// A model is from strangers and says itself which files to read. What is opened lies in the model's directory
// or below it, is reached without "..", symbolic links and magic links, is a regular file, and is known by no
// other name (a hard link could be to any file of the same file system). The kernel enforces the first part
// while it opens the file; the rest is checked on the open file. docs/formats/onnx.md tells users.
//
//===----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_EXTERNALDATA_H
#define LAMINA_LIB_IMPORT_ONNX_EXTERNALDATA_H

#include "lib/Import/ONNX/Model.h"

#include "absl/container/flat_hash_map.h"

namespace lamina::onnx {

/// TensorProto.external_data as the file gives it; empty: not given.
struct ExternalReference {
  std::string_view location, offset, length;
};

/// Opens the files of one model, each once.
class ExternalData {
public:
  /// Appends to `files`, whose first is the model. With `allowMissing` a file that does not exist is listed
  /// as missing.
  ExternalData(std::vector<ModelFile> &files, bool allowMissing)
      : files_(files), allowMissing_(allowMissing) {}
  ExternalData(const ExternalData &) = delete;
  ~ExternalData();

  /// Where a tensor of `bytes` bytes lies. Messages neither name the model nor the tensor nor the location.
  absl::StatusOr<TensorPlace> find(const ExternalReference &reference, uint64_t bytes);

private:
  absl::StatusOr<uint32_t> fileAt(std::string_view location);
  absl::Status openFile(const std::string &location, ModelFile &file);
  absl::StatusOr<int> directory();

  std::vector<ModelFile> &files_;
  bool allowMissing_;
  int directory_ = -1;
  absl::flat_hash_map<std::string, uint32_t> opened_; ///< by normal location
};

/// The location without "." and empty components; an error says in words why it cannot be inside the
/// directory.
absl::StatusOr<std::string> normalLocation(std::string_view location);

/// Opens a normal location below a directory for reading; -1 and errno if that fails, ELOOP for a symbolic
/// link.
int openBeneath(int directory, const std::string &location);
/// The same for kernels before 5.6 and sandboxes without openat2.
int openBeneathByWalking(int directory, const std::string &location);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_EXTERNALDATA_H
