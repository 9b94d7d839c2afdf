//===- AttentionNodesTest.cpp - attention in single operators: what is one, and what nearly is ----------===//

#include "lib/Import/ONNX/AttentionNodes.h"
#include "TinyModel.h"
#include "lib/Import/ONNX/Evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace lamina::onnx {
namespace {
using Kind = AttentionNodes::Kind;

/// Two heads of five queries and seven keys. Nodes are added one after the other and named by their results.
class AttentionNodesTest : public ::testing::Test {
protected:
  AttentionNodesTest() {
    input("q", {2, 5, 4});
    input("k", {2, 7, 4});
    input("v", {2, 7, 3});
    input("mask", {5, 7});
    number("c", 0.5f);
  }

  void input(std::string_view name, std::initializer_list<int64_t> dims) {
    declare(graph().add_input(), name, dims);
  }
  void number(std::string_view name, float value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    addTensor(&graph(), name, ::onnx::TensorProto::FLOAT, {})->set_raw_data(bytes);
  }
  ::onnx::NodeProto *node(std::string_view op, std::initializer_list<std::string_view> inputs,
                          std::string_view result) {
    return addNode(&graph(), op, inputs, {result});
  }
  void transpose(std::string_view x, std::string_view result) {
    ::onnx::AttributeProto *perm =
        addAttribute(node("Transpose", {x}, result), "perm", ::onnx::AttributeProto::INTS);
    for (int64_t axis : {0, 2, 1})
      perm->add_ints(axis);
  }
  ::onnx::GraphProto &graph() { return *proto_.mutable_graph(); }

  /// q kᵀ and softmax of them after `between`, which makes "masked" of "scores"; then v.
  template <typename Between> void softmax(Between between) {
    transpose("k", "kt");
    node("MatMul", {"q", "kt"}, "scores");
    between();
    node("Softmax", {"masked"}, "weights");
    node("MatMul", {"weights", "v"}, "y");
  }
  /// φ(q) and the transposed φ(k), and the products.
  template <typename Map> void linear(Map map) {
    map("q", "fq");
    map("k", "fk");
    transpose("fk", "fkt");
    node("MatMul", {"fkt", "v"}, "kv");
    node("MatMul", {"fq", "kv"}, "y");
  }

  /// "softmax q kt v: scores masked weights y": the attentions with what goes in, and their nodes by their results.
  std::vector<std::string> find(std::initializer_list<std::string_view> outputs = {"y"}) {
    for (std::string_view name : outputs)
      graph().add_output()->set_name(std::string(name));
    std::string bytes = proto_.SerializeAsString();
    absl::StatusOr<Model> model = readModel(asBytes(bytes), "test.onnx");
    EXPECT_TRUE(model.ok()) << model.status();
    if (!model.ok())
      return {};
    Evaluator evaluator(*model);
    std::vector<Tensor> inputs;
    for (ValueId id : model->graph.inputs) {
      const Type &type = model->graph.values[id].type;
      Dims dims;
      for (const Dimension &dimension : *type.shape)
        dims.push_back(dimension.size);
      inputs.emplace_back(type.element, std::move(dims));
    }
    absl::StatusOr<std::vector<Tensor>> tensors = evaluator.values(std::move(inputs));
    EXPECT_TRUE(tensors.ok()) << tensors.status();
    if (!tensors.ok())
      return {};
    std::vector<std::string> texts;
    for (const AttentionNodes &found : findAttentionNodes(model->graph, 21, *tensors)) {
      auto name = [&](ValueId id) { return model->graph.values[id].name; };
      std::string text = strCat(found.kind == Kind::Linear ? "linear " : "softmax ", name(found.query), " ",
                                name(found.key), " ", name(found.value), ":");
      for (size_t i : found.nodes)
        text += " " + name(model->graph.nodes[i].outputs[0]);
      texts.push_back(text);
    }
    return texts;
  }

  ::onnx::ModelProto proto_ = emptyModel();
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(AttentionNodesTest, FindsScalesAndMasksBetweenTheProducts) {
  softmax([&] {
    node("Div", {"scores", "c"}, "scaled");
    node("Tanh", {"scaled"}, "capped");
    node("Sub", {"c", "mask"}, "hidden");
    node("Add", {"capped", "hidden"}, "masked");
  });
  // What the mask is made of stays outside.
  EXPECT_THAT(find(), ElementsAre("softmax q kt v: scores scaled capped masked weights y"));
}

TEST_F(AttentionNodesTest, FindsWhatGuardsAgainstRowsThatSeeNothing) {
  transpose("k", "kt");
  node("MatMul", {"q", "kt"}, "scores");
  node("Softmax", {"scores"}, "weights");
  node("IsNaN", {"weights"}, "empty");
  node("Where", {"empty", "c", "weights"}, "guarded");
  node("MatMul", {"guarded", "v"}, "y");
  EXPECT_THAT(find(), ElementsAre("softmax q kt v: scores weights empty guarded y"));
}

TEST_F(AttentionNodesTest, WeightsMayBeAnOutputButNotReadElsewhere) {
  softmax([&] { node("Add", {"scores", "mask"}, "masked"); });
  EXPECT_THAT(find({"y", "weights"}), ElementsAre("softmax q kt v: scores masked weights y"));
}

TEST_F(AttentionNodesTest, ShapesMayBeReadElsewhere) {
  softmax([&] { node("Add", {"scores", "mask"}, "masked"); });
  node("Shape", {"scores"}, "sizes");
  node("ConstantOfShape", {"sizes"}, "zeros");
  node("Size", {"weights"}, "count");
  EXPECT_THAT(find({"y", "zeros", "count"}), ElementsAre("softmax q kt v: scores masked weights y"));
}

TEST_F(AttentionNodesTest, PassesOverWeightsThatAreReadElsewhere) {
  softmax([&] { node("Add", {"scores", "mask"}, "masked"); });
  node("Exp", {"weights"}, "z");
  EXPECT_THAT(find({"y", "z"}), IsEmpty());
}

TEST_F(AttentionNodesTest, PassesOverWeightsThatAreTheValues) {
  input("square", {2, 5, 4});
  transpose("square", "turned");
  node("MatMul", {"square", "turned"}, "scores");
  node("Softmax", {"scores"}, "weights");
  node("MatMul", {"weights", "weights"}, "y");
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(AttentionNodesTest, PassesOverResultsWithoutAName) {
  softmax([&] {
    addNode(&graph(), "Dropout", {"scores"}, {"", "mask of it"});
    node("Cast", {"mask of it"}, "masked");
  });
  addAttribute(graph().mutable_node(3), "to", ::onnx::AttributeProto::INT)->set_i(1);
  linear([&](std::string x, std::string result) { node("Relu", {x}, result); });
  graph().mutable_node(graph().node_size() - 1)->set_output(0, "");
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(AttentionNodesTest, PassesOverTheSoftmaxOfAnotherAxis) {
  softmax([&] { node("Add", {"scores", "mask"}, "masked"); });
  addAttribute(graph().mutable_node(3), "axis", ::onnx::AttributeProto::INT)->set_i(1);
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(AttentionNodesTest, PassesOverAProductWithAConstant) {
  addTensor(&graph(), "w", ::onnx::TensorProto::FLOAT, {4, 7})->set_raw_data(std::string(112, '\0'));
  node("MatMul", {"q", "w"}, "scores");
  node("Softmax", {"scores"}, "weights");
  node("MatMul", {"weights", "v"}, "y");
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(AttentionNodesTest, PassesOverASumOfTwoProducts) {
  softmax([&] {
    node("MatMul", {"q", "kt"}, "others");
    node("Add", {"scores", "others"}, "masked");
  });
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(AttentionNodesTest, PassesOverScoresThatChangeTheirPlaces) {
  input("w", {2, 5, 3});
  transpose("k", "kt");
  node("MatMul", {"q", "kt"}, "scores");
  addTensor(&graph(), "swapped", ::onnx::TensorProto::INT64, {3})
      ->set_raw_data(std::string("\2\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0", 24));
  node("Reshape", {"scores", "swapped"}, "masked");
  node("Softmax", {"masked"}, "weights");
  node("MatMul", {"weights", "w"}, "y");
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(AttentionNodesTest, FindsLinearAttention) {
  linear([&](std::string x, std::string result) {
    node("Elu", {x}, x + "/elu");
    node("Add", {x + "/elu", "c"}, result);
  });
  EXPECT_THAT(find(), ElementsAre("linear fq fkt v: kv y"));
}

TEST_F(AttentionNodesTest, FindsTheNormaliser) {
  linear([&](std::string x, std::string result) { node("Relu", {x}, result); });
  addTensor(&graph(), "axis", ::onnx::TensorProto::INT64, {1})
      ->set_raw_data(std::string("\1\0\0\0\0\0\0\0", 8));
  node("ReduceSum", {"fk", "axis"}, "sum"); // [2, 1, 4]
  transpose("sum", "sum/column");
  node("MatMul", {"fq", "sum/column"}, "total");
  node("Add", {"total", "c"}, "safe");
  node("Div", {"y", "safe"}, "z");
  // The sum is over keys as they were before the transposition, which goes along.
  EXPECT_THAT(find({"z"}), ElementsAre("linear fq fk v: fkt kv y sum sum/column total safe z"));
}

TEST_F(AttentionNodesTest, LeavesADivisorThatReadsSomethingElse) {
  linear([&](std::string x, std::string result) { node("Relu", {x}, result); });
  input("w", {2, 5, 1});
  node("Div", {"y", "w"}, "z");
  EXPECT_THAT(find({"z"}), ElementsAre("linear fq fkt v: kv y"));
}

TEST_F(AttentionNodesTest, FindsAFocusedMap) {
  number("three", 3);
  linear([&](std::string x, std::string result) {
    node("Relu", {x}, x + "/relu");
    node("Pow", {x + "/relu", "three"}, x + "/cube");
    node("ReduceL2", {x + "/cube"}, x + "/length");
    node("Div", {x + "/cube", x + "/length"}, result);
  });
  EXPECT_THAT(find(), ElementsAre("linear fq fkt v: kv y"));
}

TEST_F(AttentionNodesTest, PassesOverAMapOfOneSideAlone) {
  node("Relu", {"k"}, "fk");
  transpose("fk", "fkt");
  node("MatMul", {"fkt", "v"}, "kv");
  node("MatMul", {"q", "kv"}, "y");
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(AttentionNodesTest, FindsMapsOverAxesOfTheirOwn) {
  node("Softmax", {"q"}, "fq");                                                              // over features
  addAttribute(node("Softmax", {"k"}, "fk"), "axis", ::onnx::AttributeProto::INT)->set_i(1); // over positions
  transpose("fk", "fkt");
  node("MatMul", {"fkt", "v"}, "kv");
  node("MatMul", {"fq", "kv"}, "y");
  EXPECT_THAT(find(), ElementsAre("linear fq fkt v: kv y"));
}

TEST_F(AttentionNodesTest, FindsTheOrderOfResults) {
  linear([&](std::string x, std::string result) { node("Relu", {x}, result); });
  transpose("k", "kt");
  node("MatMul", {"q", "kt"}, "scores");
  node("Softmax", {"scores"}, "weights");
  node("MatMul", {"weights", "v"}, "z");
  node("ReduceSum", {"fkt"}, "sum");
  node("Div", {"y", "sum"}, "normal"); // the first one's last node, behind the second
  EXPECT_THAT(find({"normal", "z"}),
              ElementsAre("linear fq fkt v: kv y sum normal", "softmax q kt v: scores weights z"));
}

TEST_F(AttentionNodesTest, PassesOverDifferentMaps) {
  node("Elu", {"q"}, "fq");
  node("Relu", {"k"}, "fk");
  transpose("fk", "fkt");
  node("MatMul", {"fkt", "v"}, "kv");
  node("MatMul", {"fq", "kv"}, "y");
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(AttentionNodesTest, PassesOverAMapThatIsLinear) {
  linear([&](std::string x, std::string result) { node("Add", {x, "c"}, result); });
  EXPECT_THAT(find(), IsEmpty());
}

TEST_F(AttentionNodesTest, PassesOverAProductThatIsReadTwice) {
  linear([&](std::string x, std::string result) { node("Relu", {x}, result); });
  node("Exp", {"kv"}, "z");
  EXPECT_THAT(find({"y", "z"}), IsEmpty());
}

} // namespace
} // namespace lamina::onnx
