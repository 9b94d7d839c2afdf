//===- TestModel.cpp - an artifact for lamina-run that needs no compiler ------------------------------===//

#include "TestModel.h"

#include "runtime/io/ArtifactWriter.h"
#include "runtime/io/GGUFWriter.h"
#include "test/runtime/executor/TestPlan.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

namespace lamina::test {
namespace {

std::string vocabulary() {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  for (char letter = 'a'; letter <= 'z'; ++letter)
    tokens.push_back(std::string(1, letter));
  tokens.insert(tokens.end(), {"0", "1", "2"});
  std::vector<std::string_view> views(tokens.begin(), tokens.end());
  std::vector<int32_t> types(tokens.size(), 1);
  types[0] = 2;
  types[1] = types[2] = 3;
  std::vector<float> scores(tokens.size(), 0.0f);
  GGUFWriter writer;
  writer.addString("general.architecture", "llama");
  writer.addString("tokenizer.ggml.model", "llama");
  writer.addStrings("tokenizer.ggml.tokens", views);
  writer.addFloats("tokenizer.ggml.scores", scores);
  writer.addInt32s("tokenizer.ggml.token_type", types);
  writer.addBool("tokenizer.ggml.add_space_prefix", false);
  writer.addString("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}");
  return writer.finish();
}

absl::Status writeArtifact(const std::string &path, const std::string &memoryDevice,
                           const std::function<void(plan::Plan &)> &edit) {
  TestArtifact files;
  plan::Plan plan = makePlan({.memoryOnCuda = memoryDevice == "cuda"});
  plan.mutable_classes(1)->set_device(memoryDevice);
  plan.mutable_model()->set_name("test");
  plan.mutable_model()->set_architecture("llama");
  plan.mutable_partition()->set_compute_fragments(2);
  plan.mutable_partition()->set_memory_fragments(1);
  plan.mutable_partition()->set_link_bytes_per_token(256);
  if (edit)
    edit(plan);
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<ArtifactWriter> writer, ArtifactWriter::create(path));
  LAMINA_RETURN_IF_ERROR(writer->addFile(kPlanFile, plan.SerializeAsString()));
  LAMINA_RETURN_IF_ERROR(writer->addFile(kTokenizerFile, vocabulary()));
  for (const char *name : {"code/kernels.so", "code/kernels.sim.so", "weights/compute0.bin"})
    LAMINA_RETURN_IF_ERROR(writer->copyFile(name, files.path() + "/" + name));
  ArtifactManifest manifest;
  manifest.compilerVersion = "test";
  manifest.modelName = "model.gguf";
  manifest.modelSha256 = std::string(64, '0');
  manifest.targets = {"x86-64-v2"};
  return writer->commit(std::move(manifest));
}

std::string quoted(const std::string &text) {
  std::string result = "'";
  for (char c : text)
    result += c == '\'' ? "'\\''" : std::string(1, c);
  return result + "'";
}

} // namespace

TestModel::TestModel(const std::string &memoryDevice, const std::function<void(plan::Plan &)> &edit) {
  std::string name = ::testing::TempDir() + "lamina-run-XXXXXX";
  folder_ = mkdtemp(name.data());
  absl::Status status = writeArtifact(artifact(), memoryDevice, edit);
  EXPECT_TRUE(status.ok()) << status;
  writeFile(gguf(), vocabulary());
}

TestModel::~TestModel() { std::filesystem::remove_all(folder_); }

std::string readFile(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void writeFile(const std::string &path, const std::string &text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

Outcome runProgram(const std::string &program, const std::vector<std::string> &arguments,
                   const std::string &input, const std::map<std::string, std::string> &environment) {
  std::string folder = ::testing::TempDir() + "lamina-io-XXXXXX";
  folder = mkdtemp(folder.data());
  writeFile(folder + "/in", input);
  std::string command;
  for (const auto &[name, value] : environment)
    command += name + "=" + quoted(value) + " ";
  command += quoted(program);
  for (const std::string &argument : arguments)
    command += " " + quoted(argument);
  command += " < " + folder + "/in > " + folder + "/out 2> " + folder + "/err";
  int status = std::system(command.c_str());
  Outcome outcome = {WEXITSTATUS(status), readFile(folder + "/out"), readFile(folder + "/err")};
  std::filesystem::remove_all(folder);
  return outcome;
}

Outcome laminaRun(const std::vector<std::string> &arguments, const std::string &input) {
  return runProgram(LAMINA_RUN_PROGRAM, arguments, input);
}

} // namespace lamina::test
