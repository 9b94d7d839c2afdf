//===- SourceFilesTest.cpp - what lamina-opt compiles, and what tells one model from another ------------===//

#include "tools/common/SourceFiles.h"

#include "lib/Import/ModelPath.h"
#include "runtime/base/StrCat.h"
#include "runtime/io/GGUFWriter.h"
#include "test/Import/ONNX/TinyModel.h"
#include "tools/common/CompileCache.h"
#include "tools/common/ModelDigest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <unistd.h>

namespace lamina {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Sources : public testing::Test {
protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/sources-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string &name, const std::string &bytes) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary | std::ios::trunc) << bytes;
    return folder_ / name;
  }

  static std::string gguf() {
    GGUFWriter writer;
    writer.addString("general.name", "x");
    return writer.finish();
  }

  /// The model of a folder and the key of its artifact.
  std::string key(const std::string &folder) {
    absl::StatusOr<SourceFiles> files = openSourceFiles(folder_ / folder);
    EXPECT_TRUE(files.ok()) << files.status();
    return files.ok() ? compileCacheKey(*files, modelDigest(*files, folder_), "/proc/self/exe", "", {}) : "";
  }

  fs::path folder_;
};

/// y = x + w + v, with w and v in files of their own.
std::string externalModel() {
  ::onnx::ModelProto model = onnx::emptyModel();
  ::onnx::GraphProto *graph = model.mutable_graph();
  onnx::declare(graph->add_input(), "x");
  for (const char *name : {"w", "v"}) {
    ::onnx::TensorProto *tensor = onnx::addTensor(graph, name, ::onnx::TensorProto::FLOAT, {2});
    onnx::addExternal(tensor, "location", strCat(name, ".data"));
    onnx::addExternal(tensor, "length", "8");
  }
  onnx::addNode(graph, "Add", {"x", "w"}, {"z"});
  onnx::addNode(graph, "Add", {"z", "v"}, {"y"});
  onnx::declare(graph->add_output(), "y");
  return model.SerializeAsString();
}

TEST_F(Sources, AreKnownByWhatTheyHold) {
  EXPECT_EQ(formatOf(write("a", gguf())), ModelFormat::GGUF);
  EXPECT_EQ(formatOf(write("b", onnx::addModel().SerializeAsString())), ModelFormat::ONNX);
  ::onnx::ModelProto documented = onnx::addModel();
  documented.set_doc_string(std::string(100'000, '.')); // before the graph
  EXPECT_EQ(formatOf(write("c", documented.SerializeAsString())), ModelFormat::ONNX);
  for (const std::string &path :
       {write("d.gguf", "text"), write("e.onnx", ""), (folder_ / "absent").string(), folder_.string()})
    EXPECT_EQ(formatOf(path), std::nullopt) << path;
}

TEST_F(Sources, AreFilesAndFoldersOfExports) {
  EXPECT_TRUE(looksLikeSource(write("a.gguf", gguf())));
  EXPECT_TRUE(looksLikeSource(write("b.onnx", externalModel())));
  EXPECT_FALSE(looksLikeSource(write("c.txt", "text")));
  EXPECT_FALSE(looksLikeSource(folder_));
  EXPECT_FALSE(looksLikeSource(folder_ / "absent"));
  write("export/model.onnx", externalModel());
  EXPECT_TRUE(looksLikeSource(folder_ / "export"));
  write("export/manifest.json", R"({"sha256":")");
  EXPECT_FALSE(looksLikeSource(folder_ / "export")); // an artifact
  write("config/genai_config.json", "[");
  EXPECT_TRUE(looksLikeSource(folder_ / "config")); // and what is wrong with it is said when it is opened
}

TEST_F(Sources, OfAFolderMayBeAGGUFFile) {
  write("export/decoder.gguf", gguf());
  write("export/genai_config.json", R"({"model": {"decoder": {"filename": "decoder.gguf"}}})");
  absl::StatusOr<SourceFiles> files = openSourceFiles(folder_ / "export");
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->files.size(), 1u);
  EXPECT_EQ(files->files[0].path, (folder_ / "export/decoder.gguf").string());
}

TEST_F(Sources, OfAFolderWithoutADecoderAreNone) {
  EXPECT_THAT(std::string(openSourceFiles(folder_).status().message()),
              HasSubstr("the folder holds no model.onnx"));
}

TEST_F(Sources, OfExportsAreCalledAsTheirFolder) {
  EXPECT_EQ(nameOfONNX("/a/b/model.onnx"), "b");
  EXPECT_EQ(nameOfONNX("/a/b/decoder.onnx"), "decoder");
  for (const char *sameFile : {"/a/b/./model.onnx", "/a/c/../b/model.onnx", "/a//b/model.onnx"})
    EXPECT_EQ(nameOfONNX(sameFile), "b") << sameFile;
  EXPECT_EQ(nameOfONNX("model.onnx"), std::filesystem::current_path().filename().string());
  EXPECT_EQ(nameOfONNX("/model.onnx"), "model");
}

TEST_F(Sources, KeyFollowsFromEveryFileOfAnExport) {
  std::set<std::string> keys;
  size_t count = 0;
  auto differs = [&](const std::string &folder) {
    keys.insert(key(folder));
    EXPECT_EQ(keys.size(), ++count) << folder << " " << count;
  };
  write("one/model.onnx", externalModel());
  write("one/w.data", std::string(12, '\1') + std::string(4, '\2'));
  write("one/v.data", std::string(8, '\3'));
  differs("one");
  EXPECT_EQ(key("one"), *keys.begin());
  EXPECT_EQ(key("one/model.onnx"), *keys.begin());
  fs::copy(folder_ / "one", folder_ / "two");
  differs("two"); // the model is called otherwise
  fs::rename(folder_ / "two/model.onnx", folder_ / "two/decoder.onnx");
  differs("two/decoder.onnx");
  // The same bytes, one behind the other.
  write("one/w.data", std::string(12, '\1'));
  write("one/v.data", std::string(4, '\2') + std::string(8, '\3'));
  differs("one");
  for (const char *name :
       {"tokenizer.json", "tokenizer_config.json", "generation_config.json", "genai_config.json"}) {
    write(strCat("one/", name), "{}");
    differs("one");
    fs::remove(folder_ / "one" / name);
  }
  write("one/chat_template.jinja", "{}");
  differs("one");
  write("one/README.md", "{}"); // nobody reads it
  EXPECT_TRUE(keys.contains(key("one")));
}

} // namespace
} // namespace lamina
