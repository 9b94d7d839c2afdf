//===- EvaluatorTest.cpp - what the evaluator refuses whatever the operator -----------------------------===//

#include "lib/Import/ONNX/Evaluator.h"

#include "test/Import/ONNX/TinyModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina::onnx {
namespace {

using ::onnx::AttributeProto;
using testing::HasSubstr;

absl::Status evaluated(const ::onnx::ModelProto &proto, bool known = true) {
  std::string image = proto.SerializeAsString();
  LAMINA_ASSIGN_OR_RETURN(Model model, readModel(asBytes(image), "test.onnx"));
  Tensor x(ElementType::Float, {2});
  if (known)
    x.allocate();
  return Evaluator(model).run({x}).status();
}

TEST(OnnxEvaluator, RefusesAttributesThatNobodyAsksFor) {
  ::onnx::ModelProto proto = addModel();
  ASSERT_TRUE(evaluated(proto).ok());
  addAttribute(proto.mutable_graph()->mutable_node(0), "twist", AttributeProto::INT)->set_i(1);
  EXPECT_THAT(std::string(evaluated(proto).message()),
              HasSubstr("node 'node/y' ('Add'): attribute 'twist' or its value is not known and may change"));
  EXPECT_TRUE(evaluated(proto, /*known=*/false).ok()) << "shapes do not depend on it";
}

TEST(OnnxEvaluator, AcceptsAttributesThatSayNothing) {
  ::onnx::ModelProto proto = addModel();
  AttributeProto *attribute =
      addAttribute(proto.mutable_graph()->mutable_node(0), "stash_type", AttributeProto::INT);
  attribute->set_i(1);
  EXPECT_TRUE(evaluated(proto).ok());
  attribute->set_i(10);
  EXPECT_THAT(std::string(evaluated(proto).message()), HasSubstr("attribute 'stash_type'"));
}

TEST(OnnxEvaluator, RefusesAttributesOfAnotherKind) {
  ::onnx::ModelProto proto = addModel();
  ::onnx::NodeProto *node = proto.mutable_graph()->mutable_node(0);
  node->set_op_type("Concat");
  addAttribute(node, "axis", AttributeProto::FLOAT)->set_f(0);
  EXPECT_THAT(std::string(evaluated(proto).message()),
              HasSubstr("expected attribute 'axis' to be an integer"));
}

TEST(OnnxEvaluator, ErrorsAreOneLineWhateverNamesHold) {
  ::onnx::ModelProto proto = addModel();
  proto.mutable_graph()->mutable_node(0)->set_op_type("Add\nAdd");
  EXPECT_THAT(std::string(evaluated(proto).message()),
              HasSubstr("operator 'Add\\nAdd' of ai.onnx at opset 21 is not known"));
}

TEST(OnnxEvaluator, NumbersThatNoIntegerHolds) {
  ::onnx::ModelProto proto = addModel();
  proto.mutable_graph()->mutable_initializer(0)->set_raw_data(std::string("\0\0\x80\x7f\0\0\xc0\x7f", 8));
  ::onnx::NodeProto *node = proto.mutable_graph()->mutable_node(0);
  node->set_op_type("BitwiseNot");
  node->clear_input();
  node->add_input("w"); // infinity and NaN
  EXPECT_TRUE(evaluated(proto).ok());
}

TEST(OnnxEvaluator, NamesAMissingInput) {
  ::onnx::ModelProto proto = addModel();
  proto.mutable_graph()->mutable_node(0)->set_op_type("MatMul");
  proto.mutable_graph()->mutable_node(0)->set_input(1, "");
  EXPECT_THAT(std::string(evaluated(proto).message()), HasSubstr("input 1 is missing"));
}

} // namespace
} // namespace lamina::onnx
