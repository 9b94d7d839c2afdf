//===- LinearTest.cpp - products in every format, shape and number of tokens --------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace lamina;
using namespace lamina::test;

namespace {

/// Multiplying by unit vectors gives the weights back, which must be what the reference decoder gives,
/// exactly.
TEST(LinearTest, DecodesEveryFormatExactly) {
  Random random(1);
  for (const std::string &target : floatTargets()) {
    std::string text;
    for (const BlockFormat &format : allBlockFormats())
      text += linearText(lowerName(format), format, 17, columnsFor(format));
    auto library = KernelLibrary::compile(text, target, plan::RowExtent::output_rows); // one form alone
    ASSERT_TRUE(library);
    for (const BlockFormat &format : allBlockFormats()) {
      Matrix w = randomMatrix(random, format, 17, columnsFor(format));
      Rows x(w.columns, w.columns), y(w.columns, 17);
      std::fill(x.data.begin(), x.data.end(), 0.0f);
      for (int64_t k = 0; k < w.columns; ++k)
        x.row(k)[k] = 1.0f;
      library->run(lowerName(format), 0, {x.pointer(), w.packed.data(), y.pointer()},
                   LaminaStep{0, w.columns, 1, 1});
      EXPECT_TRUE(y.paddingIsZero()) << format.name;
      int64_t wrong = 0;
      for (int64_t k = 0; k < w.columns; ++k)
        for (int64_t n = 0; n < w.rows; ++n)
          wrong += y.row(k)[n] != w.values[n * w.columns + k];
      EXPECT_EQ(wrong, 0) << format.name << " for " << target;
    }
  }
}

TEST(LinearTest, EveryFormatAgreesWithTheReference) {
  Random random(2);
  std::string target = runnableTargets().back(), text;
  for (const BlockFormat &format : allBlockFormats())
    text += linearText(lowerName(format), format, 35, columnsFor(format));
  auto library = KernelLibrary::compile(text, target);
  ASSERT_TRUE(library);
  for (const BlockFormat &format : allBlockFormats()) {
    Matrix w = randomMatrix(random, format, 35, columnsFor(format));
    for (int64_t tokens : {1, 3, 7}) {
      Rows x = randomRows(random, tokens, w.columns);
      Rows y = runLinear(*library, lowerName(format), tokens == 1 ? 0 : tokens == 3 ? 1 : 2, x, w);
      EXPECT_LT(relativeError(product(x, w), y.unpadded()), 1e-5) << format.name << " for " << tokens;
    }
  }
}

/// A token's result has the same bits whatever the form of the kernel, the other tokens and the split of the
/// work.
TEST(LinearTest, FormsBatchesAndSplitsAgreeBitForBit) {
  Random random(3);
  struct Shape {
    const char *format;
    int64_t rows, columns;
  };
  const Shape shapes[] = {{"F32", 17, 172},   {"F32", 512, 64},  {"F16", 172, 64},  {"Q8_0", 100, 320},
                          {"Q4_0", 240, 576}, {"Q4_K", 65, 512}, {"Q6_K", 64, 512}, {"F32", 1, 5},
                          {"F16", 35, 172},   {"F16", 300, 60},  {"BF16", 33, 40},  {"BF16", 16, 544},
                          {"BF16", 1, 5}};
  std::string text;
  for (size_t i = 0; i < std::size(shapes); ++i)
    text += linearText("k" + std::to_string(i), *findBlockFormat(shapes[i].format), shapes[i].rows,
                       shapes[i].columns);
  std::vector<std::unique_ptr<KernelLibrary>> libraries;
  for (const std::string &target : floatTargets())
    if (target != "x86-64-v2") // which has no fused multiply-add
      libraries.push_back(KernelLibrary::compile(text, target));
  for (size_t i = 0; i < std::size(shapes); ++i) {
    std::string name = "k" + std::to_string(i);
    Matrix w = randomMatrix(random, *findBlockFormat(shapes[i].format), shapes[i].rows, shapes[i].columns);
    Rows all = randomRows(random, 133, w.columns);
    Rows expected = runLinear(*libraries[0], name, 2, all, w);
    EXPECT_LT(relativeError(product(all, w), expected.unpadded()), 1e-5) << name;
    std::vector<int64_t> counts = {1, 4, 9, 33};
    if (!slowDevice())
      counts.insert(counts.end(), {2, 3, 5, 7, 8, 17, 133});
    for (int64_t tokens : counts) {
      Rows x(tokens, w.columns), y(tokens, w.rows);
      std::copy_n(all.data.begin(), x.data.size(), x.data.begin());
      std::copy_n(expected.data.begin(), y.data.size(), y.data.begin());
      for (const auto &library : libraries)
        for (size_t form : library->formsFor(name, tokens))
          for (int64_t parts = 1; parts <= (slowDevice() ? 1 : 3); parts += 2)
            EXPECT_TRUE(runLinear(*library, name, form, x, w, parts).sameBits(y))
                << name << " form " << form << " tokens " << tokens << " parts " << parts;
    }
  }
}

/// However large or small activations are, also those of one row together.
TEST(LinearTest, ActivationsOfAnySizeKeepTheirPrecision) {
  Random random(7);
  std::string target = runnableTargets().back(), text;
  const char *const formats[] = {"F16", "BF16", "F32"};
  for (const char *name : formats)
    text += linearText(lowerName(*findBlockFormat(name)), *findBlockFormat(name), 35, 96);
  auto library = KernelLibrary::compile(text, target);
  ASSERT_TRUE(library);
  for (const char *name : formats) {
    const BlockFormat &format = *findBlockFormat(name);
    Matrix w = randomMatrix(random, format, 35, 96);
    for (float scale : {1e-25f, 1e-7f, 7e4f, 1e25f})
      for (int64_t large : {0, 40, 96}) { // from here on 1000 times as large
        Rows x = randomRows(random, 9, 96, scale);
        for (int64_t t = 0; t < x.rows; ++t)
          for (int64_t k = large; k < 96; ++k)
            x.row(t)[k] *= 1000;
        for (size_t form : library->formsFor(lowerName(format), x.rows))
          EXPECT_LT(
              relativeError(product(x, w), runLinear(*library, lowerName(format), form, x, w).unpadded()),
              1e-6)
              << name << ", scale " << scale << ", from " << large;
      }
  }
}

/// The bits of an output do not depend on what else a kernel computes.
TEST(LinearTest, ProductsOfDifferentWeightsAgreeAloneAndTogether) {
  const char *const formats[] = {"F16", "Q4_0", "BF16", "F32"};
  std::string arguments, body, yields, types, alone;
  for (size_t i = 0; i < std::size(formats); ++i) {
    const BlockFormat &format = *findBlockFormat(formats[i]);
    std::string n = std::to_string(i), type = matrixType(format, 40, 64);
    arguments += ", %w" + n + ": " + type;
    body +=
        "  %" + n + " = lm.linear %x, %w" + n + " : (tensor<?x64xf32>, " + type + ") -> tensor<?x40xf32>\n";
    yields += (i ? ", %" : "%") + n;
    types += i ? ", tensor<?x40xf32>" : "tensor<?x40xf32>";
    alone += linearText("alone" + n, format, 40, 64);
  }
  std::string text = "plan.kernel @together {\n^bb0(%x: tensor<?x64xf32>" + arguments + "):\n" + body +
                     "  plan.yield " + yields + " : " + types + "\n}\n" + alone;
  Random random(8);
  auto library = KernelLibrary::compile(text, runnableTargets().back());
  ASSERT_TRUE(library);
  std::vector<Matrix> weights;
  for (const char *name : formats)
    weights.push_back(randomMatrix(random, *findBlockFormat(name), 40, 64));
  for (int64_t tokens : {1, 3, 9}) {
    Rows x = randomRows(random, tokens, 64);
    std::vector<Rows> results(std::size(formats), Rows(tokens, 40));
    std::vector<void *> bindings = {x.pointer()};
    for (Matrix &w : weights)
      bindings.push_back(w.packed.data());
    for (Rows &y : results)
      bindings.push_back(y.pointer());
    for (size_t form : library->formsFor("together", tokens)) {
      library->run("together", form, bindings, LaminaStep{tokens, 0, 1, 1});
      for (size_t i = 0; i < results.size(); ++i) {
        std::string name = "alone" + std::to_string(i);
        EXPECT_TRUE(results[i].sameBits(
            runLinear(*library, name, library->formsFor(name, tokens).front(), x, weights[i])))
            << formats[i] << " form " << form << " tokens " << tokens;
      }
    }
  }
}

TEST(LinearTest, TailsAreApplied) {
  const std::string text = R"(plan.kernel @tail {
^bb0(%x: tensor<?x64xf32>, %w: tensor<50x64x!lm.block<q8_0>>, %b: tensor<50xf32>, %r: tensor<?x50xf32>):
  %0 = lm.linear %x, %w : (tensor<?x64xf32>, tensor<50x64x!lm.block<q8_0>>) -> tensor<?x50xf32>
  %1 = lm.bias_add %0, %b : tensor<?x50xf32>, tensor<50xf32>
  %2 = lm.scale %1, 0.5 : tensor<?x50xf32>
  %3 = lm.soft_cap %2, 2.0 : tensor<?x50xf32>
  %4 = arith.addf %3, %r : tensor<?x50xf32>
  plan.yield %4 : tensor<?x50xf32>
})";
  Random random(4);
  Matrix w = randomMatrix(random, *findBlockFormat("Q8_0"), 50, 64);
  std::vector<float> bias(50);
  for (float &b : bias)
    b = std::normal_distribution<float>()(random);
  std::vector<float> boundBias = padded(bias);
  for (const std::string &target : floatTargets()) {
    auto library = KernelLibrary::compile(text, target);
    ASSERT_TRUE(library);
    for (int64_t tokens : {1, 4, 70}) {
      Rows x = randomRows(random, tokens, 64), r = randomRows(random, tokens, 50), y(tokens, 50);
      std::vector<double> expected = product(x, w);
      for (int64_t i = 0; i < tokens * 50; ++i)
        expected[i] = 2.0 * std::tanh(0.5 * (expected[i] + bias[i % 50]) / 2.0) + r.row(i / 50)[i % 50];
      library->run("tail", {x.pointer(), w.packed.data(), boundBias.data(), r.pointer(), y.pointer()},
                   LaminaStep{tokens, 0, 1, 1});
      EXPECT_LT(relativeError(expected, y.unpadded()), 1e-6) << target;
      EXPECT_TRUE(y.paddingIsZero());
    }
  }
}

TEST(LinearTest, TwoProductsMeetInAGate) {
  auto text = [](const char *activation) {
    return std::string(R"(plan.kernel @gated {
^bb0(%x: tensor<?x64xf32>, %g: tensor<40x64x!lm.block<q4_0>>, %u: tensor<40x64x!lm.block<q8_0>>):
  %0 = lm.linear %x, %g : (tensor<?x64xf32>, tensor<40x64x!lm.block<q4_0>>) -> tensor<?x40xf32>
  %1 = lm.linear %x, %u : (tensor<?x64xf32>, tensor<40x64x!lm.block<q8_0>>) -> tensor<?x40xf32>
  %2 = lm.gated_activation )") +
           activation + R"( %0, %1 : tensor<?x40xf32>
  plan.yield %2 : tensor<?x40xf32>
})";
  };
  Random random(5);
  Matrix g = randomMatrix(random, *findBlockFormat("Q4_0"), 40, 64),
         u = randomMatrix(random, *findBlockFormat("Q8_0"), 40, 64);
  for (std::string activation : {"silu", "gelu_tanh"})
    for (const std::string &target : floatTargets()) {
      auto library = KernelLibrary::compile(text(activation.c_str()), target);
      ASSERT_TRUE(library);
      for (int64_t tokens : {1, 3, 66}) {
        Rows x = randomRows(random, tokens, 64, 4.0f), y(tokens, 40);
        std::vector<double> expected = product(x, g), up = product(x, u);
        for (size_t i = 0; i < expected.size(); ++i) {
          double v = expected[i];
          double inner = std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v);
          expected[i] =
              up[i] * (activation == "silu" ? v / (1 + std::exp(-v)) : v / 2 * (1 + std::tanh(inner)));
        }
        library->run("gated", {x.pointer(), g.packed.data(), u.packed.data(), y.pointer()},
                     LaminaStep{tokens, 0, 1, 1});
        EXPECT_LT(relativeError(expected, y.unpadded()), 1e-6) << activation << " for " << target;
        EXPECT_TRUE(y.paddingIsZero());
      }
    }
}

TEST(LinearTest, OutputRowsGiveTheSameBits) {
  Random random(6);
  for (const char *name : {"Q4_0", "BF16"}) {
    const BlockFormat &format = *findBlockFormat(name);
    Matrix w = randomMatrix(random, format, 100, 64);
    std::string target = runnableTargets().back(), text = linearText("head", format, 100, 64);
    auto tokens = KernelLibrary::compile(text, target);
    auto outputs = KernelLibrary::compile(text, target, plan::RowExtent::output_rows);
    ASSERT_TRUE(tokens && outputs);
    ASSERT_EQ(outputs->variants("head").size(), 1u);
    for (int64_t rows : {0, 1, 2, 9, 17}) {
      Rows x = randomRows(random, rows, 64), y(rows, 100);
      outputs->run("head", 0, {x.pointer(), w.packed.data(), y.pointer()}, LaminaStep{500, rows, 1, 1});
      EXPECT_TRUE(y.sameBits(runLinear(*tokens, "head", 2, x, w))) << name << " " << rows;
    }
  }
}

} // namespace
