//===- MappedFileTest.cpp -------------------------------------------------------------------------------===//

#include "runtime/base/MappedFile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace lamina {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string writeTemporary(const char *name, const std::string &bytes) {
  std::string path = testing::TempDir() + "lamina_" + std::to_string(getpid()) + "_" + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

TEST(MappedFile, ShowsTheBytes) {
  std::string path = writeTemporary("bytes", "hello\n");
  absl::StatusOr<MappedFile> file = MappedFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  // The mapping outlives the directory entry.
  std::remove(path.c_str());
  EXPECT_EQ(std::string(file->bytes().begin(), file->bytes().end()), "hello\n");
  EXPECT_EQ(file->path(), path);

  MappedFile moved = std::move(*file);
  EXPECT_EQ(moved.size(), 6u);
  EXPECT_EQ(file->size(), 0u);
  moved.willNeed(3, 1000);
  moved.willNeed(1000, 1);
}

TEST(MappedFile, EmptyFileIsAnEmptySpan) {
  std::string path = writeTemporary("empty", "");
  absl::StatusOr<MappedFile> file = MappedFile::open(path);
  std::remove(path.c_str());
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->bytes().empty());
}

TEST(MappedFile, ErrorsNameThePath) {
  absl::StatusOr<MappedFile> missing = MappedFile::open("/nowhere/model.gguf");
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_THAT(missing.status().message(),
              AllOf(HasSubstr("/nowhere/model.gguf"), HasSubstr("check the path")));

  absl::StatusOr<MappedFile> directory = MappedFile::open(testing::TempDir());
  EXPECT_TRUE(absl::IsFailedPrecondition(directory.status()));
  EXPECT_THAT(directory.status().message(), HasSubstr("is a directory"));

  absl::StatusOr<MappedFile> device = MappedFile::open("/dev/null");
  EXPECT_THAT(device.status().message(), HasSubstr("not a regular file"));
}

} // namespace
} // namespace lamina
