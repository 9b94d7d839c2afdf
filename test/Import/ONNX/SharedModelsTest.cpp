//===- SharedModelsTest.cpp: exported models and the standard's own test cases
//----------------------------------===//
//
// Runs over external test data; skipped where that is absent.
//
//===-----------------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace lamina::onnx {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

const std::string kFolder = LAMINA_TEST_DATA "/onnx";

/// Files below a folder, by extension.
std::vector<std::string> filesBelow(const std::string &folder, std::string_view extension) {
  std::vector<std::string> files;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::recursive_directory_iterator(folder, error))
    if (entry.is_regular_file() && entry.path().extension() == extension)
      files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

/// Ids are indices, and every value is defined once and before it is used. Returns the number of nodes.
size_t checkGraph(const Graph &graph) {
  std::vector<int> definitions(graph.values.size());
  auto define = [&](ValueId id) {
    if (id != kAbsent)
      ++definitions.at(id);
  };
  std::for_each(graph.inputs.begin(), graph.inputs.end(), define);
  for (const auto &[id, tensor] : graph.constants)
    define(id);
  for (const Graph::Capture &capture : graph.captures)
    define(capture.inner);
  size_t nodes = graph.nodes.size();
  for (const Node &node : graph.nodes) {
    for (ValueId id : node.inputs)
      EXPECT_TRUE(id == kAbsent || definitions.at(id) == 1) << node.describe();
    for (const Attribute &attribute : node.attributes)
      if (const auto *subgraph = std::get_if<std::unique_ptr<Graph>>(&attribute.value)) {
        for (const Graph::Capture &capture : (*subgraph)->captures)
          EXPECT_EQ(definitions.at(capture.outer), 1) << node.describe();
        nodes += checkGraph(**subgraph);
      }
    std::for_each(node.outputs.begin(), node.outputs.end(), define);
  }
  for (ValueId id : graph.outputs)
    EXPECT_EQ(definitions.at(id), 1) << graph.values[id].name;
  EXPECT_EQ(std::count(definitions.begin(), definitions.end(), 1), std::ssize(definitions));
  return nodes;
}

TEST(SharedModels, DecodersAreRead) {
  std::vector<std::string> files = filesBelow(kFolder, ".onnx");
  if (files.empty())
    GTEST_SKIP() << "skipped: no onnx under " LAMINA_TEST_DATA;
  struct Expected {
    std::string_view file;
    size_t nodes, constants, files;
  };
  for (const Expected &expected : {Expected{"capp-gpt/model.onnx", 1120, 52, 1},
                                   Expected{"tiny-random-LlamaForCausalLM-fp16/model.onnx", 104, 23, 2},
                                   Expected{"synthetic-paged-decoder.onnx", 52, 11, 1},
                                   Expected{"tiny-graph-capture-gqa.onnx", 12, 9, 1}}) {
    absl::StatusOr<Model> model = readModel(kFolder + "/" + std::string(expected.file));
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(checkGraph(model->graph), expected.nodes);
    EXPECT_EQ(model->graph.constants.size(), expected.constants);
    EXPECT_EQ(model->files.size(), expected.files);
    for (const auto &[id, tensor] : model->graph.constants) {
      absl::StatusOr<std::span<const uint8_t>> bytes = model->bytes(tensor);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      EXPECT_EQ(bytes->size(), *tensorBytes(tensor.type, *countElements(tensor.dims)));
    }
  }
}

TEST(SharedModels, MissingDataIsRefused) {
  std::string path = kFolder + "/tiny-random-LlamaForCausalLM-fp32/model.onnx";
  if (!fs::exists(path))
    GTEST_SKIP() << "skipped: no onnx under " LAMINA_TEST_DATA;
  absl::Status refusal = readModel(path).status();
  EXPECT_TRUE(absl::IsNotFound(refusal));
  EXPECT_THAT(
      std::string(refusal.message()),
      AllOf(testing::StartsWith(path + ": tensor 'model.embed_tokens.weight': "),
            HasSubstr("external data 'model.onnx.data': the file is missing; put it next to the model")));
  absl::StatusOr<Model> header = readModel(path, {.allowMissingData = true});
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(checkGraph(header->graph), 33u);
  EXPECT_TRUE(absl::IsNotFound(header->bytes(header->graph.constants.begin()->second).status()));
}

TEST(SharedModels, NodeTestsAreRead) {
  std::vector<std::string> models = filesBelow(kFolder + "/node", ".onnx");
  if (models.empty())
    GTEST_SKIP() << "skipped: no onnx/node under " LAMINA_TEST_DATA;
  for (const std::string &path : models) {
    absl::StatusOr<Model> model = readModel(path);
    ASSERT_TRUE(model.ok()) << model.status();
    checkGraph(model->graph);
  }
  EXPECT_EQ(models.size(), 919u);
}

TEST(SharedModels, TensorsOfNodeTestsAreRead) {
  std::vector<std::string> files = filesBelow(kFolder + "/node", ".pb");
  if (files.empty())
    GTEST_SKIP() << "skipped: no onnx/node under " LAMINA_TEST_DATA;
  size_t others = 0;
  for (const std::string &path : files) {
    absl::StatusOr<TensorConstant> tensor = readTensorFile(path);
    if (tensor.ok()) {
      EXPECT_FALSE(std::holds_alternative<TensorPlace>(tensor->data)) << path;
      continue;
    }
    ++others;
    EXPECT_THAT(std::string(tensor.status().message()),
                testing::StartsWith(path + ": expected one tensor, not a sequence or an optional: "));
  }
  // Of test_identity_{opt,sequence}, test_if_{opt,seq} and test_split_to_sequence_1.
  EXPECT_EQ(others, 7u);
}

} // namespace
} // namespace lamina::onnx
