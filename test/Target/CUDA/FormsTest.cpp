//===- FormsTest.cpp - what kernels for GPUs refuse, and what they are made of ----------------------------===//

#include "test/Target/CPU/AttentionHarness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

using namespace lamina;
using namespace lamina::test;

namespace {

TEST(FormsTest, RefusesBlocksThatShareMoreThanThereIs) {
  std::string errors = compileErrors(AttentionShape{8, 1, 4096, 64, "f16"}.text(), "ptx");
  EXPECT_NE(errors.find("needs more of a GPU's shared memory in kernel 'attention$split' than there is: "),
            std::string::npos)
      << errors;
}

/// The code of each entry of PTX.
std::map<std::string, std::string> entriesOf(const std::string &ptx) {
  std::map<std::string, std::string> entries;
  const std::string begin = ".entry ";
  for (size_t at = ptx.find(begin); at != std::string::npos;) {
    size_t name = at + begin.size(), end = ptx.find(begin, name);
    entries[ptx.substr(name, ptx.find('(', name) - name)] = ptx.substr(name, end - name);
    at = end;
  }
  return entries;
}

int countOf(const std::string &code, const std::string &instruction) {
  int count = 0;
  for (size_t i = code.find(instruction); i != std::string::npos; i = code.find(instruction, i + 1))
    ++count;
  return count;
}

/// Instructions in each entry of PTX.
std::map<std::string, int> countInEntries(const std::string &ptx, const std::string &instruction) {
  std::map<std::string, int> counts;
  for (const auto &[name, code] : entriesOf(ptx))
    counts[name] = countOf(code, instruction);
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
              UnorderedElementsAre(Pair("f16$t8", 8), Pair("f16$t64", 16), Pair("f16$any", 32),
                                   Pair("bf16$t8", 0), Pair("bf16$t64", 0), Pair("bf16$any", 0),
                                   Pair("f32$t1", 0), Pair("f32$t4", 0), Pair("f32$any", 0)));
  EXPECT_THAT(countInEntries(ptx, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"),
              UnorderedElementsAre(Pair("bf16$t8", 12), Pair("bf16$t64", 24), Pair("bf16$any", 48),
                                   Pair("f16$t8", 0), Pair("f16$t64", 0), Pair("f16$any", 0),
                                   Pair("f32$t1", 0), Pair("f32$t4", 0), Pair("f32$any", 0)));
}

/// Keys and values of 16 bits, and floats of eight as those, go to tensor cores in both forms and however many rows go
/// together; others do not. A warp has 8 tiles of keys and 8 of values for each term, and in `$any` also twice as many.
TEST(FormsTest, CachesOf16BitsAreAttendedToOnTensorCores) {
  struct Case {
    const char *element, *type;
    int terms;
  };
  const Case cases[] = {
      {"f16", "f16", 2}, {"bf16", "bf16", 3}, {"fp8_e4m3", "f16", 2}, {"f32", "f16", 0}, {"q8_0", "f16", 0}};
  for (auto [element, type, terms] : cases) {
    std::string ptx = compileText(AttentionShape{8, 2, 64, 64, element}.text(), {"ptx"}).at(0);
    std::string instruction =
        std::string("mma.sync.aligned.m16n8k16.row.col.f32.") + type + "." + type + ".f32";
    std::map<std::string, int> counts = countInEntries(ptx, instruction);
    EXPECT_EQ(counts.at("attention$split"), 16 * terms) << element;
    EXPECT_EQ(counts.at("attention$any"), 3 * 16 * terms) << element;
    EXPECT_EQ(counts.at("append") + counts.at("combine$split"), 0);
  }
}

/// How many loads stand between a kernel's first product of tiles and the barriers before and behind it.
struct LoadsAroundProduct {
  int before, behind;
};
LoadsAroundProduct loadsAroundProduct(const std::string &ptx, const std::string &entry) {
  std::string code = entriesOf(ptx).at(entry);
  size_t product = code.find("mma.sync"), begin = code.rfind("bar.sync", product),
         end = code.find("bar.sync", product);
  EXPECT_NE(product, std::string::npos) << entry;
  return {countOf(code.substr(begin, product - begin), "ld.global"),
          countOf(code.substr(product, end - product), "ld.global")};
}

/// What a loop's next turn multiplies is on its way before this one does, and LLVM leaves it there: the words of 32 elements
/// (8 a lane), in the form of few tokens of two such steps; of two pages of keys (8 a lane for 16 elements), and behind their
/// products those of eight pages of values.
TEST(FormsTest, LoadsAreIssuedAheadOfProducts) {
  for (const char *format : {"F16", "BF16"}) {
    const std::string name = lowerName(*findBlockFormat(format));
    std::string ptx = compileText(linearText(name, *findBlockFormat(format), 64, 1024), {"ptx"}).at(0);
    EXPECT_GE(loadsAroundProduct(ptx, name + "$t8").before, 16);
    EXPECT_GE(loadsAroundProduct(ptx, name + "$t64").before, 8);
    EXPECT_GE(loadsAroundProduct(ptx, name + "$any").before, 8);
    for (int64_t length : {80, 96, 128}) {
      ptx = compileText(AttentionShape{8, 2, length, length, name}.text(), {"ptx"}).at(0);
      for (const char *form : {"attention$split", "attention$any"}) {
        LoadsAroundProduct loads = loadsAroundProduct(ptx, form);
        EXPECT_GE(loads.before, length / 16 * 8) << length << form;
        EXPECT_GE(loads.behind, 8 * 8) << length << form;
      }
    }
  }
  for (const char *format : {"Q4_0", "Q4_K"}) {
    const std::string name = lowerName(*findBlockFormat(format));
    std::string ptx =
        compileText(linearText(name, *findBlockFormat(format), 64, 4096, "!lm.q8"), {"ptx"}).at(0);
    EXPECT_GE(loadsAroundProduct(ptx, name + "$t64").before, 8);
    EXPECT_GE(loadsAroundProduct(ptx, name + "$any").before, 8);
  }
}

/// All kernels of a decoder's attention and products of few and many tokens: alone, and side by side.
std::string someKernels() {
  const std::string x = "tensor<?x256xf32>", w = "tensor<64x256x!lm.block<f16>>", y = "tensor<?x64xf32>";
  const std::string type = " : (" + x + ", " + w + ") -> " + y;
  return AttentionShape{8, 2, 64, 64, "f16"}.text() +
         linearText("q4_0", *findBlockFormat("Q4_0"), 64, 256, "!lm.q8") +
         linearText("f16", *findBlockFormat("F16"), 64, 256) + "plan.kernel @both {\n^bb0(%x: " + x +
         ", %a: " + w + ", %b: " + w + "):\n  %0 = lm.linear %x, %a" + type + "\n  %1 = lm.linear %x, %b" +
         type + "\n  plan.yield %0, %1 : " + y + ", " + y + "\n}\n";
}

/// From sm_90 on every kernel waits before it touches memory, lets the next one begin then, and says that it does.
TEST(FormsTest, KernelsWaitForThoseBeforeThem) {
  std::string ptx = compileText(someKernels(), {"sm_90a"}).at(0);
  EXPECT_NE(ptx.find(".version 8.0\n.target sm_90\n"), std::string::npos);
  std::map<std::string, std::string> entries = entriesOf(ptx);
  EXPECT_EQ(entries.size(), 15);
  for (const auto &[name, code] : entries) {
    SCOPED_TRACE(name);
    EXPECT_NE(ptx.find(".visible .global .align 4 .u32 " + name + "_waits = 1;"), std::string::npos);
    EXPECT_EQ(countOf(code, "griddepcontrol.wait;"), 1);
    EXPECT_EQ(countOf(code, "griddepcontrol.launch_dependents;"), 1);
    std::string before = code.substr(0, code.find("griddepcontrol.wait;"));
    EXPECT_GT(code.find("griddepcontrol.launch_dependents;"), before.size());
    for (const char *touch : {"ld.global", "st.global", "ld.shared", "st.shared", "ret;", "bar.sync"})
      EXPECT_EQ(before.find(touch), std::string::npos) << touch;
    // Products of few tokens ask for their first weights before.
    bool few = name == "q4_0$t1" || name == "q4_0$t4" || name == "f16$t8" || name == "both$t8";
    EXPECT_EQ(countOf(before, "prefetch.global.L2"), few ? 1 : 0);
    EXPECT_EQ(countOf(code, "prefetch"), few ? 1 : 0);
  }
}

/// Older GPUs do not know that, and PTX is for all of them.
TEST(FormsTest, KernelsOfOlderGPUsDoNotWait) {
  for (const char *target : {"ptx", "sm_80", "sm_89"}) {
    std::string ptx = compileText(someKernels(), {target}).at(0);
    EXPECT_NE(ptx.find(".version 7.0\n.target sm_80\n"), std::string::npos);
    for (const char *word : {"griddepcontrol", "_waits", "prefetch"})
      EXPECT_EQ(ptx.find(word), std::string::npos) << word;
  }
}

} // namespace
