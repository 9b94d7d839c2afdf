//===- MalformedTest.cpp: hostile files are refused, good ones accepted, both quickly -----------------===//
//
// Runs over external test data; skipped where that is absent.
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/io/GGUFReader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace lamina {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> filesIn(const std::string &folder, std::string_view extension) {
  std::vector<std::string> files;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(LAMINA_TEST_DATA "/" + folder, error))
    if (entry.is_regular_file() && (extension.empty() || entry.path().extension() == extension))
      files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

// Some files of the corpus are headers in order, but with nothing in them; it is for those who look for
// weights or a vocabulary to say so.
TEST(Malformed, EveryHostileFileIsRefusedWithOneLine) {
  std::vector<std::string> files = filesIn("malformed/gguf", "");
  if (files.empty())
    GTEST_SKIP() << "skipped: no malformed/gguf under " LAMINA_TEST_DATA;
  for (const std::string &path : files) {
    absl::StatusOr<GGUFReader> file = GGUFReader::open(path);
    if (file.ok()) {
      EXPECT_TRUE(file->tensors().empty()) << path;
      EXPECT_FALSE(file->getStrings("tokenizer.ggml.tokens").ok()) << path;
      continue;
    }
    std::string message(file.status().message());
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_TRUE(message.starts_with(path + ": byte ")) << message;
  }
}

TEST(Malformed, EveryModelIsAccepted) {
  std::vector<std::string> files = filesIn("golden/models", ".gguf");
  for (const char *folder : {"models", "vocab"})
    for (const std::string &path : filesIn(folder, ".gguf"))
      files.push_back(path);
  if (files.empty())
    GTEST_SKIP() << "skipped: no models under " LAMINA_TEST_DATA;
  for (const std::string &path : files) {
    absl::StatusOr<GGUFReader> file = GGUFReader::open(path);
    ASSERT_TRUE(file.ok()) << file.status();
    for (const GGUFTensor &tensor : file->tensors())
      EXPECT_EQ(file->data(tensor)->size(), tensor.format().bytesOf(tensor.elements()));
    if (file->has("tokenizer.ggml.tokens")) {
      EXPECT_FALSE(file->getStrings("tokenizer.ggml.tokens")->empty()) << path;
    }
  }
}

} // namespace
} // namespace lamina
