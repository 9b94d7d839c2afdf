//===- IntegerLinearTest.cpp - products of quantised activations and weights --------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace lamina;
using namespace lamina::test;

namespace {

QuantizedRows firstRows(const QuantizedRows &all, int64_t rows) {
  QuantizedRows x(rows, all.width);
  std::copy_n(all.blocks.begin(), x.blocks.size(), x.blocks.begin());
  return x;
}

/// A matrix and activations, and what every form and every target with a fused multiply-add gives for them.
struct Case {
  std::string name;
  Matrix w;
  QuantizedRows x;
  std::vector<float> bits = {};

  void check(const KernelLibrary &library, const std::string &target) {
    for (int64_t tokens : {int64_t(1), int64_t(3), x.rows}) {
      QuantizedRows some = firstRows(x, tokens);
      std::vector<double> expected = product(some, w);
      for (size_t form : library.formsFor(name, tokens)) {
        SCOPED_TRACE(name + " for " + target + ", form " + std::to_string(form) + ", tokens " +
                     std::to_string(tokens));
        Rows y = runLinear(library, name, form, some, w);
        EXPECT_LT(relativeError(expected, y.unpadded()), 2e-6);
        EXPECT_TRUE(y.paddingIsZero());
        if (target == "x86-64-v2") // rounds products before it adds them
          continue;
        if (bits.empty())
          bits = runLinear(library, name, library.formsFor(name, x.rows).back(), x, w).data;
        EXPECT_EQ(std::memcmp(y.data.data(), bits.data(), y.data.size() * sizeof(float)), 0);
      }
    }
  }
};

Case randomCase(Random &random, const BlockFormat &format) {
  Matrix w = randomMatrix(random, format, 35, columnsFor(format));
  return {lowerName(format), w, quantized(randomRows(random, 15, w.columns))};
}

/// The largest codes times the largest activations, where a sum of too many products in 16 bits would
/// saturate.
Case extremeCase(Random &random, const BlockFormat &format) {
  Matrix w = filledMatrix(random, format, 35, columnsFor(format), {0xFF, 0x00, 0x77, 0x88, 0x80, 0x7F});
  QuantizedRows x(15, w.columns);
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t k = 0; k < w.columns; ++k) {
      LaminaQuantizedBlock &block = x.row(r)[k / 32];
      block.codes[k % 32] = int8_t(r % 3 == 0 || (r % 3 == 1 && k / 2 % 2 == 0) ? 127 : -127);
      block.scale = 0.25f * float(r + 1);
    }
  x.finish();
  return {lowerName(format), w, x};
}

TEST(IntegerLinearTest, EveryFormatIsExactInEveryFormOnEveryTarget) {
  Random random(11);
  std::string text;
  std::vector<Case> cases;
  for (const BlockFormat &format : allBlockFormats())
    if (!format.isPlain()) {
      text += linearText(lowerName(format), format, 35, columnsFor(format), "!lm.q8");
      cases.push_back(randomCase(random, format));
      cases.push_back(extremeCase(random, format));
    }
  for (const std::string &target : runnableTargets()) {
    auto library = KernelLibrary::compile(text, target);
    ASSERT_TRUE(library);
    for (Case &one : cases)
      one.check(*library, target);
  }
}

TEST(IntegerLinearTest, BatchesAndSplitsAgreeBitForBit) {
  Random random(13);
  struct Shape {
    const char *format;
    int64_t rows, columns;
  };
  // Of 32 teams with a step each the fifth has 7 whole rounds and some steps: GPUs take four together, then single ones.
  const Shape shapes[] = {{"Q8_0", 100, 320},
                          {"Q4_0", 240, 576},
                          {"Q4_K", 65, 512},
                          {"Q6_K", 64, 512},
                          {"Q4_0", 16, 32 * (32 * 7 + 3)},
                          {"Q4_0", 16, 16384},
                          {"Q5_1", 1, 32}};
  std::string text;
  for (size_t i = 0; i < std::size(shapes); ++i)
    text += linearText("k" + std::to_string(i), *findBlockFormat(shapes[i].format), shapes[i].rows,
                       shapes[i].columns, "!lm.q8");
  std::vector<std::unique_ptr<KernelLibrary>> libraries;
  for (const std::string &target : runnableTargets())
    if (target != "x86-64-v2")
      libraries.push_back(KernelLibrary::compile(text, target));
  for (size_t i = 0; i < std::size(shapes); ++i) {
    std::string name = "k" + std::to_string(i);
    Matrix w = randomMatrix(random, *findBlockFormat(shapes[i].format), shapes[i].rows, shapes[i].columns);
    QuantizedRows all = quantized(randomRows(random, 133, w.columns));
    Rows expected = runLinear(*libraries[0], name, libraries[0]->formsFor(name, all.rows).front(), all, w);
    EXPECT_LT(relativeError(product(all, w), expected.unpadded()), 2e-6) << name;
    std::vector<int64_t> counts = {1, 4, 9, 33};
    if (!slowDevice())
      counts.insert(counts.end(), {2, 5, 7, 8, 17, 133});
    for (int64_t tokens : counts) {
      QuantizedRows x = firstRows(all, tokens);
      for (const auto &library : libraries)
        for (size_t form : library->formsFor(name, tokens))
          for (int64_t parts = 1; parts <= (slowDevice() ? 1 : 3); parts += 2) {
            Rows y = runLinear(*library, name, form, x, w, parts);
            EXPECT_EQ(std::memcmp(y.data.data(), expected.data.data(), y.data.size() * sizeof(float)), 0)
                << name << " form " << form << " tokens " << tokens << " parts " << parts;
          }
    }
  }
}

/// A kernel on output rows has one form, of which the plan does not choose.
TEST(IntegerLinearTest, OutputRowsGiveTheSameBits) {
  Random random(15);
  for (const char *name : {"Q4_0", "Q4_K"}) {
    const BlockFormat &format = *findBlockFormat(name);
    Matrix w = randomMatrix(random, format, 100, columnsFor(format));
    QuantizedRows all = quantized(randomRows(random, 33, w.columns));
    std::string text = linearText("head", format, w.rows, w.columns, "!lm.q8");
    for (const std::string &target : runnableTargets()) {
      auto tokens = KernelLibrary::compile(text, target);
      auto outputs = KernelLibrary::compile(text, target, plan::RowExtent::output_rows);
      ASSERT_TRUE(tokens && outputs);
      ASSERT_EQ(outputs->variants("head").size(), 1u);
      for (int64_t rows : {0, 1, 2, 33}) {
        QuantizedRows x = firstRows(all, rows);
        Rows y(rows, w.rows);
        outputs->run("head", 0, {x.pointer(), w.packed.data(), y.pointer()}, LaminaStep{500, rows, 1, 1});
        if (rows == 0) // of a step, which has tokens
          continue;
        for (size_t form : tokens->formsFor("head", rows))
          EXPECT_TRUE(y.sameBits(runLinear(*tokens, "head", form, x, w)))
              << name << " for " << target << ", rows " << rows << ", form " << form;
      }
    }
  }
}

TEST(IntegerLinearTest, TwoProductsMeetInAGateAndAResidualIsAdded) {
  const std::string text = R"(plan.kernel @gated {
^bb0(%x: tensor<?x256x!lm.q8>, %g: tensor<40x256x!lm.block<q4_k>>, %u: tensor<40x256x!lm.block<q6_k>>,
     %r: tensor<?x40xf32>):
  %0 = lm.linear %x, %g : (tensor<?x256x!lm.q8>, tensor<40x256x!lm.block<q4_k>>) -> tensor<?x40xf32>
  %1 = lm.linear %x, %u : (tensor<?x256x!lm.q8>, tensor<40x256x!lm.block<q6_k>>) -> tensor<?x40xf32>
  %2 = lm.gated_activation silu %0, %1 : tensor<?x40xf32>
  %3 = arith.addf %2, %r : tensor<?x40xf32>
  plan.yield %3 : tensor<?x40xf32>
})";
  Random random(14);
  Matrix g = randomMatrix(random, *findBlockFormat("Q4_K"), 40, 256),
         u = randomMatrix(random, *findBlockFormat("Q6_K"), 40, 256);
  for (const std::string &target : runnableTargets()) {
    auto library = KernelLibrary::compile(text, target);
    ASSERT_TRUE(library);
    for (int64_t tokens : {1, 3, 66}) {
      QuantizedRows x = quantized(randomRows(random, tokens, 256));
      Rows r = randomRows(random, tokens, 40), y(tokens, 40);
      std::vector<double> expected = product(x, g), up = product(x, u);
      for (size_t i = 0; i < expected.size(); ++i)
        expected[i] = up[i] * expected[i] / (1 + std::exp(-expected[i])) + r.row(i / 40)[i % 40];
      library->run("gated", {x.pointer(), g.packed.data(), u.packed.data(), r.pointer(), y.pointer()},
                   LaminaStep{tokens, 0, 1, 1});
      EXPECT_LT(relativeError(expected, y.unpadded()), 2e-6) << target;
      EXPECT_TRUE(y.paddingIsZero());
    }
  }
}

} // namespace
