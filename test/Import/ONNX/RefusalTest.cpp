//===- RefusalTest.cpp: what the reader refuses, and what it says
//-----------------------------------------------===//

#include "test/Import/ONNX/TinyModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina::onnx {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using Kind = ::onnx::AttributeProto;

/// The refusal of addModel() with a change.
template <typename Change> std::string refused(const Change &change) {
  ::onnx::ModelProto model = addModel();
  change(model, *model.mutable_graph());
  return refusal(model);
}

TEST(OnnxRefusal, NotOnnx) {
  EXPECT_EQ(refusal(""), "test.onnx: byte 0: the file is empty; download it again");
  EXPECT_THAT(refusal("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("Git LFS pointer"));
  EXPECT_THAT(refusal("<!DOCTYPE html>"), HasSubstr("web page"));
  EXPECT_THAT(refusal("GGUF...."), HasSubstr("GGUF model"));
  EXPECT_THAT(refusal("PK\x03\x04...."), HasSubstr("PyTorch checkpoint"));
  EXPECT_THAT(refusal("text"), HasSubstr("expected an ONNX model"));
  EXPECT_EQ(refusal(addModel()), "");
  EXPECT_EQ(refusal(branchModel()), "");
}

TEST(OnnxRefusal, Versions) {
  for (int64_t version = kOldestIrVersion; version <= kNewestIrVersion; ++version)
    EXPECT_EQ(refused([&](auto &model, auto &) { model.set_ir_version(version); }), "");
  EXPECT_THAT(
      refused([](auto &model, auto &) { model.set_ir_version(2); }),
      HasSubstr("ONNX IR version 2, expected 3 to 14; export the model again with a newer version of ONNX"));
  EXPECT_THAT(refused([](auto &model, auto &) { model.set_ir_version(15); }),
              HasSubstr("ONNX IR version 15, expected 3 to 14; a newer lamina may read it"));
  EXPECT_THAT(refused([](auto &model, auto &) { model.clear_opset_import(); }),
              HasSubstr("imports no operator set"));
  EXPECT_THAT(refused([](auto &model, auto &) { model.mutable_opset_import(0)->set_version(0); }),
              HasSubstr("the version of operator set '' is 0"));
  EXPECT_THAT(refused([](auto &model, auto &) { model.clear_graph(); }), HasSubstr("the model has no graph"));
}

// A file is whole wherever all that it needs has come. That is before the function alone, which some operator
// set might know as an operator.
TEST(OnnxRefusal, TruncatedAnywhere) {
  for (const ::onnx::ModelProto &model : {addModel(), branchModel()}) {
    std::string image = model.SerializeAsString();
    size_t accepted = 0;
    for (size_t size = 0; size < image.size(); ++size) {
      std::string message = refusal(std::string_view(image).substr(0, size));
      accepted += message.empty();
      EXPECT_TRUE(message.empty() || StartsWith("test.onnx: ").impl().MatchAndExplain(message, nullptr))
          << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
    EXPECT_EQ(accepted, static_cast<size_t>(model.functions_size()));
  }
}

TEST(OnnxRefusal, WireFormat) {
  std::string image = addModel().SerializeAsString();
  auto with = [&](std::string_view more) { return refusal(image + std::string(more)); };
  std::string at = "test.onnx: byte " + std::to_string(image.size()) + ": ";
  EXPECT_EQ(with("\xf8\x07\x01"), ""); // field 127 is unknown
  EXPECT_THAT(with("\x83\x08"), StartsWith(at + "expected a field of a protobuf message, got tag 1027"));
  EXPECT_THAT(with(std::string_view("\0", 1)), HasSubstr("got tag 0"));
  EXPECT_THAT(with("\x07"), HasSubstr("got tag 7"));
  EXPECT_THAT(with("\x80"), StartsWith(at + "the message ends within a number"));
  EXPECT_THAT(with("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
              HasSubstr("a number does not fit 64 bits"));
  EXPECT_THAT(
      with("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\x7fx"),
      HasSubstr(
          "field 3 takes 9223372036854775807 bytes but only 1 are left in its message; the file is cut"));
  EXPECT_THAT(with("\x18\x05"),
              HasSubstr("ModelProto.producer_version: expected a length and bytes, got a varint"));
  EXPECT_THAT(with(image), HasSubstr("the model has two graphs"));
}

TEST(OnnxRefusal, Names) {
  EXPECT_THAT(refused([](auto &, auto &graph) { addNode(&graph, "Neg", {"x"}, {"y"}); }),
              HasSubstr("test.onnx: node 'node/y' ('Neg'): value 'y' is defined twice; rename one"));
  EXPECT_THAT(refused([](auto &, auto &graph) { declare(graph.add_input(), "x"); }),
              HasSubstr("input number 1: value 'x' is defined twice"));
  EXPECT_THAT(refused([](auto &, auto &graph) { addTensor(&graph, "w", 1, {0}); }),
              HasSubstr("initialiser number 1: value 'w' is defined twice"));
  EXPECT_THAT(refused([](auto &, auto &graph) {
                addTensor(&graph, "x", 1, {0});
                addTensor(&graph, "x", 1, {0});
              }),
              HasSubstr("initialiser number 2: there is another for input 'x'"));
  EXPECT_THAT(refused([](auto &, auto &graph) { declare(graph.add_output(), "y"); }),
              HasSubstr("output 'y' of graph 'g' is listed twice"));
  EXPECT_THAT(refused([](auto &, auto &graph) { declare(graph.add_input(), ""); }), HasSubstr("has no name"));
  EXPECT_THAT(refused([](auto &, auto &graph) { addTensor(&graph, "", 1, {0}); }), HasSubstr("has no name"));
  // One line, whatever the names are.
  std::string message =
      refused([](auto &, auto &graph) { addNode(&graph, "\n", {"\n" + std::string(1 << 20, 'x')}, {}); });
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_LT(message.size(), 400u);
}

TEST(OnnxRefusal, Graph) {
  EXPECT_THAT(
      refused([](auto &, auto &graph) { graph.clear_initializer(); }),
      HasSubstr("test.onnx: node 'node/y' ('Add'): input 1, 'w', is neither an input nor an initialiser nor "
                "made by a node; export the model again"));
  EXPECT_THAT(refused([](auto &, auto &graph) { graph.mutable_output(0)->set_name("q"); }),
              HasSubstr("output 'q' of graph 'g' is neither"));
  EXPECT_THAT(refused([](auto &, auto &graph) { graph.clear_output(); }),
              HasSubstr("the graph has no outputs"));
  EXPECT_THAT(refused([](auto &, auto &graph) { graph.mutable_node(0)->clear_op_type(); }),
              HasSubstr("node 'node/y' (''): it has no operator"));
  EXPECT_THAT(refused([](auto &, auto &graph) { graph.mutable_node(0)->set_domain("com.microsoft"); }),
              HasSubstr("node 'node/y' ('com.microsoft.Add'): the model imports no operator set of domain "
                        "'com.microsoft'"));
  EXPECT_THAT(refused([](auto &, auto &graph) { graph.add_sparse_initializer(); }),
              HasSubstr("sparse initialiser"));
  EXPECT_THAT(refused([](auto &, auto &graph) { declare(graph.add_value_info(), "v", {-2}); }),
              HasSubstr("value 'v': byte "));
  EXPECT_THAT(
      refused([](auto &, auto &graph) {
        declare(graph.add_value_info(), "v")->mutable_type()->mutable_tensor_type()->set_elem_type(99);
      }),
      HasSubstr("element type 99 is unknown"));
}

TEST(OnnxRefusal, Cycles) {
  EXPECT_THAT(refused([](auto &, auto &graph) {
                addNode(&graph, "Neg", {"y"}, {"a"});
                addNode(&graph, "Abs", {"a", "c"}, {"b"});
                addNode(&graph, "Exp", {"b"}, {"c"});
                addNode(&graph, "Log", {"c"}, {"d"});
              }),
              AllOf(StartsWith("test.onnx: node 'node/"), HasSubstr("it needs its own result (a cycle)")));
  // Through a subgraph.
  EXPECT_THAT(refused([](auto &, auto &graph) {
                ::onnx::NodeProto *node = addNode(&graph, "If", {"x"}, {"z"});
                ::onnx::GraphProto *branch = addAttribute(node, "then_branch", Kind::GRAPH)->mutable_g();
                addNode(branch, "Neg", {"z"}, {"n"});
              }),
              HasSubstr("node 'node/z' ('If'): it needs its own result"));
}

TEST(OnnxRefusal, DeepNesting) {
  auto nested = [](int depth) {
    return refused([&](auto &, auto &graph) {
      ::onnx::GraphProto *inner = &graph;
      for (int i = 1; i < depth; ++i)
        inner = addAttribute(addNode(inner, "If", {"x"}, {}), "then_branch", Kind::GRAPH)->mutable_g();
    });
  };
  EXPECT_EQ(nested(16), "");
  EXPECT_THAT(nested(17), HasSubstr("graphs are nested deeper than 16"));
  EXPECT_THAT(nested(1000), HasSubstr("graphs are nested deeper than 16"));
}

TEST(OnnxRefusal, Functions) {
  auto functions = [](int count, int called) {
    ::onnx::ModelProto model = addModel();
    for (int i = 0; i < count; ++i) {
      ::onnx::FunctionProto *function = model.add_functions();
      function->set_domain("f");
      function->set_name("F" + std::to_string(i));
      ::onnx::NodeProto *node = function->add_node();
      node->set_domain(i == 0 && called < 0 ? "" : "f");
      node->set_op_type(i == 0 && called < 0 ? "Add" : "F" + std::to_string(i == 0 ? called : i - 1));
      function->add_opset_import()->set_version(21);
    }
    return refusal(model);
  };
  EXPECT_EQ(functions(64, -1), "");
  EXPECT_THAT(functions(65, -1), HasSubstr("function 'f.F64': calls nest deeper than 64"));
  EXPECT_THAT(functions(20000, -1), HasSubstr("calls nest deeper than 64"));
  EXPECT_THAT(functions(1, 0), HasSubstr("function 'f.F0' calls itself"));
  EXPECT_THAT(functions(3, 2), HasSubstr("calls itself"));
  EXPECT_THAT(functions(1, 5), HasSubstr("imports no operator set of domain 'f'"));
  ::onnx::ModelProto twice = branchModel();
  *twice.add_functions() = twice.functions(0);
  EXPECT_THAT(refusal(twice), HasSubstr("function 'f.F' is defined twice"));
  // Bodies see nothing of the graph.
  ::onnx::ModelProto captures = branchModel();
  captures.mutable_functions(0)->mutable_node(0)->set_input(0, "w");
  EXPECT_THAT(refusal(captures),
              HasSubstr("function 'f.F': node number 0 ('Add'): input 0, 'w', is neither"));
}

} // namespace
} // namespace lamina::onnx
