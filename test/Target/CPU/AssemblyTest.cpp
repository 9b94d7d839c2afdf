//===- AssemblyTest.cpp - the instructions in the inner loops of products -----------------------------===//
//
// Targets that this machine cannot run are read instead: the loop over a row multiplies with the instruction
// that the target is there for, and keeps its sums in registers.
//
//===----------------------------------------------------------------------------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include "llvm/ADT/STLExtras.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <optional>
#include <regex>
#include <unistd.h>

using namespace lamina;
using namespace lamina::test;

namespace {

struct Instruction {
  uint64_t address;
  std::string mnemonic, operands;
  std::optional<uint64_t> target; ///< of a jump
};

/// A function of a shared object, disassembled.
std::vector<Instruction> disassemble(const std::string &object, const std::string &symbol) {
  std::string path = testing::TempDir() + "assembly-XXXXXX";
  int fd = mkstemp(path.data());
  EXPECT_EQ(write(fd, object.data(), object.size()), ssize_t(object.size()));
  close(fd);
  std::string command =
      LAMINA_LLVM_TOOLS "/llvm-objdump -d --no-show-raw-insn --disassemble-symbols=" + symbol + " " + path;
  FILE *output = popen(command.c_str(), "r");
  std::vector<Instruction> result;
  // A prefix such as {vex} names the encoding.
  const std::regex line(R"(^\s*([0-9a-f]+):\s+(?:\{\w+\}\s+)?(\S+)\s*([^<\n]*).*\n$)"),
      jump(R"((?:^|\s)(?:0x)?([0-9a-f]+)\s*$)");
  for (char text[512]; std::fgets(text, sizeof text, output);) {
    std::cmatch match;
    if (!std::regex_match(text, match, line))
      continue;
    Instruction instruction{std::stoull(match[1], nullptr, 16), match[2], match[3], {}};
    bool jumps = instruction.mnemonic[0] == 'j' || instruction.mnemonic.starts_with("b") ||
                 instruction.mnemonic.starts_with("cb") || instruction.mnemonic.starts_with("tb");
    std::smatch place;
    if (jumps && std::regex_search(instruction.operands, place, jump))
      instruction.target = std::stoull(place[1], nullptr, 16);
    result.push_back(std::move(instruction));
  }
  pclose(output);
  unlink(path.c_str());
  return result;
}

/// The shortest loops that multiply with an instruction whose mnemonic begins with `dot`, none inside another.
std::vector<std::vector<Instruction>> innerLoops(const std::vector<Instruction> &code,
                                                 const std::string &dot) {
  std::vector<std::vector<Instruction>> loops;
  uint64_t covered = 0;
  for (const Instruction &last : code) {
    if (!last.target || *last.target > last.address || *last.target < code.front().address ||
        *last.target < covered)
      continue;
    std::vector<Instruction> loop;
    bool multiplies = false;
    for (const Instruction &instruction : code)
      if (instruction.address >= *last.target && instruction.address <= last.address) {
        loop.push_back(instruction);
        multiplies |= instruction.mnemonic.starts_with(dot);
      }
    if (multiplies) {
      loops.push_back(std::move(loop));
      covered = last.address;
    }
  }
  return loops;
}

bool storesToStack(const Instruction &instruction) {
  static const std::regex x86(R"(.*\(%r[sb]p[^)]*\)\s*$)"), arm(R"(.*\[(sp|x29)[,\]].*)");
  if (instruction.mnemonic.starts_with("st"))
    return std::regex_match(instruction.operands, arm);
  // What is written comes last, and comparisons and prefetching write nothing.
  return !instruction.mnemonic.starts_with("cmp") && !instruction.mnemonic.starts_with("prefetch") &&
         instruction.operands.find(',') != std::string::npos && std::regex_match(instruction.operands, x86);
}

struct Case {
  const char *target;
  const char *dot; ///< how the mnemonic begins
  /// Stores to the stack in all inner loops of a form, by format: at most what there are today, none if a format
  /// is not listed.
  std::map<std::string, int64_t> spills = {};
  const char *tileDot = nullptr; ///< for tiles of many tokens
};

class AssemblyTest : public testing::TestWithParam<Case> {
protected:
  /// Products with a weight of `format`, and activations of `element`.
  void expectLoopsInRegisters(const std::string &format, const std::string &element) {
    std::string weight = "tensor<64x2048x!lm.block<" + format + ">>",
                input = "tensor<?x2048x" + element + ">";
    std::string text = "plan.kernel @linear {\n^bb0(%x: " + input + ", %w: " + weight +
                       "):\n  %0 = lm.linear %x, %w : (" + input + ", " + weight +
                       ") -> tensor<?x64xf32>\n  plan.yield %0 : tensor<?x64xf32>\n}\n";
    std::string object = compileText(text, {GetParam().target})[0];
    for (const char *form : {"linear.t1", "linear.t4", "linear.any"}) {
      std::string what = format + " " + form;
      std::vector<Instruction> code = disassemble(object, form);
      int64_t stores = 0;
      std::vector<std::string> mnemonics = {GetParam().dot};
      if (GetParam().tileDot && std::string_view(form) == "linear.any")
        mnemonics.push_back(GetParam().tileDot);
      for (const std::string &mnemonic : mnemonics) {
        auto loops = innerLoops(code, mnemonic);
        EXPECT_FALSE(loops.empty()) << what << " " << mnemonic;
        for (const auto &loop : loops)
          stores += llvm::count_if(loop, storesToStack);
      }
      auto known = GetParam().spills.find(format);
      EXPECT_LE(stores, known == GetParam().spills.end() ? 0 : known->second) << what;
    }
  }
};

class BytesAssemblyTest : public AssemblyTest {};

TEST_P(BytesAssemblyTest, InnerLoopsMultiplyInRegisters) {
  for (const char *format : {"q4_0", "q8_0", "q4_k", "q5_k", "q6_k", "iq4_nl"})
    expectLoopsInRegisters(format, "!lm.q8");
}

class FloatsAssemblyTest : public AssemblyTest {};

TEST_P(FloatsAssemblyTest, InnerLoopsMultiplyInRegisters) {
  for (const char *format : {"f32", "f16", "bf16"})
    expectLoopsInRegisters(format, "f32");
}

std::string nameOf(const testing::TestParamInfo<Case> &info) {
  std::string name = info.param.target;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Targets, BytesAssemblyTest,
    testing::Values(
        Case{"x86-64-v3", "vpmaddubsw", {{"q4_0", 1}, {"q8_0", 8}, {"q5_k", 7}, {"q6_k", 9}, {"iq4_nl", 22}}},
        Case{"x86-64-v3-avxvnni", "vpdpbusd", {{"q4_0", 2}, {"q5_k", 3}, {"q6_k", 4}, {"iq4_nl", 4}}},
        Case{"x86-64-v4", "vpmaddubsw", {{"q4_0", 1}, {"q8_0", 10}, {"q6_k", 10}, {"iq4_nl", 11}}},
        Case{"x86-64-v4-vnni", "vpdpbusd", {{"q6_k", 1}}},
        Case{"x86-64-v4-amx", "vpdpbusd", {{"q6_k", 5}}, "tdpbssd"},
        Case{"aarch64-dotprod", "sdot", {{"q5_k", 3}, {"q6_k", 9}}},
        Case{"aarch64-i8mm", "usdot", {{"q5_k", 3}, {"q6_k", 9}}}),
    nameOf);

/// One target for each CPU: the others have the same code (ObjectTest).
INSTANTIATE_TEST_SUITE_P(Targets, FloatsAssemblyTest,
                         testing::Values(Case{"x86-64-v2", "mulps", {{"f32", 3}, {"f16", 222}, {"bf16", 4}}},
                                         Case{"x86-64-v3", "vfmadd", {{"f32", 1}}},
                                         Case{"x86-64-v4", "vfmadd"}, Case{"aarch64", "fmla"}),
                         nameOf);

} // namespace
