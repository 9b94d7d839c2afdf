//===- FusedLinearTest.cpp - products of one input in one kernel, rounded results ---------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include <gtest/gtest.h>

using namespace lamina;
using namespace lamina::test;

namespace {

/// Keys of 48 columns with a bias, values of 80, gate and up of 160 columns; each fused and taken apart.
const std::string kText = R"(
!x = tensor<?x256xf32>
!k = tensor<?x48xf32>
!v = tensor<?x80xf32>
!h = tensor<?x160xf32>
!wk = tensor<48x256x!lm.block<q4_k>>
!wv = tensor<80x256x!lm.block<q6_k>>
!wh = tensor<160x256x!lm.block<q4_0>>
!h8 = tensor<?x160x!lm.q8>
plan.kernel @keys_and_values {
^bb0(%x: !x, %wk: !wk, %b: tensor<48xf32>, %wv: !wv):
  %0 = lm.linear %x, %wk : (!x, !wk) -> !k
  %1 = lm.bias_add %0, %b : !k, tensor<48xf32>
  %2 = lm.linear %x, %wv : (!x, !wv) -> !v
  plan.yield %1, %2 : !k, !v
}
plan.kernel @keys {
^bb0(%x: !x, %w: !wk, %b: tensor<48xf32>):
  %0 = lm.linear %x, %w : (!x, !wk) -> !k
  %1 = lm.bias_add %0, %b : !k, tensor<48xf32>
  plan.yield %1 : !k
}
plan.kernel @values {
^bb0(%x: !x, %w: !wv):
  %0 = lm.linear %x, %w : (!x, !wv) -> !v
  plan.yield %0 : !v
}
plan.kernel @hidden_rounded {
^bb0(%x: !x, %g: !wh, %u: !wh):
  %0 = lm.linear %x, %g : (!x, !wh) -> !h
  %1 = lm.linear %x, %u : (!x, !wh) -> !h
  %2 = lm.gated_activation silu %0, %1 : !h
  %3 = lm.quantize %2 : !h -> !h8
  plan.yield %3 : !h8
}
plan.kernel @hidden {
^bb0(%x: !x, %g: !wh, %u: !wh):
  %0 = lm.linear %x, %g : (!x, !wh) -> !h
  %1 = lm.linear %x, %u : (!x, !wh) -> !h
  %2 = lm.gated_activation silu %0, %1 : !h
  plan.yield %2 : !h
}
plan.kernel @both {
^bb0(%x: !x, %w: !wh):
  %0 = lm.linear %x, %w : (!x, !wh) -> !h
  %1 = lm.quantize %0 : !h -> !h8
  plan.yield %0, %1 : !h, !h8
}
plan.kernel @plain {
^bb0(%x: !x, %w: !wh):
  %0 = lm.linear %x, %w : (!x, !wh) -> !h
  plan.yield %0 : !h
}
plan.kernel @round {
^bb0(%x: !h):
  %0 = lm.quantize %x : !h -> !h8
  plan.yield %0 : !h8
}
)";

using Blocks = std::vector<LaminaQuantizedBlock>;

bool sameBits(const Blocks &a, const Blocks &b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
}

Matrix randomWeight(Random &random, const char *format, int64_t rows) {
  return randomMatrix(random, *findBlockFormat(std::string_view(format)), rows, 256);
}

class FusedLinearTest : public testing::TestWithParam<std::string> {
protected:
  /// Compiled once for each target.
  void SetUp() override {
    static std::map<std::string, std::unique_ptr<KernelLibrary>> libraries;
    std::unique_ptr<KernelLibrary> &compiled = libraries[GetParam()];
    if (!compiled)
      compiled = KernelLibrary::compile(kText, GetParam());
    ASSERT_TRUE(compiled);
    library = compiled.get();
  }

  /// Every form that takes `tokens`, its workgroups in one range and in several.
  template <typename Run> void forEachForm(const std::string &kernel, int64_t tokens, Run run) {
    for (size_t variant : library->formsFor(kernel, tokens))
      for (int64_t parts : {1, 2, 5})
        run(variant, parts);
  }

  KernelLibrary *library = nullptr;
};

TEST_P(FusedLinearTest, PartsAreTheKernelsBesideEachOther) {
  auto workgroups = [&](const char *kernel) { return library->variants(kernel)[0].workgroups; };
  EXPECT_EQ(workgroups("keys_and_values"), workgroups("keys") + workgroups("values"));
  Random random(21);
  Matrix wk = randomWeight(random, "q4_k", 48), wv = randomWeight(random, "q6_k", 80);
  for (int64_t tokens : {1, 3, 13}) {
    Rows x = randomRows(random, tokens, 256), bias = randomRows(random, 1, 48), k(tokens, 48), v(tokens, 80);
    LaminaStep step{tokens, 0, 1, 1};
    library->run("keys", {x.pointer(), wk.packed.data(), bias.pointer(), k.pointer()}, step);
    library->run("values", {x.pointer(), wv.packed.data(), v.pointer()}, step);
    forEachForm("keys_and_values", tokens, [&](size_t variant, int64_t parts) {
      Rows k2(tokens, 48), v2(tokens, 80);
      library->run(
          "keys_and_values", variant,
          {x.pointer(), wk.packed.data(), bias.pointer(), wv.packed.data(), k2.pointer(), v2.pointer()}, step,
          parts);
      EXPECT_TRUE(k2.sameBits(k)) << tokens << " tokens, form " << variant << ", " << parts << " ranges";
      EXPECT_TRUE(v2.sameBits(v)) << tokens << " tokens, form " << variant << ", " << parts << " ranges";
    });
  }
}

TEST_P(FusedLinearTest, RoundsWhatTheKernelAloneWouldGive) {
  Random random(22);
  Matrix gate = randomWeight(random, "q4_0", 160), up = randomWeight(random, "q4_0", 160);
  for (int64_t tokens : {1, 3, 13}) {
    Rows x = randomRows(random, tokens, 256), h(tokens, 160);
    Blocks rounded(tokens * 5);
    LaminaStep step{tokens, 0, 1, 1};
    library->run("hidden", {x.pointer(), gate.packed.data(), up.packed.data(), h.pointer()}, step);
    library->run("round", {h.pointer(), rounded.data()}, step);
    forEachForm("hidden_rounded", tokens, [&](size_t variant, int64_t parts) {
      Blocks fused(tokens * 5);
      library->run("hidden_rounded", variant,
                   {x.pointer(), gate.packed.data(), up.packed.data(), fused.data()}, step, parts);
      EXPECT_TRUE(sameBits(fused, rounded)) << tokens << " tokens, form " << variant << ", " << parts;
    });
  }
}

TEST_P(FusedLinearTest, GivesBothForms) {
  Random random(23);
  Matrix w = randomWeight(random, "q4_0", 160);
  for (int64_t tokens : {1, 4, 9}) {
    Rows x = randomRows(random, tokens, 256), y(tokens, 160);
    Blocks rounded(tokens * 5);
    LaminaStep step{tokens, 0, 1, 1};
    library->run("plain", {x.pointer(), w.packed.data(), y.pointer()}, step);
    library->run("round", {y.pointer(), rounded.data()}, step);
    forEachForm("both", tokens, [&](size_t variant, int64_t parts) {
      Rows plain(tokens, 160);
      Blocks fused(tokens * 5);
      library->run("both", variant, {x.pointer(), w.packed.data(), plain.pointer(), fused.data()}, step,
                   parts);
      EXPECT_TRUE(plain.sameBits(y)) << tokens;
      EXPECT_TRUE(sameBits(fused, rounded)) << tokens;
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, FusedLinearTest, testing::ValuesIn(floatTargets()), [](const auto &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

} // namespace
