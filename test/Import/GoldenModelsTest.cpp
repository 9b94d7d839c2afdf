//===- GoldenModelsTest.cpp - real files: every golden model imports, every hostile one is refused ----===//

#include "test/Import/TinyModel.h"

#include "dialects/LM/IR/LM.h"

#include <algorithm>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace lamina;
using namespace lamina::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

std::vector<std::string> files(const std::string &folder, const std::string &prefix = "") {
  std::vector<std::string> found;
  std::error_code absent;
  for (const auto &entry :
       std::filesystem::directory_iterator(std::string(LAMINA_TEST_DATA) + "/" + folder, absent))
    if (entry.path().filename().string().starts_with(prefix) && entry.path().extension() == ".gguf")
      found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

Imported importFile(const std::string &path) {
  return collect(sharedContext(), [&] { return importModelFile(sharedContext(), path, {}); });
}

void expectModels(const std::string &folder, size_t atLeast) {
  std::vector<std::string> paths = files(folder);
  if (paths.empty())
    GTEST_SKIP() << "skipped: no test data in " << folder;
  EXPECT_GE(paths.size(), atLeast);
  for (const std::string &path : paths) {
    SCOPED_TRACE(path);
    Imported imported = importFile(path);
    ASSERT_THAT(imported.errors, ElementsAre());
    auto layers = imported.module->getOperation()->getAttrOfType<mlir::IntegerAttr>("lm.layers").getInt();
    EXPECT_EQ(count(imported.text, "lm.attention "), layers);
    EXPECT_EQ(count(imported.text, "lm.cache_append "), layers);
    EXPECT_EQ(count(imported.text, "arith.addf "), 2 * layers);
    EXPECT_EQ(count(imported.text, "lm.gather_rows "), 1);
  }
}

TEST(GoldenModels, AreImported) { expectModels("golden/models", 36); }

TEST(RealModels, AreImported) { expectModels("models", 2); }

TEST(Vocabularies, AreRefused) {
  std::vector<std::string> paths = files("vocab", "ggml-vocab-");
  if (paths.empty())
    GTEST_SKIP() << "skipped: no vocabularies";
  for (const std::string &path : paths) {
    SCOPED_TRACE(path);
    EXPECT_THAT(importFile(path).errors, ElementsAre(HasSubstr("vocabulary-only GGUF")));
  }
}

TEST(HostileFiles, AreRefusedWithOneLine) {
  std::string folder = std::string(LAMINA_TEST_DATA) + "/malformed/gguf";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << "skipped: no malformed files";
  for (const auto &entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path());
    Imported imported = importFile(entry.path());
    ASSERT_EQ(imported.errors.size(), 1u);
    EXPECT_EQ(imported.errors[0].find('\n'), std::string::npos) << imported.errors[0];
  }
}

TEST(AbsentFile, IsRefused) {
  EXPECT_THAT(importFile("no/such/model.gguf").errors, ElementsAre(HasSubstr("no/such/model.gguf")));
}

} // namespace
