//===- GGUFSplitTest.cpp: models in several files -----------------------------------------------------===//

#include "runtime/io/GGUFReader.h"
#include "test/runtime/io/GGUFImage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace lamina {
namespace {

using gguf::ValueType;
using testing::AllOf;
using testing::HasSubstr;

/// A part with one tensor of four F32 elements, all equal to `value`.
struct PartSpec {
  uint16_t number = 0;
  uint16_t count = 3;
  int32_t tensors = 3;
  std::string tensor = "t";
  float value = 0;
  std::string name = "model";
};

class GGUFSplit : public testing::Test {
protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "lamina_split_" + std::to_string(getpid());
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string &name) const { return folder_ + "/" + name; }

  void write(const std::string &name, const PartSpec &spec) {
    GGUFImage image;
    image.header(1, 4);
    image.pair("split.no", ValueType::U16, spec.number);
    image.pair("split.count", ValueType::U16, spec.count);
    image.pair("split.tensors.count", ValueType::I32, spec.tensors);
    image.key("general.name", ValueType::String).text(spec.name);
    image.tensor(spec.tensor, {4}, 0, 0).pad();
    for (int i = 0; i < 4; ++i)
      image.put(spec.value);
    std::ofstream(path(name), std::ios::binary) << image.bytes;
  }
  void writeModel() {
    write("m-00001-of-00003.gguf", {.number = 0, .tensor = "a", .value = 1});
    write("m-00002-of-00003.gguf", {.number = 1, .tensor = "b", .value = 2});
    write("m-00003-of-00003.gguf", {.number = 2, .tensor = "c", .value = 3});
  }
  std::string refusal(const std::string &name) const {
    absl::StatusOr<GGUFReader> file = GGUFReader::open(path(name));
    return file.ok() ? "" : std::string(file.status().message());
  }

  std::string folder_;
};

TEST_F(GGUFSplit, AnyPartOpensTheModel) {
  writeModel();
  for (const char *name : {"m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"}) {
    absl::StatusOr<GGUFReader> file = GGUFReader::open(path(name));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->numParts(), 3u);
    EXPECT_EQ(*file->getUnsigned("split.no"), 0u);
    ASSERT_EQ(file->tensors().size(), 3u);
    for (uint32_t i = 0; i < 3; ++i) {
      const GGUFTensor &tensor = file->tensors()[i];
      EXPECT_EQ(tensor.name, std::string(1, char('a' + i)));
      EXPECT_EQ(tensor.part, i);
      float value = 0;
      std::memcpy(&value, file->data(tensor)->data(), sizeof(value));
      EXPECT_EQ(value, float(i + 1));
    }
  }
}

TEST_F(GGUFSplit, MissingPart) {
  writeModel();
  std::filesystem::remove(path("m-00002-of-00003.gguf"));
  EXPECT_THAT(refusal("m-00003-of-00003.gguf"),
              AllOf(HasSubstr("the model has 3 parts"), HasSubstr("m-00002-of-00003.gguf' is missing")));
}

TEST_F(GGUFSplit, RenamedPart) {
  writeModel();
  std::filesystem::rename(path("m-00001-of-00003.gguf"), path("other.gguf"));
  EXPECT_THAT(refusal("other.gguf"), HasSubstr("part 1 of 3 of a split model, expected a name ending in"));
  std::filesystem::copy(path("m-00003-of-00003.gguf"), path("m-00001-of-00003.gguf"));
  EXPECT_THAT(refusal("m-00002-of-00003.gguf"),
              HasSubstr("key 'split.no': expected 0 as the file's name says, got 2"));
}

TEST_F(GGUFSplit, PartsOfDifferentModels) {
  writeModel();
  write("m-00002-of-00003.gguf", {.number = 1, .count = 4, .tensor = "b"});
  EXPECT_THAT(refusal("m-00001-of-00003.gguf"), HasSubstr("key 'split.count': expected 3"));
  write("m-00002-of-00003.gguf", {.number = 1, .tensors = 4, .tensor = "b"});
  EXPECT_THAT(refusal("m-00001-of-00003.gguf"), HasSubstr("key 'split.tensors.count': expected 3"));
  write("m-00002-of-00003.gguf", {.number = 1, .tensor = "b", .name = "another"});
  EXPECT_THAT(refusal("m-00001-of-00003.gguf"), HasSubstr("key 'general.name' differs from that in"));
  write("m-00002-of-00003.gguf", {.number = 1, .tensor = "a"});
  EXPECT_THAT(refusal("m-00001-of-00003.gguf"), HasSubstr("tensor 'a' is already in"));
}

TEST_F(GGUFSplit, WrongNumberOfTensors) {
  for (uint16_t i = 0; i < 2; ++i)
    write("m-0000" + std::to_string(i + 1) + "-of-00002.gguf",
          {.number = i, .count = 2, .tensors = 3, .tensor = std::string(1, char('a' + i))});
  EXPECT_THAT(refusal("m-00001-of-00002.gguf"), HasSubstr("promises 3 tensors, but the 2 parts hold 2"));
}

TEST_F(GGUFSplit, BrokenKeys) {
  write("m-00004-of-00003.gguf", {.number = 3});
  EXPECT_THAT(refusal("m-00004-of-00003.gguf"), HasSubstr("part 3 of 3 cannot be"));
  write("m-00001-of-00003.gguf", {.tensors = -1});
  EXPECT_THAT(refusal("m-00001-of-00003.gguf"), HasSubstr("'split.tensors.count': expected 0 to 2^31 - 1"));
  GGUFImage image;
  image.header(0, 1).key("split.count", ValueType::String).text("3");
  EXPECT_THAT(image.refusal(), HasSubstr("key 'split.count': expected an integer, got string"));
  image = GGUFImage();
  image.header(0, 1).pair<uint16_t>("split.count", ValueType::U16, 3);
  EXPECT_THAT(image.refusal(), HasSubstr("key 'split.no' is missing although the model is split"));
}

TEST_F(GGUFSplit, OnePartAlone) {
  write("single.gguf", {.number = 0, .count = 1, .tensors = 1});
  EXPECT_EQ(refusal("single.gguf"), "");
  writeModel();
  std::ifstream stream(path("m-00002-of-00003.gguf"), std::ios::binary);
  GGUFImage image{{std::istreambuf_iterator<char>(stream), {}}};
  EXPECT_THAT(image.refusal(), HasSubstr("this is part 2 of 3 of a split model; open it by its path"));
}

} // namespace
} // namespace lamina
