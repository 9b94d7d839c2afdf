//===- NpyWriterTest.cpp - .npy files that are whole or not there -----------------------------------------===//

#include "runtime/io/NpyWriter.h"
#include "runtime/io/NpyFile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <sys/resource.h>

namespace lamina {
namespace {

using ::testing::HasSubstr;

constexpr uint8_t kRow[8] = {1, 2, 3, 4, 5, 6, 7, 8};
constexpr int64_t kShape[] = {2, 4};

TEST(NpyWriter, WritesRowByRow) {
  std::string path = testing::TempDir() + "/rows.npy";
  absl::StatusOr<NpyWriter> writer = NpyWriter::create(path, "<i2", kShape);
  ASSERT_TRUE(writer.ok()) << writer.status();
  for (int row = 0; row < 2; ++row) {
    EXPECT_FALSE(writer->isComplete());
    ASSERT_TRUE(writer->append(kRow).ok());
  }
  EXPECT_TRUE(writer->isComplete());
  ASSERT_TRUE(writer->close().ok());
  absl::StatusOr<NpyArray> array = readNpy(path);
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_EQ(array->shape, std::vector<int64_t>({2, 4}));
  EXPECT_EQ(array->data[8], 1);
}

TEST(NpyWriter, RemovesWhatIsNotComplete) {
  std::string path = testing::TempDir() + "/part.npy";
  {
    absl::StatusOr<NpyWriter> writer = NpyWriter::create(path, "<i2", kShape);
    ASSERT_TRUE(writer.ok() && writer->append(kRow).ok());
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(NpyWriter, EmptiesTheFileBehindALink) {
  std::string file = testing::TempDir() + "/behind.npy", link = testing::TempDir() + "/link.npy";
  std::filesystem::remove(link);
  std::filesystem::create_symlink(file, link);
  {
    absl::StatusOr<NpyWriter> writer = NpyWriter::create(link, "<i2", kShape);
    ASSERT_TRUE(writer.ok() && writer->append(kRow).ok());
  }
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(std::filesystem::file_size(file), 0u);
}

/// A limit on the size of files stands for a full disk.
TEST(NpyWriter, SaysThatTheDiskIsFullAndLeavesNothing) {
  std::string path = testing::TempDir() + "/large.npy";
  std::vector<uint8_t> large(size_t{1} << 20);
  const int64_t shape[] = {int64_t(large.size())};
  auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{}, small{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  small = {4096, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  absl::Status status = writeNpy(path, "|u1", shape, large);
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, before);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("large.npy': File too large; give a file that can be written"));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(NpyWriter, LeavesDevicesAlone) {
  EXPECT_THAT(std::string(writeNpy("/dev/full", "<i2", kShape, kRow).message()),
              HasSubstr("No space left on device"));
  EXPECT_TRUE(std::filesystem::exists("/dev/full"));
}

TEST(NpyWriter, NamesWhatCannotBeWritten) {
  EXPECT_THAT(std::string(writeNpy("/nowhere/x.npy", "<f4", {}, {}).message()), HasSubstr("/nowhere/x.npy"));
}

} // namespace
} // namespace lamina
