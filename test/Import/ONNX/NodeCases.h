//===- NodeCases.h - ONNX's own cases of single operators -------------------------------------*- C++ -*-===//

#ifndef LAMINA_TEST_IMPORT_ONNX_NODECASES_H
#define LAMINA_TEST_IMPORT_ONNX_NODECASES_H

#include "lib/Import/ONNX/Evaluator.h"
#include "lib/Import/ONNX/Reader.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

namespace lamina::onnx {

inline const std::filesystem::path kCases = std::filesystem::path(LAMINA_TEST_DATA) / "onnx/node";
/// Cases of onnxruntime's operators, which tools/dev/make_onnx_cases.py recorded: files of one node, its inputs and "expected OUTPUT".
inline const std::filesystem::path kRecorded = std::filesystem::path(LAMINA_SOURCE_DIR) / "test/data/onnx";

/// The cases of a list in this folder: name of the case, ": " and the reason.
inline std::map<std::string, std::string> listedCases(const std::string &list) {
  std::map<std::string, std::string> listed;
  std::ifstream file(std::filesystem::path(LAMINA_SOURCE_DIR) / "test/Import/ONNX" / list);
  for (std::string line; std::getline(file, line);)
    if (size_t colon = line.find(": "); !line.empty() && line[0] != '#' && colon != std::string::npos)
      listed[line.substr(0, colon)] = line.substr(colon + 2);
  return listed;
}

inline std::vector<std::filesystem::path> sortedEntries(const std::filesystem::path &folder) {
  std::vector<std::filesystem::path> entries;
  for (const std::filesystem::directory_entry &entry : std::filesystem::directory_iterator(folder))
    entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

/// The tensors KIND_0.pb, KIND_1.pb … of a case. Their bytes are in `constants`, which must outlive them.
inline absl::StatusOr<std::vector<Tensor>> readTensors(const std::filesystem::path &folder,
                                                       const std::string &kind,
                                                       std::vector<TensorConstant> &constants,
                                                       const Evaluator &evaluator) {
  for (int i = 0; std::filesystem::exists(folder / (kind + "_" + std::to_string(i) + ".pb")); ++i) {
    LAMINA_ASSIGN_OR_RETURN(TensorConstant constant,
                            readTensorFile((folder / (kind + "_" + std::to_string(i) + ".pb")).string()));
    constants.push_back(std::move(constant));
  }
  std::vector<Tensor> tensors;
  for (const TensorConstant &constant : constants) {
    LAMINA_ASSIGN_OR_RETURN(Tensor tensor, evaluator.constant(constant));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

/// As ONNX's runner compares: |a - b| <= atol + rtol |b|.
inline absl::Status compare(const Tensor &actual, const Tensor &expected) {
  if (actual.type() != expected.type() || actual.dims() != expected.dims())
    return absl::FailedPreconditionError(
        strCat("got ", actual.describe(), ", expected ", expected.describe()));
  if (!actual.hasData())
    return absl::FailedPreconditionError("the elements were not computed");
  for (int64_t i = 0; i < actual.count(); ++i) {
    double a = actual.real(i), b = expected.real(i);
    bool close = a == b || (std::isnan(a) && std::isnan(b)) || std::fabs(a - b) <= 1e-5 + 1e-3 * std::fabs(b);
    if (!close)
      return absl::FailedPreconditionError(strCat("element ", i, " is ", a, ", expected ", b));
  }
  return absl::OkStatus();
}

} // namespace lamina::onnx

#endif // LAMINA_TEST_IMPORT_ONNX_NODECASES_H
