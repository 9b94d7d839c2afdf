//===- ExpertTest.cpp - choosing experts, their products and their sums -------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

using namespace lamina;
using namespace lamina::test;

namespace {

std::string routeText(int64_t experts, int64_t chosen, const std::string &attributes) {
  std::string logits = "tensor<?x" + std::to_string(experts) + "xf32>", k = std::to_string(chosen);
  return "plan.kernel @route {\n^bb0(%l: " + logits + "):\n  %e, %w = lm.route_experts %l " + attributes +
         " : (" + logits + ") -> (tensor<?x" + k + "xi32>, tensor<?x" + k +
         "xf32>)\n  plan.yield %e, %w : tensor<?x" + k + "xi32>, tensor<?x" + k + "xf32>\n}";
}

TEST(ExpertTest, RoutesByProbabilityAndBreaksTiesByIndex) {
  Random random(1);
  for (auto [experts, chosen, normalize] :
       {std::tuple(8, 2, true), {60, 4, false}, {128, 8, true}, {3, 3, false}})
    for (const std::string &target : runnableTargets()) {
      auto library = KernelLibrary::compile(
          routeText(experts, chosen, normalize ? "{normalize, scale = 2.5 : f32}" : ""), target);
      ASSERT_TRUE(library);
      Rows logits = randomRows(random, 4, experts, 2.0f), weights(4, chosen), indices(4, chosen);
      std::fill_n(logits.row(1), experts, 0.25f); // all equal
      logits.row(2)[experts - 1] = logits.row(2)[0] = 9.0f;
      library->run("route", {logits.pointer(), indices.pointer(), weights.pointer()}, LaminaStep{4, 0, 1, 1});
      for (int64_t t = 0; t < 4; ++t) {
        const float *row = logits.row(t);
        std::vector<int> order(experts);
        std::iota(order.begin(), order.end(), 0);
        std::sort(order.begin(), order.end(),
                  [&](int a, int b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
        double total = 0, kept = 0;
        for (int e = 0; e < experts; ++e)
          total += std::exp(double(row[e]));
        for (int j = 0; j < chosen; ++j)
          kept += std::exp(double(row[order[j]]));
        for (int j = 0; j < chosen; ++j) {
          int32_t index;
          std::memcpy(&index, indices.row(t) + j, 4);
          EXPECT_EQ(index, order[j]) << target << " token " << t << " choice " << j;
          double expected =
              std::exp(double(row[order[j]])) / (normalize ? kept : total) * (normalize ? 2.5 : 1.0);
          EXPECT_NEAR(weights.row(t)[j], expected, 1e-6 * expected);
        }
      }
      EXPECT_TRUE(weights.paddingIsZero());
      EXPECT_TRUE(indices.paddingIsZero());
    }
}

/// Products read the matrices of what is chosen, whatever the logits are.
TEST(ExpertTest, ChoosesExpertsThatExistWhereLogitsAreNoNumbers) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(),
                  infinity = std::numeric_limits<float>::infinity();
  for (const std::string &target : runnableTargets()) {
    auto library = KernelLibrary::compile(routeText(40, 3, "{normalize}"), target);
    ASSERT_TRUE(library);
    Rows logits(4, 40), weights(4, 3), indices(4, 3);
    std::fill(logits.data.begin(), logits.data.end(), 0.5f);
    std::fill_n(logits.row(0), 40, nan);
    std::fill_n(logits.row(1), 40, -infinity);
    logits.row(2)[33] = infinity;
    logits.row(3)[7] = nan;
    library->run("route", {logits.pointer(), indices.pointer(), weights.pointer()}, LaminaStep{4, 0, 1, 1});
    for (int64_t t = 0; t < 4; ++t)
      for (int64_t j = 0; j < 3; ++j) {
        int32_t index;
        std::memcpy(&index, indices.row(t) + j, 4);
        EXPECT_TRUE(0 <= index && index < 40) << target << " token " << t << ": " << index;
      }
  }
}

/// The matrices of five experts, 40 rows of 64 columns.
struct Experts {
  Matrix matrix;
  std::vector<uint8_t> packed;

  explicit Experts(Random &random) : matrix(randomMatrix(random, *findBlockFormat("Q8_0"), 5 * 40, 64)) {
    packed = pack("tensor<5x40x64x!lm.block<q8_0>>", *findBlockFormat("Q8_0"), matrix.bytes.data());
  }
  template <typename Activations>
  double dot(const Activations &x, int64_t row, int64_t expert, int64_t n) const {
    double sum = 0;
    for (int64_t k = 0; k < 64; ++k)
      sum += x.at(row, k) * matrix.values[(expert * 40 + n) * 64 + k];
    return sum;
  }
};

/// Rows of [tokens, 2, width] are two padded rows after each other.
Rows slots(int64_t tokens, int64_t width) { return Rows(tokens * 2, width); }

/// Products of rows of `element`.
std::string productText(const std::string &element) {
  std::string text = R"(
plan.kernel @gated {
^bb0(%x: tensor<?x64xT>, %e: tensor<?x2xi32>, %g: tensor<5x40x64x!lm.block<q8_0>>, %u: tensor<5x40x64x!lm.block<q8_0>>):
  %0 = lm.expert_linear %x, %e, %g : (tensor<?x64xT>, tensor<?x2xi32>, tensor<5x40x64x!lm.block<q8_0>>) -> tensor<?x2x40xf32>
  %1 = lm.expert_linear %x, %e, %u : (tensor<?x64xT>, tensor<?x2xi32>, tensor<5x40x64x!lm.block<q8_0>>) -> tensor<?x2x40xf32>
  %2 = lm.gated_activation silu %0, %1 : tensor<?x2x40xf32>
  plan.yield %2 : tensor<?x2x40xf32>
}
plan.kernel @down {
^bb0(%x: tensor<?x2x64xT>, %e: tensor<?x2xi32>, %w: tensor<5x40x64x!lm.block<q8_0>>):
  %0 = lm.expert_linear %x, %e, %w : (tensor<?x2x64xT>, tensor<?x2xi32>, tensor<5x40x64x!lm.block<q8_0>>) -> tensor<?x2x40xf32>
  plan.yield %0 : tensor<?x2x40xf32>
})";
  for (size_t at; (at = text.find("xT>")) != std::string::npos;)
    text.replace(at + 1, 1, element);
  return text;
}

constexpr const char *kCombineText = R"(
plan.kernel @combine {
^bb0(%y: tensor<?x2x40xf32>, %w: tensor<?x2xf32>, %r: tensor<?x40xf32>):
  %0 = lm.combine_experts %y, %w : (tensor<?x2x40xf32>, tensor<?x2xf32>) -> tensor<?x40xf32>
  %1 = arith.addf %r, %0 : tensor<?x40xf32>
  plan.yield %1 : tensor<?x40xf32>
})";

/// Runs a kernel of productText for all tokens in two parts and for each alone, which must give the same
/// bits.
template <typename Activations>
Rows runProducts(const KernelLibrary &library, const std::string &name, Activations &x, int64_t rowsPerToken,
                 std::vector<int32_t> &chosen, std::vector<void *> weights) {
  int64_t tokens = x.rows / rowsPerToken;
  Rows all = slots(tokens, 40), alone = slots(tokens, 40);
  auto run = [&](int64_t first, int64_t count, Rows &y) {
    std::vector<void *> bindings{x.row(first * rowsPerToken), chosen.data() + 16 * first};
    bindings.insert(bindings.end(), weights.begin(), weights.end());
    bindings.push_back(y.row(2 * first));
    library.run(name, 0, bindings, LaminaStep{count, 0, 1, 1}, 2);
  };
  run(0, tokens, all);
  for (int64_t t = 0; t < tokens; ++t)
    run(t, 1, alone);
  EXPECT_TRUE(all.sameBits(alone));
  EXPECT_TRUE(all.paddingIsZero());
  return all;
}

template <typename Activations>
void checkProducts(const std::string &target, const std::string &element, Activations x, Activations own) {
  Random random(2);
  Experts gate(random), up(random);
  std::vector<int32_t> chosen(x.rows * 16, 0);
  for (int64_t t = 0; t < x.rows; ++t)
    for (int64_t slot : {0, 1}) // expert 3 is chosen by nobody, the others by numbers that are no whole tiles
      chosen[t * 16 + slot] = int32_t(std::array{0, 1, 2, 4, 4}[(t * t + slot * (1 + t % 3)) % 5]);
  auto library = KernelLibrary::compile(productText(element), target);
  ASSERT_TRUE(library);
  Rows y = runProducts(*library, "gated", x, 1, chosen, {gate.packed.data(), up.packed.data()});
  Rows z = runProducts(*library, "down", own, 2, chosen, {gate.packed.data()});
  for (int64_t i = 0; i < x.rows * 2; ++i)
    for (int64_t n = 0; n < 40; ++n) {
      int32_t expert = chosen[i / 2 * 16 + i % 2];
      double g = gate.dot(x, i / 2, expert, n),
             expected = g / (1 + std::exp(-g)) * up.dot(x, i / 2, expert, n),
             down = gate.dot(own, i, expert, n);
      EXPECT_NEAR(y.row(i)[n], expected, 1e-5 * (1 + std::fabs(expected))) << target;
      EXPECT_NEAR(z.row(i)[n], down, 1e-5 * (1 + std::fabs(down))) << target;
    }
}

TEST(ExpertTest, MultipliesWithTheChosenExperts) {
  Random random(2);
  for (const std::string &target : runnableTargets()) {
    Rows x = randomRows(random, 29, 64), own = randomRows(random, 29 * 2, 64);
    checkProducts(target, "f32", x, own);
    checkProducts(target, "!lm.q8", quantized(x), quantized(own));
  }
}

TEST(ExpertTest, CombinesWhatTheExpertsGive) {
  Random random(3);
  for (const std::string &target : runnableTargets()) {
    auto library = KernelLibrary::compile(kCombineText, target);
    ASSERT_TRUE(library);
    Rows y = randomRows(random, 3 * 2, 40), weights = randomRows(random, 3, 2),
         residual = randomRows(random, 3, 40), sum(3, 40);
    library->run("combine", {y.pointer(), weights.pointer(), residual.pointer(), sum.pointer()},
                 LaminaStep{3, 0, 1, 1});
    for (int64_t t = 0; t < 3; ++t)
      for (int64_t n = 0; n < 40; ++n) {
        double expected = residual.row(t)[n];
        for (int64_t j = 0; j < 2; ++j)
          expected += double(weights.row(t)[j]) * y.row(2 * t + j)[n];
        EXPECT_NEAR(sum.row(t)[n], expected, 1e-6 * (1 + std::fabs(expected)));
      }
    EXPECT_TRUE(sum.paddingIsZero());
  }
}

} // namespace
