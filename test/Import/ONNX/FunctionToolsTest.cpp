//===- FunctionToolsTest.cpp - models without a cache, from file to results -----------------------------===//
//
// A small model of ours through lamina-opt and lamina-run, and what they say of wrong uses.
//
//===----------------------------------------------------------------------------------------------------===//

#include "TinyModel.h"
#include "runtime/base/StrCat.h"
#include "runtime/io/NpyFile.h"
#include "runtime/io/NpyWriter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <unistd.h>

namespace lamina::onnx {
namespace {
namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class FunctionTools : public ::testing::Test {
protected:
  void SetUp() override { fs::create_directories(work_); }
  void TearDown() override {
    ::unsetenv("XDG_CACHE_HOME");
    fs::remove_all(work_);
  }

  std::string path(const std::string &name) const { return (work_ / name).string(); }

  /// Everything that a tool printed, after a line with its exit status.
  std::string run(const std::string &tool, const std::string &arguments) {
    std::string log = path("log");
    int status =
        std::system(strCat(LAMINA_BINARY_DIR, "/bin/", tool, " ", arguments, " >", log, " 2>&1").c_str());
    std::ifstream file(log);
    return strCat("status ", WEXITSTATUS(status), "\n",
                  std::string(std::istreambuf_iterator<char>(file), {}));
  }

  void write(const ::onnx::ModelProto &model) {
    std::ofstream file(path("m.onnx"), std::ios::binary);
    model.SerializeToOstream(&file);
  }

  void writeFloats(const std::string &name, const std::vector<int64_t> &shape,
                   const std::vector<float> &values) {
    ASSERT_TRUE(writeNpy(path(name), "<f4", shape,
                         {reinterpret_cast<const uint8_t *>(values.data()), values.size() * 4})
                    .ok());
  }

  std::vector<float> floats(const std::string &name) {
    absl::StatusOr<NpyArray> array = readNpy(path(name));
    if (!array.ok() || array->descr != "<f4")
      return {};
    std::vector<float> values(array->data.size() / 4);
    std::memcpy(values.data(), array->data.data(), array->data.size());
    return values;
  }

  fs::path work_ = fs::path(testing::TempDir()) / strCat("lamina-function-tools-", ::getpid());
};

/// y = Relu(x [batch, 3] times w [3, 2]), z = x + x
::onnx::ModelProto layer() {
  ::onnx::ModelProto model = emptyModel();
  ::onnx::GraphProto *graph = model.mutable_graph();
  ::onnx::ValueInfoProto *x = declare(graph->add_input(), "x", {0, 3});
  x->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param("batch");
  ::onnx::TensorProto *w = addTensor(graph, "w", ::onnx::TensorProto::FLOAT, {3, 2});
  for (float value : {1.f, -1.f, 2.f, -2.f, 3.f, 4.f})
    w->add_float_data(value);
  addNode(graph, "MatMul", {"x", "w"}, {"product"});
  addNode(graph, "Relu", {"product"}, {"y"});
  addNode(graph, "Add", {"x", "x"}, {"out/z"});
  for (std::string_view output : {"y", "out/z"})
    graph->add_output()->set_name(std::string(output));
  return model;
}

TEST_F(FunctionTools, ComputesWhatTheModelSays) {
  write(layer());
  EXPECT_EQ(run("lamina-opt", strCat(path("m.onnx"), " --dim batch=2 -o ", path("m.lamina"))), "status 0\n");
  EXPECT_THAT(run("lamina-run", path("m.lamina") + " --describe"),
              AllOf(HasSubstr("input  x: float[2, 3]"), HasSubstr("output y: float[2, 2]")));
  EXPECT_THAT(run("lamina-run", path("m.lamina") + " --check"), HasSubstr("the plan is sound"));
  writeFloats("x.npy", {2, 3}, {1, 1, 1, -1, 0, 0.5});
  for (std::string flags : {"", "--inproc"}) {
    EXPECT_THAT(run("lamina-run", strCat(path("m.lamina"), " --input x=", path("x.npy"), " --output-dir ",
                                         path("out"), " ", flags)),
                AllOf(HasSubstr("status 0"), HasSubstr("'out/z': float[2, 3]")));
    EXPECT_THAT(floats("out/y.npy"), ::testing::ElementsAre(6, 1, 0.5, 3));
    EXPECT_THAT(floats("out/out_z.npy"), ::testing::ElementsAre(2, 2, 2, -2, 0, 1));
    fs::remove_all(path("out"));
  }
  EXPECT_EQ(run("lamina-run", strCat(path("m.lamina"), " --input x=", path("x.npy"), " --output-dir ",
                                     path("out"), " --output json")),
            strCat("status 0\n", R"({"outputs":[{"name":"y","element_type":"float","shape":[2,2],"file":")",
                   path("out/y.npy"), R"("},{"name":"out/z","element_type":"float","shape":[2,3],"file":")",
                   path("out/out_z.npy"), "\"}]}\n"));
}

/// Of one element type each: x and c, whose y is `op` of both.
::onnx::ModelProto binary(std::string_view op, const char *attribute = nullptr) {
  ::onnx::ModelProto model = emptyModel();
  ::onnx::GraphProto *graph = model.mutable_graph();
  for (std::string_view name : {"x", "c"})
    declare(graph->add_input(), name, {4});
  ::onnx::NodeProto *node = addNode(graph, op, {"x", "c"}, {"y"});
  if (attribute)
    addAttribute(node, attribute, ::onnx::AttributeProto::INT)->set_i(1);
  graph->add_output()->set_name("y");
  return model;
}

TEST_F(FunctionTools, TakesInfiniteDivisors) {
  write(binary("Mod", "fmod"));
  ASSERT_EQ(run("lamina-opt", strCat(path("m.onnx"), " -o ", path("m.lamina"))), "status 0\n");
  float infinity = std::numeric_limits<float>::infinity();
  writeFloats("x.npy", {4}, {5, -7.5, infinity, 8});
  writeFloats("c.npy", {4}, {infinity, -infinity, infinity, 3});
  run("lamina-run", strCat(path("m.lamina"), " --input x=", path("x.npy"), " --input c=", path("c.npy"),
                           " --output-dir ", path("out")));
  EXPECT_THAT(floats("out/y.npy"), ::testing::ElementsAre(5, -7.5, ::testing::IsNan(), 2));
}

/// The attention is framed when what passes its result on has been lowered.
TEST_F(FunctionTools, HandsOnTheResultOfAnAttention) {
  ::onnx::ModelProto model = emptyModel();
  ::onnx::GraphProto *graph = model.mutable_graph();
  for (std::string_view name : {"q", "kt", "v"})
    declare(graph->add_input(), name, {1, 2, 2});
  addNode(graph, "MatMul", {"q", "kt"}, {"scores"});
  addNode(graph, "Softmax", {"scores"}, {"weights"});
  addNode(graph, "MatMul", {"weights", "v"}, {"attended"});
  addNode(graph, "Dropout", {"attended"}, {"y"});
  graph->add_output()->set_name("y");
  write(model);
  ASSERT_EQ(run("lamina-opt", strCat(path("m.onnx"), " -o ", path("m.lamina"))), "status 0\n");
  writeFloats("zero.npy", {1, 2, 2}, {0, 0, 0, 0});
  writeFloats("v.npy", {1, 2, 2}, {1, 2, 3, 6});
  run("lamina-run", strCat(path("m.lamina"), " --input q=", path("zero.npy"), " --input kt=",
                           path("zero.npy"), " --input v=", path("v.npy"), " --output-dir ", path("out")));
  EXPECT_THAT(floats("out/y.npy"), ::testing::ElementsAre(2, 4, 2, 4));
}

/// Outputs that are the input, one value twice, and a cast of bool to four bits.
TEST_F(FunctionTools, GivesEachOutputMemoryOfItsOwn) {
  ::onnx::ModelProto model = emptyModel();
  ::onnx::GraphProto *graph = model.mutable_graph();
  declare(graph->add_input(), "x", {3});
  addNode(graph, "Dropout", {"x"}, {"same"});
  addNode(graph, "Neg", {"x"}, {"y"});
  addNode(graph, "Dropout", {"y"}, {"again"});
  auto cast = [&](std::string_view from, std::string_view result, int64_t type) {
    addAttribute(addNode(graph, "Cast", {from}, {result}), "to", ::onnx::AttributeProto::INT)->set_i(type);
  };
  cast("x", "bits", ::onnx::TensorProto::BOOL);
  cast("bits", "nibbles", ::onnx::TensorProto::INT4);
  cast("nibbles", "flags", ::onnx::TensorProto::FLOAT);
  for (std::string_view output : {"again", "x", "same", "y", "flags"})
    graph->add_output()->set_name(std::string(output));
  write(model);
  ASSERT_EQ(run("lamina-opt", strCat(path("m.onnx"), " -o ", path("m.lamina"))), "status 0\n");
  EXPECT_THAT(run("lamina-run", path("m.lamina") + " --describe"),
              ::testing::ContainsRegex("again.*\n.*x:.*\n.*same.*\n.*y.*\n.*flags"));
  writeFloats("x.npy", {3}, {1, 0, -2});
  run("lamina-run", strCat(path("m.lamina"), " --input x=", path("x.npy"), " --output-dir ", path("out")));
  for (const char *name : {"out/x.npy", "out/same.npy"})
    EXPECT_THAT(floats(name), ::testing::ElementsAre(1, 0, -2));
  for (const char *name : {"out/y.npy", "out/again.npy"})
    EXPECT_THAT(floats(name), ::testing::ElementsAre(-1, 0, 2));
  EXPECT_THAT(floats("out/flags.npy"), ::testing::ElementsAre(1, 0, 1));
}

TEST_F(FunctionTools, GoesOnFromAPhaseAndReadsNoVocabulary) {
  write(layer());
  std::ofstream(path("tokenizer.json")) << "not one that lamina reads";
  EXPECT_EQ(
      run("lamina-opt", strCat(path("m.onnx"), " --dim batch=1 --compile-to=schedule -o ", path("m.mlir"))),
      "status 0\n");
  EXPECT_EQ(run("lamina-opt", strCat(path("m.mlir"), " --compile-from=schedule -o ", path("m.lamina"))),
            "status 0\n");
  writeFloats("x.npy", {1, 3}, {1, 1, 1});
  EXPECT_THAT(run("lamina-run",
                  strCat(path("m.lamina"), " --input x=", path("x.npy"), " --output-dir ", path("out"))),
              HasSubstr("status 0"));
  EXPECT_THAT(floats("out/y.npy"), ::testing::ElementsAre(6, 1));
}

TEST_F(FunctionTools, RunsManyInOneProcess) {
  write(layer());
  writeFloats("x.npy", {1, 3}, {1, 1, 1});
  std::ofstream(path("compile")) << "# two of three can be compiled\n"
                                 << path("m.onnx") << " --dim batch=1 -o " << path("a.lamina") << "\n\n"
                                 << path("m.onnx") << " -o " << path("b.lamina") << "\n"
                                 << '"' << path("m.onnx") << "\" --dim batch=1 -o " << path("c.lamina")
                                 << "\n";
  EXPECT_THAT(run("lamina-opt", "--batch " + path("compile")),
              AllOf(HasSubstr("status 1"), HasSubstr("--dim batch=N")));
  EXPECT_FALSE(fs::exists(path("b.lamina")));
  std::ofstream(path("run")) << path("a.lamina") << " --input x=" << path("x.npy") << " --output-dir "
                             << path("a") << "\n"
                             << path("c.lamina") << " --input \"x=" << path("x.npy") << "\" --output-dir "
                             << path("c") << "\n";
  EXPECT_THAT(run("lamina-run", "--batch " + path("run")), HasSubstr("status 0"));
  EXPECT_EQ(floats("a/y.npy"), floats("c/y.npy"));
  EXPECT_EQ(floats("a/y.npy").size(), 2u);
  std::ofstream(path("open")) << "\"no end\n";
  EXPECT_THAT(run("lamina-run", "--batch " + path("open")),
              AllOf(HasSubstr("status 2"), HasSubstr(":1: a quote is not closed")));
  EXPECT_THAT(run("lamina-opt", "--batch /nowhere"), HasSubstr("status 2"));
}

TEST_F(FunctionTools, KnowsAModelBehindLongDocumentation) {
  ::onnx::ModelProto model = layer();
  model.set_doc_string(std::string(10'000, '.')); // before the graph
  write(model);
  EXPECT_EQ(run("lamina-opt", strCat(path("m.onnx"), " --dim batch=2 -o ", path("m.lamina"))), "status 0\n");
}

TEST_F(FunctionTools, CompilesIntoTheCacheWithWhatFlagsGive) {
  ::setenv("XDG_CACHE_HOME", path("cache").c_str(), 1);
  ::onnx::ModelProto model = layer();
  ::onnx::ValueInfoProto *shape = declare(model.mutable_graph()->add_input(), "shape", {1});
  shape->mutable_type()->mutable_tensor_type()->set_elem_type(::onnx::TensorProto::INT64);
  addNode(model.mutable_graph(), "Reshape", {"product", "shape"}, {"flat"});
  model.mutable_graph()->add_output()->set_name("flat");
  write(model);
  writeFloats("x.npy", {2, 3}, {1, 1, 1, -1, 0, 0.5});
  auto writeShape = [&](std::vector<int64_t> sizes) {
    std::vector<int64_t> dims{static_cast<int64_t>(sizes.size())};
    ASSERT_TRUE(writeNpy(path("s.npy"), "<i8", dims,
                         {reinterpret_cast<const uint8_t *>(sizes.data()), sizes.size() * 8})
                    .ok());
  };
  auto artifacts = [&] {
    size_t count = 0;
    for (const fs::directory_entry &entry : fs::directory_iterator(path("cache/lamina")))
      count += entry.is_directory();
    return count;
  };
  std::string flags = strCat(" --dim batch=2 --constant shape=", path("s.npy")),
              rest = strCat(" --input x=", path("x.npy"), " --output-dir ", path("out"));
  writeShape({4});
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(run("lamina-run", path("m.onnx") + flags + rest),
                AllOf(HasSubstr("status 0"), HasSubstr("'flat': float[4]")));
    EXPECT_THAT(floats("out/y.npy"), ::testing::ElementsAre(6, 1, 0.5, 3));
    EXPECT_EQ(artifacts(), 1u);
  }
  EXPECT_THAT(run("lamina-run", path("m.onnx") + flags + " --describe"), HasSubstr("input  x: float[2, 3]"));
  EXPECT_EQ(artifacts(), 1u);
  writeShape({1, 4}); // other bytes under the same name
  EXPECT_THAT(run("lamina-run", path("m.onnx") + flags + rest), HasSubstr("'flat': float[1, 4]"));
  EXPECT_EQ(artifacts(), 2u);
  EXPECT_THAT(run("lamina-run", path("m.onnx") + " --describe"),
              AllOf(HasSubstr("status 1"),
                    HasSubstr("size 'batch' of axis 0 is not known; give it with --dim batch=N")));
  for (std::string dim : {"batch", "batch=two", "batch=-1"})
    EXPECT_THAT(run("lamina-run", strCat(path("m.onnx"), " --describe --dim ", dim)),
                AllOf(HasSubstr("status 2"), HasSubstr(strCat("expected NAME=N, got '", dim, "'"))));
  EXPECT_THAT(run("lamina-run", path("m.onnx") + " --describe --constant shape=/nowhere.npy"),
              HasSubstr("/nowhere.npy"));
  ASSERT_EQ(run("lamina-opt", strCat(path("m.onnx"), flags, " -o ", path("m.lamina"))), "status 0\n");
  EXPECT_THAT(
      run("lamina-run", path("m.lamina") + " --describe --dim batch=3"),
      HasSubstr(
          "is compiled already, so --dim=batch=3 comes too late; give the model that it was compiled from"));
}

TEST_F(FunctionTools, SaysWhatIsWrongWithInputs) {
  write(layer());
  ASSERT_EQ(run("lamina-opt", strCat(path("m.onnx"), " --dim batch=2 -o ", path("m.lamina"))), "status 0\n");
  writeFloats("x.npy", {2, 3}, {1, 1, 1, 1, 1, 1});
  writeFloats("flat.npy", {6}, {1, 1, 1, 1, 1, 1});
  std::string artifact = path("m.lamina"), out = " --output-dir " + path("out"),
              x = " --input x=" + path("x.npy");
  EXPECT_THAT(run("lamina-run", artifact + out),
              AllOf(HasSubstr("status 1"), HasSubstr("input 'x' is missing; give --input x=")));
  EXPECT_THAT(run("lamina-run", artifact + out + " --input q=" + path("x.npy")),
              HasSubstr("with an input of the model: x"));
  EXPECT_THAT(run("lamina-run", artifact + out + x + x), HasSubstr("input 'x' is given twice"));
  EXPECT_THAT(run("lamina-run", artifact + out + " --input x=" + path("flat.npy")),
              HasSubstr("shape [6], input 'x' is float[2, 3]"));
  EXPECT_THAT(run("lamina-run", artifact + out + " --input x=/nowhere.npy"), HasSubstr("/nowhere.npy"));
  EXPECT_THAT(run("lamina-run", artifact + x),
              AllOf(HasSubstr("status 2"), HasSubstr("--input needs --output-dir")));
  EXPECT_THAT(run("lamina-run", artifact + x + out + " --prompt a"),
              HasSubstr("--prompt does nothing with --output-dir"));
  EXPECT_THAT(run("lamina-run", artifact + " --prompt a"), HasSubstr("computes tensors, not text"));
}

TEST_F(FunctionTools, SaysWhatCannotBeCompiled) {
  auto compile = [&](const ::onnx::ModelProto &model, const std::string &flags = "") {
    write(model);
    return run("lamina-opt", strCat(path("m.onnx"), " -o ", path("m.lamina"), " ", flags));
  };
  EXPECT_THAT(compile(layer()), HasSubstr("size 'batch' of axis 0 is not known; give it with --dim batch=N"));
  EXPECT_THAT(compile(layer(), "--dim batch=-1"), HasSubstr("expected NAME=N, got 'batch=-1'"));
  EXPECT_THAT(compile(layer(), "--dim batch=2 --constant q=x.npy"), HasSubstr("there is no input 'q'"));
  EXPECT_THAT(compile(layer(), "--dim batch=2 --dim heads=3"),
              HasSubstr("--dim: no input has a size 'heads'"));
  ::onnx::ModelProto model = layer();
  model.mutable_graph()->mutable_node(1)->set_op_type("MaxUnpool");
  EXPECT_THAT(compile(model, "--dim batch=2"),
              AllOf(HasSubstr("node/y"), HasSubstr("'MaxUnpool' of ai.onnx at opset 21 is not known")));
  model = layer();
  model.mutable_opset_import(0)->set_version(26);
  ::onnx::NodeProto *cast = model.mutable_graph()->mutable_node(1);
  cast->set_op_type("BitCast");
  ::onnx::AttributeProto *to = cast->add_attribute();
  to->set_name("to");
  to->set_type(::onnx::AttributeProto::INT);
  to->set_i(::onnx::TensorProto::INT32);
  EXPECT_THAT(compile(model, "--dim batch=2"),
              AllOf(HasSubstr("operator BitCast of ai.onnx at opset 26 is not compiled yet"),
                    Not(HasSubstr("closest")))); // a name that looks alike is another operator
  model = emptyModel();
  declare(model.mutable_graph()->add_input(), "x")
      ->mutable_type()
      ->mutable_tensor_type()
      ->set_elem_type(::onnx::TensorProto::DOUBLE);
  addNode(model.mutable_graph(), "Exp", {"x"}, {"y"});
  model.mutable_graph()->add_output()->set_name("y");
  EXPECT_THAT(compile(model), HasSubstr("in double precision yet; export the model in float32"));
  model = layer();
  ::onnx::ValueInfoProto *shape = declare(model.mutable_graph()->add_input(), "shape", {1});
  shape->mutable_type()->mutable_tensor_type()->set_elem_type(::onnx::TensorProto::INT64);
  model.mutable_graph()->mutable_node(1)->set_op_type("Reshape");
  model.mutable_graph()->mutable_node(1)->add_input("shape");
  EXPECT_THAT(compile(model, "--dim batch=2"), HasSubstr("fix it with --constant shape=FILE.npy"));
}

TEST_F(FunctionTools, RefusesTypesThatOperatorsDoNotTake) {
  auto compile = [&](std::string_view op, std::vector<int32_t> types) {
    ::onnx::ModelProto model = emptyModel();
    ::onnx::NodeProto *node = addNode(model.mutable_graph(), op, {}, {"y"});
    for (size_t i = 0; i < types.size(); ++i) {
      std::string name = strCat("x", i);
      declare(model.mutable_graph()->add_input(), name)
          ->mutable_type()
          ->mutable_tensor_type()
          ->set_elem_type(types[i]);
      node->add_input(name);
    }
    model.mutable_graph()->add_output()->set_name("y");
    write(model);
    return run("lamina-opt", strCat(path("m.onnx"), " -o ", path("m.lamina")));
  };
  using ::onnx::TensorProto;
  EXPECT_THAT(compile("Exp", {TensorProto::INT64}),
              HasSubstr("node 'node/y' ('Exp'): does not take inputs of such types: int64[2]; cast them to "
                        "types that the operator has"));
  EXPECT_THAT(compile("Not", {TensorProto::FLOAT}),
              HasSubstr("does not take inputs of such types: float[2]; cast"));
  EXPECT_THAT(compile("Gather", {TensorProto::FLOAT, TensorProto::FLOAT}),
              HasSubstr("such types: float[2], float[2]; cast"));
}

TEST_F(FunctionTools, RefusesWhatNoOperatorSays) {
  auto compile = [&](const ::onnx::ModelProto &model) {
    write(model);
    return run("lamina-opt", strCat(path("m.onnx"), " -o ", path("m.lamina")));
  };
  auto attention = [](std::string_view attribute, int64_t value) {
    ::onnx::ModelProto model = emptyModel();
    model.mutable_opset_import(0)->set_version(23);
    ::onnx::GraphProto *graph = model.mutable_graph();
    declare(graph->add_input(), "q", {1, 1, 2, 4});
    addAttribute(addNode(graph, "Attention", {"q", "q", "q"}, {"y", "", "", "scores"}), attribute,
                 ::onnx::AttributeProto::INT)
        ->set_i(value);
    for (std::string_view output : {"y", "scores"})
      graph->add_output()->set_name(std::string(output));
    return model;
  };
  EXPECT_THAT(compile(attention("qk_matmul_output_mode", 1 << 20)),
              AllOf(HasSubstr("status 1"),
                    HasSubstr("attribute 'qk_matmul_output_mode' is 1048576, expected 0 to 3")));
  EXPECT_THAT(compile(attention("softmax_precision", 8)),
              HasSubstr("attribute 'softmax_precision' is 8, not a type of reals"));
  EXPECT_EQ(compile(attention("softmax_precision", 10)), "status 0\n");

  ::onnx::ModelProto model = emptyModel();
  model.add_opset_import()->set_domain("com.microsoft");
  model.mutable_opset_import(1)->set_version(1);
  declare(model.mutable_graph()->add_input(), "q", {1, 2, 4});
  declare(model.mutable_graph()->add_input(), "mask", {1, 2});
  ::onnx::NodeProto *node =
      addNode(model.mutable_graph(), "MultiHeadAttention", {"q", "q", "q", "", "mask"}, {"y"});
  node->set_domain("com.microsoft");
  addAttribute(node, "num_heads", ::onnx::AttributeProto::INT)->set_i(2);
  model.mutable_graph()->add_output()->set_name("y");
  EXPECT_THAT(compile(model), HasSubstr("expected integers as mask, got float[1, 2]"));

  model = emptyModel();
  declare(model.mutable_graph()->add_input(), "x", {1});
  addTensor(model.mutable_graph(), "shape", ::onnx::TensorProto::INT64, {1})
      ->set_raw_data(std::string("\0\0\0\0\0\1\0\0", 8));
  addNode(model.mutable_graph(), "Expand", {"x", "shape"}, {"y"});
  model.mutable_graph()->add_output()->set_name("y");
  EXPECT_THAT(compile(model), HasSubstr("moves more than 268435456 elements, which is not compiled"));
}

} // namespace
} // namespace lamina::onnx
