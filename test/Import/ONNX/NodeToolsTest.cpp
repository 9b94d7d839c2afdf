//===- NodeToolsTest.cpp - cases of single operators through lamina-opt and lamina-run ------------------===//
//
// Every case of ONNX's own node tests, and every case of onnxruntime's operators that make_onnx_cases.py recorded, is compiled by
// one lamina-opt and run by one lamina-run, and gives what the case expects, or uncompiled_node_tests.txt says why not; a case
// listed there that passes is an error, so that the list stays true. Inputs that decide shapes become constants where lamina-opt
// asks for it.
//
//===----------------------------------------------------------------------------------------------------===//

#include "NodeCases.h"

#include "lib/Import/ONNX/onnx.pb.h"
#include "runtime/io/NpyFile.h"
#include "runtime/io/NpyWriter.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

namespace lamina::onnx {
namespace {
namespace fs = std::filesystem;

/// A case on its way through the tools.
struct Case {
  fs::path folder, work;
  std::vector<std::string> inputs; ///< names
  std::vector<std::string> outputs;
  std::vector<TensorConstant> expected;
  std::set<std::string> constants; ///< inputs that lamina-opt is given
  std::string problem;             ///< empty as long as all is well

  std::string name() const { return folder.filename().string(); }
  std::string file(const std::string &input) const {
    auto at = std::find(inputs.begin(), inputs.end(), input) - inputs.begin();
    return (work / strCat("input", at, ".npy")).string();
  }
};

/// Writes the inputs of a case as .npy files.
absl::Status prepare(Case &c) {
  LAMINA_ASSIGN_OR_RETURN(Model model, readModel((c.folder / "model.onnx").string()));
  for (ValueId id : model.graph.inputs)
    c.inputs.push_back(model.graph.values[id].name);
  for (ValueId id : model.graph.outputs)
    c.outputs.push_back(model.graph.values[id].name);
  Evaluator evaluator(model);
  std::vector<TensorConstant> constants;
  fs::path data = c.folder / "test_data_set_0";
  LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> inputs, readTensors(data, "input", constants, evaluator));
  LAMINA_RETURN_IF_ERROR(readTensors(data, "output", c.expected, evaluator).status());
  fs::create_directories(c.work);
  for (size_t i = 0; i < inputs.size() && i < c.inputs.size(); ++i) {
    const Tensor &tensor = inputs[i];
    std::string_view descr = npyDescr(elementTypeName(tensor.type()));
    if (descr.empty())
      return absl::UnimplementedError(strCat("NumPy has no ", elementTypeName(tensor.type())));
    LAMINA_RETURN_IF_ERROR(writeNpy(c.file(c.inputs[i]), descr, tensor.dims(), tensor.bytes()));
  }
  return absl::OkStatus();
}

/// Runs a tool over command lines; returns what it wrote on standard error, by line.
std::vector<std::string> runBatch(const fs::path &work, const std::string &tool,
                                  const std::vector<std::string> &lines) {
  fs::path batch = work / (tool + ".batch"), errors = work / (tool + ".err");
  std::ofstream file(batch);
  for (const std::string &line : lines)
    file << line << "\n";
  file.close();
  std::string command = strCat(LAMINA_BINARY_DIR, "/bin/", tool, " --batch ", batch.string(), " >",
                               (work / "out").string(), " 2>", errors.string());
  int status = std::system(command.c_str());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 1) << tool << " ended with " << status;
  std::vector<std::string> result;
  std::ifstream in(errors);
  for (std::string line; std::getline(in, line);)
    result.push_back(line);
  return result;
}

/// Compiles the cases; returns those that ask for inputs as constants, which they have then.
std::vector<Case *> compile(const fs::path &work, const std::vector<Case *> &cases) {
  std::vector<std::string> lines;
  for (Case *c : cases) {
    std::string line = strCat((c->folder / "model.onnx").string(), " -o ", (c->work / "m.lamina").string());
    for (const std::string &input : c->constants)
      line += strCat(" --constant \"", input, "=", c->file(input), "\"");
    lines.push_back(line);
  }
  std::map<std::string, Case *> byModel;
  for (Case *c : cases)
    byModel[(c->folder / "model.onnx").string()] = c;
  std::set<Case *> again;
  for (const std::string &line : runBatch(work, "lamina-opt", lines))
    for (const auto &[model, c] : byModel) {
      if (line.find(model + ":") == std::string::npos)
        continue;
      constexpr std::string_view kAsks = "fix it with --constant ";
      size_t asks = line.find(kAsks), end = line.find("=FILE.npy");
      bool fresh = asks != std::string::npos && end != std::string::npos &&
                   c->constants.insert(line.substr(asks + kAsks.size(), end - asks - kAsks.size())).second;
      if (fresh)
        again.insert(c);
      else if (c->problem.empty())
        c->problem = line;
    }
  return {again.begin(), again.end()};
}

absl::Status check(const Case &c) {
  for (size_t i = 0; i < c.outputs.size(); ++i) {
    std::string name = c.outputs[i];
    for (char &character : name)
      if (!std::isalnum(static_cast<unsigned char>(character)) && character != '.' && character != '-')
        character = '_';
    absl::StatusOr<NpyArray> array = readNpy((c.work / "out" / (name + ".npy")).string());
    if (!array.ok())
      return absl::FailedPreconditionError(strCat("no output ", name));
    const TensorConstant &expected = c.expected[i];
    if (!npyHolds(*array, elementTypeName(expected.type)))
      return absl::FailedPreconditionError(strCat("output ", i, " has elements of type ", array->descr));
    Tensor got(expected.type, array->shape);
    got.allocate();
    std::copy(array->data.begin(), array->data.end(), got.mutableBytes());
    Model none;
    none.files.push_back({.path = "output"});
    LAMINA_ASSIGN_OR_RETURN(Tensor want, Evaluator(none).constant(expected));
    if (absl::Status status = compare(got, want); !status.ok())
      return absl::FailedPreconditionError(strCat("output ", i, ": ", toStd(status.message())));
  }
  return absl::OkStatus();
}

/// Compiles and runs all; what went wrong is in Case::problem.
void runAll(const fs::path &work, std::vector<Case> &cases) {
  std::vector<Case *> open;
  for (Case &c : cases) {
    if (absl::Status status = prepare(c); !status.ok())
      c.problem = std::string(status.message());
    else
      open.push_back(&c);
  }
  constexpr int kMostQuestions = 5;
  for (int round = 0; round < kMostQuestions && !open.empty(); ++round)
    open = compile(work, open);
  std::vector<std::string> lines;
  for (Case &c : cases) {
    if (!c.problem.empty())
      continue;
    std::string line = strCat((c.work / "m.lamina").string(), " --inproc --threads=1 --output-dir ",
                              (c.work / "out").string());
    for (const std::string &input : c.inputs)
      if (!c.constants.contains(input))
        line += strCat(" --input \"", input, "=", c.file(input), "\"");
    lines.push_back(line);
  }
  std::vector<std::string> errors = runBatch(work, "lamina-run", lines);
  for (Case &c : cases)
    if (c.problem.empty())
      if (absl::Status status = check(c); !status.ok())
        c.problem = std::string(status.message());
}

void writeMessage(const fs::path &path, const google::protobuf::MessageLite &message) {
  std::ofstream file(path, std::ios::binary);
  EXPECT_TRUE(message.SerializeToOstream(&file)) << path;
}

/// Unpacks a recorded case, whose tensors are constants of the model, into a folder as ONNX's cases have them.
fs::path unpack(const fs::path &recorded, const fs::path &root) {
  fs::path folder = root / recorded.stem(), data = folder / "test_data_set_0";
  fs::create_directories(data);
  ::onnx::ModelProto model;
  std::ifstream file(recorded, std::ios::binary);
  EXPECT_TRUE(model.ParseFromIstream(&file)) << recorded;
  ::onnx::GraphProto &graph = *model.mutable_graph();
  std::map<std::string, ::onnx::TensorProto> tensors;
  for (const ::onnx::TensorProto &tensor : graph.initializer())
    tensors[tensor.name()] = tensor;
  graph.clear_initializer();
  int inputs = 0, outputs = 0;
  for (const auto &[name, tensor] : tensors) {
    if (name.starts_with("expected "))
      continue;
    ::onnx::ValueInfoProto &input = *graph.add_input();
    input.set_name(name);
    ::onnx::TypeProto_Tensor &type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(tensor.data_type());
    for (int64_t size : tensor.dims())
      type.mutable_shape()->add_dim()->set_dim_value(size);
    writeMessage(data / strCat("input_", inputs++, ".pb"), tensor);
  }
  for (const ::onnx::ValueInfoProto &output : graph.output())
    writeMessage(data / strCat("output_", outputs++, ".pb"), tensors["expected " + output.name()]);
  writeMessage(folder / "model.onnx", model);
  return folder;
}

TEST(NodeTools, EveryCasePassesOrIsListed) {
  fs::path work = fs::path(testing::TempDir()) / strCat("lamina-node-tools-", ::getpid());
  std::vector<fs::path> folders;
  for (const fs::path &recorded : sortedEntries(kRecorded))
    folders.push_back(unpack(recorded, work / "unpacked"));
  bool all = fs::exists(kCases);
  if (all)
    for (const fs::path &folder : sortedEntries(kCases))
      folders.push_back(folder);
  else
    std::cout << "skipped: no " << kCases << "\n";
  std::vector<Case> cases;
  const char *only = std::getenv("LAMINA_NODE_TESTS"); // part of a name, for work on one operator
  for (const fs::path &folder : folders)
    if (!only || folder.filename().string().find(only) != std::string::npos)
      cases.push_back({.folder = folder,
                       .work = work / folder.filename(),
                       .inputs = {},
                       .outputs = {},
                       .expected = {},
                       .constants = {},
                       .problem = {}});
  runAll(work, cases);
  std::map<std::string, std::string> listed = listedCases("uncompiled_node_tests.txt");
  int passed = 0;
  for (const Case &c : cases) {
    passed += c.problem.empty();
    if (listed.erase(c.name()))
      EXPECT_NE(c.problem, "") << c.name() << " passes: remove it from uncompiled_node_tests.txt";
    else
      EXPECT_EQ(c.problem, "") << c.name();
  }
  if (!only && all)
    for (const auto &[name, reason] : listed)
      ADD_FAILURE() << name << " is in uncompiled_node_tests.txt, but there is no such case";
  std::cout << passed << " of " << cases.size() << " cases pass\n";
  fs::remove_all(work);
}

} // namespace
} // namespace lamina::onnx
