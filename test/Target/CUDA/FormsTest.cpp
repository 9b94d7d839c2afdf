//===- FormsTest.cpp - what kernels for GPUs refuse ---------------------------------------------------===//

#include "test/Target/CPU/AttentionHarness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

using namespace lamina;
using namespace lamina::test;

namespace {

TEST(FormsTest, RefusesBlocksThatShareMoreThanThereIs) {
  std::string errors = compileErrors(AttentionShape{8, 1, 2048, 64, "f16"}.text(), "ptx");
  EXPECT_NE(errors.find("needs more of a GPU's shared memory in kernel 'attention$split' than there is: "), std::string::npos)
      << errors;
}

/// Instructions in each entry of PTX.
std::map<std::string, int> countInEntries(const std::string &ptx, const std::string &instruction) {
  std::map<std::string, int> counts;
  const std::string begin = ".entry ";
  for (size_t at = ptx.find(begin); at != std::string::npos;) {
    size_t name = at + begin.size(), end = ptx.find(begin, name);
    int &count = counts[ptx.substr(name, ptx.find('(', name) - name)];
    for (size_t i = ptx.find(instruction, name); i < end; i = ptx.find(instruction, i + 1))
      ++count;
    at = end;
  }
  return counts;
}

/// Weights of 16 bits go to tensor cores in every form, activations as two or three terms: for a step of 32 elements two
/// instructions each, in forms of few tokens for two steps that are loaded together.
TEST(FormsTest, WeightsOf16BitsAreMultipliedOnTensorCores) {
  using testing::Pair, testing::UnorderedElementsAre;
  std::string text;
  for (const char *name : {"F16", "BF16", "F32"})
    text += linearText(lowerName(*findBlockFormat(name)), *findBlockFormat(name), 64, 256);
  std::string ptx = compileText(text, {"ptx"}).at(0);
  EXPECT_THAT(countInEntries(ptx, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"),
              UnorderedElementsAre(Pair("f16$t8", 8), Pair("f16$t64", 8), Pair("f16$any", 16), Pair("bf16$t8", 0),
                                   Pair("bf16$t64", 0), Pair("bf16$any", 0), Pair("f32$t1", 0), Pair("f32$t4", 0),
                                   Pair("f32$any", 0)));
  EXPECT_THAT(countInEntries(ptx, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"),
              testing::IsSupersetOf({Pair("bf16$t8", 12), Pair("bf16$t64", 12), Pair("bf16$any", 24), Pair("f32$any", 0)}));
}

/// Keys and values of 16 bits go to tensor cores, in both forms and however many rows go together; others do not.
TEST(FormsTest, CachesOf16BitsAreAttendedToOnTensorCores) {
  for (auto [element, type] : {std::pair("f16", "f16"), std::pair("bf16", "bf16"), std::pair("f32", "f16"), std::pair("q8_0", "f16")}) {
    std::string ptx = compileText(AttentionShape{8, 2, 64, 64, element}.text(), {"ptx"}).at(0);
    std::string instruction = std::string("mma.sync.aligned.m16n8k16.row.col.f32.") + type + "." + type + ".f32";
    std::map<std::string, int> counts = countInEntries(ptx, instruction);
    for (const char *form : {"attention$split", "attention$any"})
      EXPECT_EQ(counts.at(form) > 0, std::string(element) == type) << element << " " << form;
    EXPECT_EQ(counts.at("append") + counts.at("combine$split"), 0);
  }
}

} // namespace
