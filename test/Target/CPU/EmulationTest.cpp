//===- EmulationTest.cpp - kernels of another architecture under user-mode emulation ------------------===//
//
// Products with rounded activations, rounding and norms of every aarch64 target, and attention, give the bits
// that this machine gives.
//
//===----------------------------------------------------------------------------------------------------===//

#include "test/Target/CPU/AttentionHarness.h"
#include "test/Target/CPU/ForeignCall.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

using namespace lamina;
using namespace lamina::test;

namespace {

/// Runs all workgroups of a form in the emulator and copies the buffers back; false if it fails.
bool runForeign(const std::string &object, const KernelVariant &form, LaminaStep step,
                const std::vector<BoundBuffer> &buffers) {
  ForeignCall call = {};
  form.symbol.copy(call.symbol, sizeof call.symbol - 1);
  call.step = step;
  call.end = int64_t(form.workgroups) * (form.extent == plan::RowExtent::fixed ? 1 : step.tokens);
  std::string bytes(sizeof call, '\0');
  for (size_t i = 0; i < buffers.size(); ++i) {
    bytes.resize((bytes.size() + LAMINA_BUFFER_ALIGNMENT - 1) / LAMINA_BUFFER_ALIGNMENT *
                 LAMINA_BUFFER_ALIGNMENT);
    call.offsets[i] = int64_t(bytes.size());
    bytes.append(static_cast<const char *>(buffers[i].data), buffers[i].bytes);
  }
  std::memcpy(bytes.data(), &call, sizeof call);
  std::string stem = testing::TempDir() + "foreign-" + std::to_string(getpid()), result;
  std::ofstream(stem + ".so", std::ios::binary) << object;
  std::ofstream(stem + ".call", std::ios::binary) << bytes;
  std::string command =
      LAMINA_AARCH64_EMULATOR " " LAMINA_FOREIGN_RUNNER " " + stem + ".so " + stem + ".call";
  FILE *output = popen(command.c_str(), "r");
  char chunk[4096];
  for (size_t got; (got = std::fread(chunk, 1, sizeof chunk, output)) != 0;)
    result.append(chunk, got);
  bool succeeded = pclose(output) == 0 && result.size() == bytes.size();
  std::filesystem::remove(stem + ".so");
  std::filesystem::remove(stem + ".call");
  if (succeeded)
    for (size_t i = 0; i < buffers.size(); ++i)
      std::memcpy(buffers[i].data, result.data() + call.offsets[i], buffers[i].bytes);
  return succeeded;
}

class AArch64Test : public testing::Test {
protected:
  void SetUp() override {
    // An emulator is no part of a build; tools/dev/install-deps installs it where CI runs.
    if (!std::filesystem::exists(LAMINA_AARCH64_EMULATOR))
      GTEST_SKIP() << "skipped: no qemu-aarch64, or no ld.lld to link for it";
  }
};

class EmulationTest : public AArch64Test, public testing::WithParamInterface<const char *> {};

TEST_P(EmulationTest, ProductsGiveTheSameBits) {
  Random random(31);
  for (const char *name : {"q4_0", "q8_0", "q4_k", "q5_k", "q6_k", "iq4_nl", "mxfp4", "q3_k"}) {
    const BlockFormat &format = *findBlockFormat(std::string_view(name));
    int64_t columns = columnsFor(format);
    std::string text = linearText("linear", format, 40, columns, "!lm.q8");
    auto native = KernelLibrary::compile(text, runnableTargets().back());
    ASSERT_TRUE(native);
    std::string object = compileText(text, {GetParam()})[0];
    Matrix w = randomMatrix(random, format, 40, columns);
    for (size_t variant = 0; variant < 3; ++variant) {
      int64_t tokens = variant == 0 ? 1 : variant == 1 ? 3 : 11;
      QuantizedRows x = quantized(randomRows(random, tokens, columns));
      Rows expected = runLinear(*native, "linear", variant, x, w), y(tokens, 40);
      ASSERT_TRUE(runForeign(object, native->variants("linear")[variant], LaminaStep{tokens, 0, 1, 1},
                             {{x.blocks}, {w.packed}, {y.data}}));
      EXPECT_TRUE(y.sameBits(expected)) << name << ", " << tokens << " tokens";
    }
  }
}

TEST_P(EmulationTest, RoundingGivesTheSameBits) {
  const std::string text = R"(plan.kernel @k {
^bb0(%x: tensor<?x96xf32>, %g: tensor<96xf32>):
  %0 = lm.rms_norm %x, %g {epsilon = 1.0e-5 : f32} : tensor<?x96xf32>, tensor<96xf32>
  %1 = lm.quantize %0 : tensor<?x96xf32> -> tensor<?x96x!lm.q8>
  plan.yield %0, %1 : tensor<?x96xf32>, tensor<?x96x!lm.q8>
})";
  Random random(32);
  auto native = KernelLibrary::compile(text, runnableTargets().back());
  ASSERT_TRUE(native);
  Rows x = randomRows(random, 5, 96), g = randomRows(random, 1, 96), y(5, 96), z(5, 96);
  QuantizedRows expected(5, 96), rounded(5, 96);
  native->run("k", {x.pointer(), g.pointer(), y.pointer(), expected.pointer()}, LaminaStep{5, 0, 1, 1});
  ASSERT_TRUE(runForeign(compileText(text, {GetParam()})[0], native->variants("k")[0], LaminaStep{5, 0, 1, 1},
                         {{x.data}, {g.data}, {z.data}, {rounded.blocks}}));
  EXPECT_TRUE(z.sameBits(y));
  EXPECT_EQ(std::memcmp(rounded.pointer(), expected.pointer(), BoundBuffer(rounded.blocks).bytes), 0);
}

/// A prompt that reaches the second range of positions, then a step that is split. All aarch64 targets have this
/// code, see floatTargets.
TEST_F(AArch64Test, AttentionGivesTheSameBits) {
  Random random(33);
  for (const AttentionShape &shape :
       {AttentionShape{4, 1, 32, 32, "f16"}, AttentionShape{4, 2, 32, 32, "q8_0", 300, 3.0}}) {
    SCOPED_TRACE(shape.text());
    auto native = KernelLibrary::compile(shape.text(), runnableTargets().back());
    ASSERT_TRUE(native);
    std::string object = compileText(shape.text(), {"aarch64"})[0];
    auto runHere = runnerOf(*native);
    auto runThere = [&](const std::string &kernel, size_t form, const std::vector<BoundBuffer> &buffers,
                        LaminaStep step, int64_t) {
      ASSERT_TRUE(runForeign(object, native->variants(kernel)[form], step, buffers)) << kernel;
    };
    Tokens tokens(random, shape, 522);
    EXPECT_TRUE(converse(shape, runThere, tokens, 519).sameBits(converse(shape, runHere, tokens, 519)));
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, EmulationTest,
                         testing::Values("aarch64", "aarch64-dotprod", "aarch64-i8mm"), [](const auto &info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

} // namespace
