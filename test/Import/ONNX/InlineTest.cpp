//===- InlineTest.cpp - what is left of a model when all that is known is folded ------------------------===//

#include "lib/Import/ONNX/Inline.h"

#include "test/Import/ONNX/TinyModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina::onnx {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> ops(const Graph &graph) {
  std::vector<std::string> result;
  for (const Node &node : graph.nodes)
    result.push_back(node.op);
  return result;
}

std::vector<std::string> names(const Graph &graph, const std::vector<ValueId> &ids) {
  std::vector<std::string> result;
  for (ValueId id : ids)
    result.push_back(graph.values.at(id).name);
  return result;
}

absl::StatusOr<Model> flat(const std::string &image, const InlineOptions &options = {}) {
  LAMINA_ASSIGN_OR_RETURN(Model model, readModel(asBytes(image), "test.onnx"));
  return inlined(std::move(model), options);
}

/// Makes graph input "cond" a constant.
void setCondition(::onnx::ModelProto &proto, bool value) {
  ::onnx::GraphProto *graph = proto.mutable_graph();
  for (int i = 0; i < graph->input_size(); ++i)
    if (graph->input(i).name() == "cond")
      graph->mutable_input()->DeleteSubrange(i, 1);
  addTensor(graph, "cond", ::onnx::TensorProto::BOOL, {})->set_raw_data(std::string(1, value ? '\1' : '\0'));
}

TEST(OnnxInline, AKnownBranchBecomesItsNodes) {
  ::onnx::ModelProto proto = branchModel();
  setCondition(proto, true);
  std::string image = proto.SerializeAsString();
  absl::StatusOr<Model> model = flat(image);
  ASSERT_TRUE(model.ok()) << model.status();
  // y = x + w, and z = F(x, w) = x + w out of the branch and of the function.
  EXPECT_THAT(ops(model->graph), ElementsAre("Add", "Add"));
  EXPECT_THAT(model->functions, IsEmpty());
  EXPECT_THAT(names(model->graph, model->graph.inputs), ElementsAre("x"));
  EXPECT_THAT(names(model->graph, model->graph.outputs), ElementsAre("y", "z"));
}

TEST(OnnxInline, FunctionsAreInlinedInBranchesThatStay) {
  std::string image = branchModel().SerializeAsString();
  absl::StatusOr<Model> model = flat(image);
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_THAT(ops(model->graph), ElementsAre("Add", "If"));
  const Attribute *branch = model->graph.nodes[1].find("else_branch");
  const Graph &inner = *std::get<std::unique_ptr<Graph>>(branch->value);
  EXPECT_THAT(ops(inner), ElementsAre("Add"));
  EXPECT_THAT(names(inner, inner.outputs), ElementsAre("b"));
}

TEST(OnnxInline, TheInputOfMergedDecodersIsTakenAsTrue) {
  ::onnx::ModelProto proto = branchModel();
  ::onnx::GraphProto *graph = proto.mutable_graph();
  graph->mutable_input(1)->set_name("use_cache_branch");
  graph->mutable_input(1)->mutable_type()->mutable_tensor_type()->set_elem_type(::onnx::TensorProto::BOOL);
  graph->mutable_node(1)->set_input(0, "use_cache_branch");
  std::string image = proto.SerializeAsString();
  absl::StatusOr<Model> model = flat(image);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(ops(model->graph), ElementsAre("Add", "Add"));
  EXPECT_THAT(names(model->graph, model->graph.inputs), ElementsAre("x"));
}

TEST(OnnxInline, ConstantsAreFoldedAndUnusedNodesGo) {
  ::onnx::ModelProto proto = addModel();
  ::onnx::GraphProto *graph = proto.mutable_graph();
  addNode(graph, "Add", {"w", "w"}, {"twice"});
  addNode(graph, "Neg", {"x"}, {"unused"});
  addNode(graph, "Identity", {"twice"}, {"known"});
  declare(graph->add_output(), "known");
  std::string image = proto.SerializeAsString();
  absl::StatusOr<Model> model = flat(image);
  ASSERT_TRUE(model.ok()) << model.status();
  // An output that is a constant is the copy of one.
  EXPECT_THAT(ops(model->graph), ElementsAre("Add", "Identity"));
  EXPECT_THAT(names(model->graph, model->graph.outputs), ElementsAre("y", "known"));
  EXPECT_EQ(model->graph.constants.size(), 2u);
}

TEST(OnnxInline, WhatIsLargeIsNotFolded) {
  ::onnx::ModelProto proto = addModel();
  addNode(proto.mutable_graph(), "Add", {"w", "w"}, {"twice"});
  declare(proto.mutable_graph()->add_output(), "twice");
  std::string image = proto.SerializeAsString();
  InlineOptions options;
  options.limits.elements = 1;
  absl::StatusOr<Model> model = flat(image, options);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(ops(model->graph), ElementsAre("Add", "Add"));
}

TEST(OnnxInline, AnIdentityOfSeveralResultsStays) {
  ::onnx::ModelProto proto = addModel();
  addNode(proto.mutable_graph(), "Identity", {"x"}, {"same", "more"});
  declare(proto.mutable_graph()->add_output(), "more");
  std::string image = proto.SerializeAsString();
  absl::StatusOr<Model> model = flat(image);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(ops(model->graph), ElementsAre("Add", "Identity")); // which the evaluator refuses
}

TEST(OnnxInline, OutputsThatNothingGivesAreRefused) {
  ::onnx::ModelProto proto = branchModel();
  setCondition(proto, true);
  proto.mutable_functions(0)->set_output(0, "b"); // the input that the call leaves out
  for (::onnx::AttributeProto &branch : *proto.mutable_graph()->mutable_node(1)->mutable_attribute())
    branch.mutable_g()->mutable_node(0)->mutable_input()->RemoveLast();
  std::string image = proto.SerializeAsString();
  EXPECT_THAT(std::string(flat(image).status().message()), HasSubstr("output 'z' is given by nothing"));
}

/// Each of thirty functions calls the next one twice.
TEST(OnnxInline, ExponentialModelsAreRefused) {
  ::onnx::ModelProto proto = addModel();
  proto.add_opset_import()->set_domain("f");
  proto.mutable_opset_import(1)->set_version(1);
  ::onnx::GraphProto *graph = proto.mutable_graph();
  addNode(graph, "F0", {"x"}, {"z"})->set_domain("f");
  declare(graph->add_output(), "z");
  for (int i = 0; i < 30; ++i) {
    ::onnx::FunctionProto *function = proto.add_functions();
    function->set_name("F" + std::to_string(i));
    function->set_domain("f");
    function->add_input("a");
    function->add_output("c");
    function->add_opset_import()->set_version(21);
    ::onnx::OperatorSetIdProto *own = function->add_opset_import();
    own->set_domain("f");
    own->set_version(1);
    std::string from = "a";
    for (const char *to : {"b", "c"}) {
      ::onnx::NodeProto *node = function->add_node();
      node->set_op_type(i == 29 ? "Neg" : "F" + std::to_string(i + 1));
      node->set_domain(i == 29 ? "" : "f");
      node->add_input(from);
      node->add_output(to);
      from = to;
    }
  }
  std::string image = proto.SerializeAsString();
  InlineOptions options;
  options.mostNodes = 1000;
  EXPECT_THAT(flat(image, options).status().message(), HasSubstr("more than 1000 nodes"));
}

} // namespace
} // namespace lamina::onnx
