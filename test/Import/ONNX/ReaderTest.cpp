//===- ReaderTest.cpp: what the reader gives out
//----------------------------------------------------------------===//

#include "test/Import/ONNX/TinyModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina::onnx {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::UnorderedElementsAre;
using Kind = ::onnx::AttributeProto;

/// The names behind ids.
std::vector<std::string> names(const Graph &graph, const std::vector<ValueId> &ids) {
  std::vector<std::string> result;
  for (ValueId id : ids)
    result.push_back(id == kAbsent ? "-" : graph.values.at(id).name);
  return result;
}

std::vector<std::string> ops(const Graph &graph) {
  std::vector<std::string> result;
  for (const Node &node : graph.nodes)
    result.push_back(node.op);
  return result;
}

const Graph &subgraph(const Node &node, std::string_view attribute) {
  return *std::get<std::unique_ptr<Graph>>(node.find(attribute)->value);
}

TEST(OnnxReader, NamesBecomeIds) {
  ::onnx::ModelProto proto = addModel();
  proto.set_producer_name("pytorch");
  proto.set_producer_version("2.9");
  proto.add_metadata_props()->set_key("k");
  addNode(proto.mutable_graph(), "Clip", {"y", "", "x", "", ""}, {"", "z", ""});
  std::string image = proto.SerializeAsString();
  absl::StatusOr<Model> model = readModel(asBytes(image), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  const Graph &graph = model->graph;
  EXPECT_EQ(model->irVersion, 10);
  EXPECT_EQ(model->producer, "pytorch 2.9");
  EXPECT_THAT(model->opsets, ElementsAre(Pair("", 21)));
  EXPECT_THAT(model->metadata, ElementsAre(Pair("k", "")));
  EXPECT_EQ(graph.name, "g");
  EXPECT_THAT(names(graph, graph.inputs), ElementsAre("x"));
  EXPECT_THAT(names(graph, graph.outputs), ElementsAre("y"));
  EXPECT_THAT(names(graph, graph.nodes[0].inputs), ElementsAre("x", "w"));
  // Trailing absent ones are gone.
  EXPECT_THAT(names(graph, graph.nodes[1].inputs), ElementsAre("y", "-", "x"));
  EXPECT_THAT(names(graph, graph.nodes[1].outputs), ElementsAre("-", "z"));
  EXPECT_EQ(graph.nodes[1].input(1), kAbsent);
  EXPECT_EQ(graph.nodes[1].input(7), kAbsent);
  const Type &type = graph.values[graph.inputs[0]].type;
  EXPECT_EQ(type.kind, Type::Kind::Tensor);
  EXPECT_EQ(type.element, ElementType::Float);
  EXPECT_THAT(*type.shape, ElementsAre(Dimension{.size = 2}));
  EXPECT_EQ(graph.nodes[0].describe(), "node 'node/y' ('Add')");
}

TEST(OnnxReader, UnknownDimensions) {
  ::onnx::ModelProto proto = addModel();
  ::onnx::TensorShapeProto *shape =
      proto.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  shape->add_dim()->set_dim_param("batch");
  shape->add_dim();
  shape->add_dim()->set_dim_value(-1);
  proto.mutable_graph()->mutable_output(0)->clear_type();
  absl::StatusOr<Model> model = readModel(asBytes(proto.SerializeAsString()), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(
      *model->graph.values[model->graph.inputs[0]].type.shape,
      ElementsAre(Dimension{.size = 2}, Dimension{.size = -1, .symbol = "batch"}, Dimension{}, Dimension{}));
  EXPECT_EQ(model->graph.values[model->graph.outputs[0]].type.kind, Type::Kind::Unknown);
}

TEST(OnnxReader, InputsWithInitialisersAreConstants) {
  ::onnx::ModelProto proto = addModel();
  proto.set_ir_version(3);
  declare(proto.mutable_graph()->add_input(), "w", {7});
  std::string image = proto.SerializeAsString();
  absl::StatusOr<Model> model = readModel(asBytes(image), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(names(model->graph, model->graph.inputs), ElementsAre("x"));
  ASSERT_EQ(model->graph.constants.size(), 1u);
  const auto &[id, tensor] = *model->graph.constants.begin();
  EXPECT_EQ(model->graph.values[id].name, "w");
  EXPECT_THAT(*model->graph.values[id].type.shape, ElementsAre(Dimension{.size = 2}));
  // The bytes are those of the image itself.
  std::span<const uint8_t> bytes = *model->bytes(tensor);
  EXPECT_EQ(bytes.size(), 8u);
  EXPECT_GE(bytes.data(), asBytes(image).data());
  EXPECT_LT(bytes.data(), asBytes(image).data() + image.size());
}

TEST(OnnxReader, NodesArePutInOrder) {
  ::onnx::ModelProto proto = addModel();
  ::onnx::GraphProto *graph = proto.mutable_graph();
  addNode(graph, "Neg", {"b"}, {"c"});
  // Also what a subgraph uses comes first.
  ::onnx::NodeProto *node = addNode(graph, "If", {"x"}, {"b"});
  ::onnx::GraphProto *branch = addAttribute(node, "then_branch", Kind::GRAPH)->mutable_g();
  addNode(branch, "Relu", {"a"}, {"r"});
  declare(branch->add_output(), "r");
  addNode(graph, "Abs", {"y"}, {"a"});
  absl::StatusOr<Model> model = readModel(asBytes(proto.SerializeAsString()), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(ops(model->graph), ElementsAre("Add", "Abs", "If", "Neg"));
  EXPECT_EQ(model->graph.nodes[1].number, 3u);
}

TEST(OnnxReader, SubgraphsCapture) {
  ::onnx::ModelProto proto = branchModel();
  ::onnx::GraphProto *branch = proto.mutable_graph()->mutable_node(1)->mutable_attribute(0)->mutable_g();
  ::onnx::NodeProto *node = addNode(branch, "If", {"cond"}, {"d"});
  ::onnx::GraphProto *inner = addAttribute(node, "then_branch", Kind::GRAPH)->mutable_g();
  addNode(inner, "Mul", {"y", "b"}, {"x"}); // an own x, which hides the one outside
  addNode(inner, "Neg", {"x"}, {"n"});
  declare(inner->add_output(), "n");
  absl::StatusOr<Model> model = readModel(asBytes(proto.SerializeAsString()), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  const Graph &outer = model->graph;
  const Graph &middle = subgraph(outer.nodes[1], "then_branch");
  const Graph &most = subgraph(middle.nodes[1], "then_branch");
  auto captured = [](const Graph &graph, const Graph &around) {
    std::vector<std::pair<std::string, std::string>> result;
    for (const Graph::Capture &capture : graph.captures)
      result.emplace_back(graph.values.at(capture.inner).name, around.values.at(capture.outer).name);
    return result;
  };
  EXPECT_THAT(captured(middle, outer),
              UnorderedElementsAre(Pair("x", "x"), Pair("w", "w"), Pair("cond", "cond"), Pair("y", "y")));
  EXPECT_THAT(captured(most, middle), UnorderedElementsAre(Pair("y", "y"), Pair("b", "b")));
  EXPECT_EQ(most.nodes[1].inputs, most.nodes[0].outputs);
  EXPECT_THAT(names(most, most.outputs), ElementsAre("n"));
}

TEST(OnnxReader, Functions) {
  ::onnx::ModelProto proto = branchModel();
  ::onnx::FunctionProto *caller = proto.add_functions();
  *caller = proto.functions(0);
  caller->set_name("Caller");
  caller->add_attribute("alpha");
  ::onnx::AttributeProto *byDefault = caller->add_attribute_proto();
  byDefault->set_name("beta");
  byDefault->set_type(Kind::FLOAT);
  byDefault->set_f(0.5f);
  caller->mutable_node(0)->set_op_type("F");
  caller->mutable_node(0)->set_domain("f");
  addAttribute(caller->mutable_node(0), "gamma", Kind::FLOAT)->set_ref_attr_name("alpha");
  proto.mutable_functions()->SwapElements(0, 1);
  absl::StatusOr<Model> model = readModel(asBytes(proto.SerializeAsString()), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_EQ(model->functions.size(), 2u);
  // Callees come first.
  EXPECT_EQ(model->functions[0].name, "F");
  const Function &function = model->functions[1];
  EXPECT_EQ(function.domain, "f");
  EXPECT_THAT(function.opsets, ElementsAre(Pair("", 21)));
  EXPECT_THAT(function.attributes, ElementsAre("alpha"));
  EXPECT_EQ(std::get<float>(function.defaults.at(0).value), 0.5f);
  EXPECT_THAT(names(function.body, function.body.inputs), ElementsAre("a", "b"));
  EXPECT_THAT(names(function.body, function.body.outputs), ElementsAre("c"));
  const Attribute *gamma = function.body.nodes[0].find("gamma");
  EXPECT_EQ(gamma->reference, "alpha");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(gamma->value));
}

TEST(OnnxReader, DomainsAndOperatorSets) {
  ::onnx::ModelProto proto = addModel();
  proto.add_opset_import()->set_version(17);
  proto.mutable_opset_import(1)->set_domain("ai.onnx");
  proto.mutable_graph()->mutable_node(0)->set_domain("ai.onnx");
  absl::StatusOr<Model> model = readModel(asBytes(proto.SerializeAsString()), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(model->opsets, ElementsAre(Pair("", 21)));
  EXPECT_EQ(model->graph.nodes[0].domain, "");
}

TEST(OnnxReader, KnowsItsFilesByContent) {
  std::string image = branchModel().SerializeAsString();
  EXPECT_TRUE(looksLikeOnnx(asBytes(image)));
  EXPECT_TRUE(looksLikeOnnx(asBytes("\x08\x08\x28\x01" + image)));
  // An artifact's plan has messages where a model has its version.
  EXPECT_FALSE(looksLikeOnnx(asBytes("\x08\x08\x2a\x01x" + image)));
  // The head of a file is enough.
  EXPECT_TRUE(looksLikeOnnx(asBytes(image).first(image.size() / 2)));
  for (std::string_view other :
       {"", "\x08", "\x08\x07", "GGUF\3", "{\"a\": 1}", "PK\x03\x04", "#!/bin/sh\n", "func.func"})
    EXPECT_FALSE(looksLikeOnnx(asBytes(other))) << other;
}

} // namespace
} // namespace lamina::onnx
