//===- ExternalDataTest.cpp: files beside the model, and none elsewhere
//-----------------------------------------===//

#include "lib/Import/ONNX/ExternalData.h"
#include "test/Import/ONNX/TinyModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lamina::onnx {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

/// A folder with model/ in it and outside/, where every opened file is noticed.
class ExternalDataFiles : public testing::Test {
protected:
  void SetUp() override {
    const testing::TestInfo *info = testing::UnitTest::GetInstance()->current_test_info();
    root_ = testing::TempDir() + "lamina_onnx_" + info->name() + "_" + std::to_string(::getpid());
    fs::create_directories(root_ + "/model/sub");
    fs::create_directories(root_ + "/outside");
    for (const char *file : {"/model/good.data", "/model/sub/good.data", "/outside/secret"})
      write(file, std::string(64, 'x'));
    watch_ = ::inotify_init1(IN_NONBLOCK);
    ::inotify_add_watch(watch_, (root_ + "/outside").c_str(), IN_OPEN);
  }
  void TearDown() override {
    char event[4096];
    EXPECT_LT(::read(watch_, event, sizeof(event)), 0) << "a file outside the model's directory was opened";
    ::close(watch_);
    fs::remove_all(root_);
  }
  void write(const std::string &name, const std::string &bytes) {
    std::ofstream(root_ + name, std::ios::binary) << bytes;
  }

  /// addModel() with w in the given place; void ones are left out.
  absl::StatusOr<Model> read(std::string_view location, std::string_view offset = "",
                             std::string_view length = "", ReadOptions options = {}) {
    ::onnx::ModelProto model = addModel();
    ::onnx::TensorProto *tensor = model.mutable_graph()->mutable_initializer(0);
    tensor->clear_raw_data();
    addExternal(tensor, "location", location);
    if (!offset.empty())
      addExternal(tensor, "offset", offset);
    if (!length.empty())
      addExternal(tensor, "length", length);
    write("/model/model.onnx", model.SerializeAsString());
    return readModel(root_ + "/model/model.onnx", options);
  }
  std::string refused(std::string_view location, std::string_view offset = "", std::string_view length = "") {
    std::string message(read(location, offset, length).status().message());
    EXPECT_THAT(message, StartsWith(root_ + "/model/model.onnx: tensor 'w': external data '"));
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message;
  }

  std::string root_;
  int watch_ = -1;
};

TEST_F(ExternalDataFiles, AreFound) {
  for (std::string_view location : {"good.data", "./good.data", "sub/good.data", "sub//./good.data"}) {
    absl::StatusOr<Model> model = read(location, "8", "8");
    ASSERT_TRUE(model.ok()) << model.status();
    ASSERT_EQ(model->files.size(), 2u);
    const TensorConstant &tensor = model->graph.constants.begin()->second;
    EXPECT_EQ(std::get<TensorPlace>(tensor.data).offset, 8u);
    EXPECT_EQ(model->bytes(tensor)->size(), 8u);
    EXPECT_EQ((*model->bytes(tensor))[0], 'x');
  }
  EXPECT_TRUE(read("good.data", "56").ok());
}

TEST_F(ExternalDataFiles, OutsideAreRefused) {
  EXPECT_THAT(refused("../outside/secret"),
              HasSubstr("contains '..', expected a file in the model's directory"));
  EXPECT_THAT(refused("sub/../good.data"), HasSubstr("contains '..'"));
  EXPECT_THAT(refused(".."), HasSubstr("contains '..'"));
  EXPECT_THAT(refused(root_ + "/outside/secret"), HasSubstr("the path is absolute"));
  EXPECT_THAT(refused("/etc/passwd"), HasSubstr("the path is absolute"));
  EXPECT_THAT(refused("..\\outside\\secret"), HasSubstr("backslash"));
  EXPECT_THAT(refused(std::string("good.data\0.x", 12)), HasSubstr("NUL"));
  EXPECT_THAT(refused("./"), HasSubstr("names the model's directory"));
  EXPECT_THAT(refused(""), HasSubstr("no location"));
}

TEST_F(ExternalDataFiles, LinksAreRefused) {
  fs::create_symlink("../outside/secret", root_ + "/model/link");
  fs::create_symlink("good.data", root_ + "/model/inner");
  fs::create_directory_symlink("../outside", root_ + "/model/folder");
  fs::create_hard_link(root_ + "/outside/secret", root_ + "/model/hard");
  EXPECT_THAT(refused("link"),
              HasSubstr("leads through a symbolic link, which a model must not use; put the file"));
  EXPECT_THAT(refused("inner"), HasSubstr("symbolic link"));
  EXPECT_THAT(refused("folder/secret"), HasSubstr("symbolic link"));
  EXPECT_THAT(refused("hard"), HasSubstr("several names (hard links)"));
}

TEST_F(ExternalDataFiles, OtherThanFilesAreRefused) {
  ASSERT_EQ(::mkfifo((root_ + "/model/fifo").c_str(), 0600), 0);
  EXPECT_THAT(refused("fifo"), HasSubstr("not a regular file"));
  EXPECT_THAT(refused("sub"), HasSubstr("a directory"));
  EXPECT_THAT(refused("missing"), HasSubstr("the file is missing; put it next to the model"));
  EXPECT_THAT(refused("good.data/x"), HasSubstr("the file is missing"));
  EXPECT_THAT(refused(std::string(5000, 'x')), HasSubstr("cannot open the file"));
}

TEST_F(ExternalDataFiles, PlacesMustLieWithin) {
  EXPECT_THAT(refused("good.data", "57"), HasSubstr("it takes 8 bytes at offset 57 of a file of 64 bytes"));
  EXPECT_THAT(refused("good.data", "9223372036854775807"), HasSubstr("at offset 9223372036854775807"));
  EXPECT_THAT(refused("good.data", "9223372036854775808"), HasSubstr("its offset: expected a number from 0"));
  EXPECT_THAT(refused("good.data", "-1"), HasSubstr("got '-1'"));
  EXPECT_THAT(refused("good.data", " 1"), HasSubstr("got ' 1'"));
  EXPECT_THAT(refused("good.data", "0x10"), HasSubstr("got '0x10'"));
  EXPECT_THAT(refused("good.data", "0", "16"),
              HasSubstr("its shape takes 8 bytes, but the model gives it 16"));
  EXPECT_THAT(refused("good.data", "0", "-8"), HasSubstr("its length: expected"));
  write("/model/empty", "");
  EXPECT_THAT(refused("empty"), HasSubstr("of a file of 0 bytes"));
}

TEST_F(ExternalDataFiles, MissingOnesMayBeAllowed) {
  absl::StatusOr<Model> model = read("missing", "64", "", {.allowMissingData = true});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_TRUE(model->files.at(1).missing);
  absl::Status status = model->bytes(model->graph.constants.begin()->second).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("model/missing: the file is missing, but tensor 'w' lies in it"));
  // But only missing ones.
  EXPECT_FALSE(read("../outside/secret", "", "", {.allowMissingData = true}).ok());
  EXPECT_FALSE(read("good.data", "64", "", {.allowMissingData = true}).ok());
}

TEST_F(ExternalDataFiles, KernelsWithoutOpenat2) {
  fs::create_symlink("../outside/secret", root_ + "/model/link");
  fs::create_directory_symlink("../outside", root_ + "/model/folder");
  int directory = ::open((root_ + "/model").c_str(), O_PATH | O_DIRECTORY);
  for (auto open : {openBeneath, openBeneathByWalking}) {
    for (const char *good : {"good.data", "sub/good.data"}) {
      int fd = open(directory, good);
      EXPECT_GE(fd, 0) << good;
      ::close(fd);
    }
    for (auto [bad, error] : {std::pair("link", ELOOP),
                              {"folder/secret", ELOOP},
                              {"good.data/x", ENOTDIR},
                              {"missing", ENOENT},
                              {"missing/x", ENOENT}}) {
      EXPECT_EQ(open(directory, bad), -1) << bad;
      EXPECT_EQ(errno, error) << bad;
    }
  }
  ::close(directory);
}

// As large as a model of 7 billion parameters, with its nodes in reverse: no walk may be quadratic, no data
// read. The bound is wide, for sanitizers and busy machines; quadratic behaviour misses it by far.
TEST_F(ExternalDataFiles, LargeModels) {
  constexpr int count = 20000, constants = 300;
  constexpr int64_t each = int64_t(48) << 20;
  ::onnx::ModelProto proto = emptyModel();
  ::onnx::GraphProto *graph = proto.mutable_graph();
  declare(graph->add_input(), "v" + std::to_string(count));
  declare(graph->add_output(), "v0");
  for (int i = 0; i < count; ++i)
    addNode(graph, "Add", {"v" + std::to_string(i + 1), "w" + std::to_string(i % constants)},
            {"v" + std::to_string(i)});
  for (int i = 0; i < constants; ++i) {
    ::onnx::TensorProto *tensor =
        addTensor(graph, "w" + std::to_string(i), ::onnx::TensorProto::FLOAT16, {each / 2});
    addExternal(tensor, "location", "weights.data");
    addExternal(tensor, "offset", std::to_string(i * each));
    addExternal(tensor, "length", std::to_string(each));
  }
  write("/model/model.onnx", proto.SerializeAsString());
  write("/model/weights.data", "");
  fs::resize_file(root_ + "/model/weights.data", constants * each);
  auto start = std::chrono::steady_clock::now();
  absl::StatusOr<Model> model = readModel(root_ + "/model/model.onnx");
  auto time = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->files.size(), 2u);
  EXPECT_EQ(model->graph.constants.size(), size_t(constants));
  ASSERT_EQ(model->graph.nodes.size(), size_t(count));
  EXPECT_EQ(model->graph.nodes.front().number, uint32_t(count - 1));
  EXPECT_EQ(model->graph.nodes.back().output(0), model->graph.outputs[0]);
  for (const auto &[id, tensor] : model->graph.constants)
    EXPECT_EQ(std::get<TensorPlace>(tensor.data).bytes, uint64_t(each));
  RecordProperty("milliseconds",
                 static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()));
}

TEST(ExternalData, ModelsFromMemoryHaveNone) {
  ::onnx::ModelProto model = addModel();
  model.mutable_graph()->mutable_initializer(0)->clear_raw_data();
  addExternal(model.mutable_graph()->mutable_initializer(0), "location", "data");
  EXPECT_THAT(refusal(model), HasSubstr("the model was read from memory"));
  EXPECT_EQ(refusal(model, {.allowMissingData = true}), "");
  addExternal(model.mutable_graph()->mutable_initializer(0), "location", "other");
  EXPECT_THAT(refusal(model), HasSubstr("external data has two entries 'location'"));
}

} // namespace
} // namespace lamina::onnx
