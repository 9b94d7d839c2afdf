//===- QuantizeTest.cpp - activations rounded to eight bits -------------------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>

using namespace lamina;
using namespace lamina::test;

namespace {

constexpr int kElements = LAMINA_QUANTIZED_BLOCK_ELEMENTS;
using Blocks = std::vector<LaminaQuantizedBlock>;

/// Blocks that hold what a kernel would not write.
Blocks noBlocks(int64_t count) {
  Blocks blocks(count);
  std::memset(blocks.data(), 0xA5, count * sizeof(LaminaQuantizedBlock));
  return blocks;
}

/// lm.quantize word for word.
LaminaQuantizedBlock roundBlock(const float *x) {
  LaminaQuantizedBlock block;
  std::memset(&block, 0, sizeof block);
  float largest = 0;
  bool finite = true;
  for (int i = 0; i < kElements; ++i) {
    largest = std::fmax(largest, std::fabs(x[i]));
    finite = finite && std::isfinite(x[i]);
  }
  bool zero = finite && largest < 0x1p-100f;
  block.scale = !finite ? std::numeric_limits<float>::infinity() : zero ? 0.0f : largest / 127.0f;
  int32_t sums[3] = {};
  for (int i = 0; i < kElements && finite && !zero; ++i) {
    block.codes[i] = int8_t(std::nearbyint(x[i] * (127.0f / largest)));
    sums[i / 16] += block.codes[i];
  }
  sums[2] = sums[0] + sums[1];
  for (int i = 0; i < 3; ++i) {
    block.negatedSums[i] = -sums[i];
    block.scaledSums[i] = block.scale * float(sums[i]);
  }
  return block;
}

/// Equal bits; of a block with something infinite or undefined only that its codes are 0 and its floats no
/// numbers.
void expectBlock(const LaminaQuantizedBlock &actual, const float *x, const std::string &what) {
  LaminaQuantizedBlock expected = roundBlock(x);
  if (std::isfinite(expected.scale)) {
    EXPECT_EQ(std::memcmp(&actual, &expected, sizeof expected), 0) << what;
    return;
  }
  EXPECT_EQ(std::memcmp(actual.codes, expected.codes, sizeof expected.codes), 0) << what;
  EXPECT_FALSE(std::isfinite(actual.scale)) << what;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(actual.negatedSums[i], 0) << what;
    EXPECT_TRUE(std::isnan(actual.scaledSums[i])) << what;
  }
  EXPECT_EQ(actual.padding, 0) << what;
}

void expectRounded(const Blocks &blocks, const Rows &x, const std::string &what) {
  ASSERT_EQ(int64_t(blocks.size()), x.rows * x.width / kElements);
  for (size_t i = 0; i < blocks.size(); ++i) {
    int64_t element = i * kElements;
    expectBlock(blocks[i], x.row(element / x.width) + element % x.width,
                what + ", block " + std::to_string(i));
  }
}

/// A block for each thing that can go wrong.
Rows difficultRows() {
  constexpr float infinity = std::numeric_limits<float>::infinity(),
                  nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::vector<float>> beginnings = {
      {},                                              // nothing but zeros
      {-0.0f},                                         //
      {127.0f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f}, // ties: to 0, 2, 2 and their negatives
      {-127.0f, 63.5f, 64.5f, -63.5f},                 //
      {1.0f},                                          // one element alone is 127
      {-1.0f, 1.0f},                                   //
      {FLT_MAX, -FLT_MAX, 1.0f},                       //
      {FLT_MIN, FLT_MIN / 2, FLT_TRUE_MIN},            // below 2^-100
      {0x1p-100f, -0x1p-101f},                         // the smallest that counts
      {std::nextafter(0x1p-100f, 0.0f)},               //
      {1.0f, FLT_TRUE_MIN, -FLT_MIN},                  // beside something large they vanish
      {infinity, 1.0f},                                //
      {1.0f, -infinity},                               //
      {nan, 1.0f},                                     //
      {1.0f, -nan, infinity},                          //
      {3.0f, 0.1f, -0.7f, 2.9f, 1e-3f},                //
  };
  Rows rows(2 * beginnings.size(), 2 * kElements);
  std::fill(rows.data.begin(), rows.data.end(), 0.0f);
  for (size_t i = 0; i < beginnings.size();
       ++i) // from the first element on, and at the end of the second block
    for (size_t k = 0; k < beginnings[i].size(); ++k) {
      rows.row(2 * i)[k] = beginnings[i][k];
      rows.row(2 * i + 1)[rows.width - 1 - k] = beginnings[i][k];
    }
  return rows;
}

std::string f32Rows(int64_t width) { return "tensor<?x" + std::to_string(width) + "xf32>"; }
std::string q8Rows(int64_t width) { return "tensor<?x" + std::to_string(width) + "x!lm.q8>"; }

std::string quantizeText(int64_t width) {
  return "plan.kernel @quantize {\n^bb0(%x: " + f32Rows(width) +
         "):\n  %0 = lm.quantize %x : " + f32Rows(width) + " -> " + q8Rows(width) +
         "\n  plan.yield %0 : " + q8Rows(width) + "\n}\n";
}

TEST(QuantizeTest, EveryTargetRoundsAlike) {
  Random random(11);
  for (int64_t width : {32, 96, 2048}) {
    Rows x = randomRows(random, 9, width, 3.0f);
    for (int64_t r = 0; r < x.rows; ++r) // magnitudes of 1e-40 to 1e+40
      for (int64_t i = 0; i < width; ++i)
        x.row(r)[i] = std::ldexp(x.row(r)[i], int(r - 4) * 33);
    for (const std::string &target : runnableTargets()) {
      auto library = KernelLibrary::compile(quantizeText(width), target);
      ASSERT_TRUE(library);
      Blocks y = noBlocks(x.rows * width / kElements);
      library->run("quantize", {x.pointer(), y.data()}, LaminaStep{x.rows, 0, 1, 1});
      expectRounded(y, x, target + " " + std::to_string(width));
    }
  }
}

TEST(QuantizeTest, DifficultBlocks) {
  Rows x = difficultRows();
  for (const std::string &target : runnableTargets()) {
    auto library = KernelLibrary::compile(quantizeText(x.width), target);
    ASSERT_TRUE(library);
    Blocks y = noBlocks(x.rows * x.width / kElements);
    library->run("quantize", {x.pointer(), y.data()}, LaminaStep{x.rows, 0, 1, 1});
    expectRounded(y, x, target);
  }
}

TEST(QuantizeTest, RoundsTheRowsOfAllChosenExperts) {
  const std::string text = R"(plan.kernel @quantize {
^bb0(%x: tensor<?x3x64xf32>):
  %0 = lm.quantize %x : tensor<?x3x64xf32> -> tensor<?x3x64x!lm.q8>
  plan.yield %0 : tensor<?x3x64x!lm.q8>
})";
  Random random(12);
  Rows x = randomRows(random, 5 * 3, 64);
  for (const std::string &target : runnableTargets()) {
    auto library = KernelLibrary::compile(text, target);
    ASSERT_TRUE(library);
    Blocks y = noBlocks(5 * 3 * 2);
    library->run("quantize", 0, {x.pointer(), y.data()}, LaminaStep{5, 0, 1, 1}, 2);
    expectRounded(y, x, target);
  }
}

/// A norm gives its row in both forms, or rounded alone; what it rounds is what it gives.
TEST(QuantizeTest, FollowsANorm) {
  const std::string norm = "lm.rms_norm %x, %g {epsilon = 1.0e-5 : f32} : tensor<?x96xf32>, tensor<96xf32>\n";
  const std::string round = "lm.quantize %1 : tensor<?x96xf32> -> tensor<?x96x!lm.q8>\n";
  const std::string text =
      "plan.kernel @both {\n^bb0(%x: tensor<?x96xf32>, %g: tensor<96xf32>, %r: tensor<?x96xf32>):\n"
      "  %0 = " +
      norm + "  %1 = arith.addf %0, %r : tensor<?x96xf32>\n  %2 = " + round +
      "  plan.yield %1, %2 : tensor<?x96xf32>, tensor<?x96x!lm.q8>\n}\n"
      "plan.kernel @alone {\n^bb0(%x: tensor<?x96xf32>, %g: tensor<96xf32>):\n"
      "  %1 = " +
      norm + "  %2 = " + round + "  plan.yield %2 : tensor<?x96x!lm.q8>\n}\n";
  Random random(13);
  Rows x = randomRows(random, 7, 96), g = randomRows(random, 1, 96), r = randomRows(random, 7, 96);
  Rows nothing(7, 96);
  std::fill(nothing.data.begin(), nothing.data.end(), 0.0f);
  for (const std::string &target : runnableTargets()) {
    auto library = KernelLibrary::compile(text, target);
    ASSERT_TRUE(library);
    Rows y(7, 96);
    Blocks z = noBlocks(7 * 3), alone = noBlocks(7 * 3);
    library->run("both", {x.pointer(), g.pointer(), r.pointer(), y.pointer(), z.data()},
                 LaminaStep{7, 0, 1, 1});
    expectRounded(z, y, target);
    library->run("both", {x.pointer(), g.pointer(), nothing.pointer(), y.pointer(), z.data()},
                 LaminaStep{7, 0, 1, 1});
    library->run("alone", {x.pointer(), g.pointer(), alone.data()}, LaminaStep{7, 0, 1, 1});
    EXPECT_EQ(std::memcmp(z.data(), alone.data(), z.size() * sizeof z[0]), 0) << target;
  }
}

TEST(QuantizeTest, RefusesWhatIsNoWholeRow) {
  EXPECT_NE(compileErrors(R"(plan.kernel @heads {
^bb0(%x: tensor<?x64xf32>, %g: tensor<32xf32>):
  %0 = lm.rms_norm %x, %g {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<32xf32>
  %1 = lm.quantize %0 : tensor<?x64xf32> -> tensor<?x64x!lm.q8>
  plan.yield %1 : tensor<?x64x!lm.q8>
})",
                          runnableTargets().back()),
            "");
}

} // namespace
