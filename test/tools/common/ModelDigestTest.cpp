//===- ModelDigestTest.cpp - when a remembered digest is believed ---------------------------------------===//

#include "tools/common/ModelDigest.h"

#include "runtime/base/Sha256.h"
#include "runtime/io/GGUFWriter.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace lamina {
namespace {

namespace fs = std::filesystem;

class ModelDigest : public testing::Test {
protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/digest-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    model_ = folder_ / "model.gguf";
    fs::create_directory(folder_ / "cache");
    writeModel("first");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void writeModel(const std::string &name) {
    GGUFWriter writer;
    writer.addString("general.name", name);
    std::string bytes = writer.finish();
    std::ofstream(model_, std::ios::binary | std::ios::trunc) << bytes;
  }
  std::string truth() { return *Sha256::hexOfFile(model_); }
  std::string digest(uint64_t settled = 0) {
    absl::StatusOr<SourceFiles> source = openSourceFiles(model_);
    EXPECT_TRUE(source.ok()) << source.status();
    return modelDigest(*source, folder_ / "cache", settled);
  }
  std::vector<fs::path> entries() {
    return {fs::directory_iterator(folder_ / "cache"), fs::directory_iterator()};
  }

  fs::path folder_;
  fs::path model_;
};

TEST_F(ModelDigest, IsReadFromTheCacheTheSecondTime) {
  EXPECT_EQ(digest(), truth());
  ASSERT_EQ(entries().size(), 1u);
  std::ofstream(entries()[0]) << std::string(64, 'a'); // shows who answers
  EXPECT_EQ(digest(), std::string(64, 'a'));
}

TEST_F(ModelDigest, IsNotBelievedOfAChangedFile) {
  std::string old = digest();
  struct stat info;
  ASSERT_EQ(::stat(model_.c_str(), &info), 0);
  ::usleep(20'000);    // longer than a tick of the file system's clock
  writeModel("other"); // of the same length, in the same inode
  timespec times[] = {info.st_atim, info.st_mtim};
  ASSERT_EQ(::utimensat(AT_FDCWD, model_.c_str(), times, 0), 0);
  EXPECT_NE(digest(), old);
  EXPECT_EQ(digest(), truth());
}

TEST_F(ModelDigest, IsNotKeptOfAFileThatJustChanged) {
  EXPECT_EQ(digest(kSettledNanoseconds), truth());
  EXPECT_TRUE(entries().empty());
}

TEST_F(ModelDigest, SurvivesDamageAndFoldersThatCannotBeWritten) {
  EXPECT_EQ(digest(), truth());
  std::ofstream(entries()[0]) << "half a dig";
  EXPECT_EQ(digest(), truth());
  fs::remove_all(folder_ / "cache");
  EXPECT_EQ(digest(), truth());
}

} // namespace
} // namespace lamina
