//===- NodeTest.cpp - the evaluator on cases of single operators ----------------------------------------===//
//
// Every case of ONNX's own node tests (LAMINA_TEST_DATA/onnx/node) passes, or unsupported_node_tests.txt says
// why not; a case listed there that passes is an error, so that the list stays true. Operators of onnxruntime
// have cases in test/data/onnx, which tools/dev/make_onnx_cases.py recorded.
//
//===----------------------------------------------------------------------------------------------------===//

#include "NodeCases.h"

#include <gtest/gtest.h>

namespace lamina::onnx {
namespace {
namespace fs = std::filesystem;

absl::Status runCase(const fs::path &folder) {
  LAMINA_ASSIGN_OR_RETURN(Model model, readModel((folder / "model.onnx").string()));
  Evaluator evaluator(model);
  std::vector<TensorConstant> inputBytes, outputBytes;
  LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> inputs,
                          readTensors(folder / "test_data_set_0", "input", inputBytes, evaluator));
  LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> expected,
                          readTensors(folder / "test_data_set_0", "output", outputBytes, evaluator));
  LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> actual, evaluator.run(std::move(inputs)));
  if (actual.size() != expected.size())
    return absl::FailedPreconditionError(
        strCat("got ", actual.size(), " outputs, expected ", expected.size()));
  for (size_t i = 0; i < actual.size(); ++i)
    if (absl::Status status = compare(actual[i], expected[i]); !status.ok())
      return absl::FailedPreconditionError(strCat("output ", i, ": ", toStd(status.message())));
  return absl::OkStatus();
}

TEST(NodeTest, EveryCasePassesOrIsListed) {
  if (!fs::exists(kCases))
    GTEST_SKIP() << "skipped: no " << kCases;
  std::map<std::string, std::string> listed = listedCases("unsupported_node_tests.txt");
  std::vector<fs::path> folders = sortedEntries(kCases);
  int passed = 0;
  for (const fs::path &folder : folders) {
    std::string name = folder.filename().string();
    absl::Status status = runCase(folder);
    passed += status.ok();
    if (listed.erase(name))
      EXPECT_FALSE(status.ok()) << name << " passes: remove it from unsupported_node_tests.txt";
    else
      EXPECT_TRUE(status.ok()) << name << ": " << status.message();
  }
  for (const auto &[name, reason] : listed)
    ADD_FAILURE() << name << " is in unsupported_node_tests.txt, but there is no such case";
  std::cout << passed << " of " << folders.size() << " cases pass\n";
}

/// A recorded case holds what each output is to be as a constant "expected OUTPUT".
absl::Status runRecorded(const fs::path &file) {
  LAMINA_ASSIGN_OR_RETURN(Model model, readModel(file.string()));
  Evaluator evaluator(model);
  LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> values, evaluator.values({}));
  for (ValueId output : model.graph.outputs) {
    std::string name = "expected " + model.graph.values[output].name;
    const Tensor *expected = nullptr;
    for (const auto &[id, constant] : model.graph.constants)
      if (model.graph.values[id].name == name)
        expected = &values[id];
    if (!expected)
      return absl::FailedPreconditionError(strCat("there is no '", name, "'"));
    if (absl::Status status = compare(values[output], *expected); !status.ok())
      return absl::FailedPreconditionError(strCat(name, ": ", toStd(status.message())));
  }
  return absl::OkStatus();
}

TEST(NodeTest, AgreesWithOnnxruntime) {
  for (const fs::path &file : sortedEntries(kRecorded)) {
    absl::Status status = runRecorded(file);
    EXPECT_TRUE(status.ok()) << file.filename() << ": " << status.message();
  }
}

} // namespace
} // namespace lamina::onnx
