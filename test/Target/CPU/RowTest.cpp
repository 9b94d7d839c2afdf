//===- RowTest.cpp - norms, rotations, gathers, embeddings and elementwise rows -----------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace lamina;
using namespace lamina::test;

namespace {

std::string rowsType(int64_t width) { return "tensor<?x" + std::to_string(width) + "xf32>"; }
std::string vectorType(int64_t length) { return "tensor<" + std::to_string(length) + "xf32>"; }

std::vector<float> randomVector(Random &random, int64_t length) {
  std::vector<float> result(length);
  for (float &x : result)
    x = std::uniform_real_distribution<float>(0.5f, 1.5f)(random);
  return result;
}

std::vector<double> normed(const Rows &x, const std::vector<float> &weight, double epsilon) {
  std::vector<double> result;
  int64_t group = weight.size();
  for (int64_t r = 0; r < x.rows; ++r)
    for (int64_t begin = 0; begin < x.width; begin += group) {
      double squares = 0;
      for (int64_t i = 0; i < group; ++i)
        squares += double(x.row(r)[begin + i]) * x.row(r)[begin + i];
      double factor = 1 / std::sqrt(squares / group + epsilon);
      for (int64_t i = 0; i < group; ++i)
        result.push_back(x.row(r)[begin + i] * factor * weight[i]);
    }
  return result;
}

/// Rotates the first elements of each head by cosines and sines of a table's row.
void rotate(std::vector<double> &x, int64_t width, int64_t head, const Rows &table) {
  int64_t half = table.width / 2;
  for (int64_t r = 0; r < table.rows; ++r)
    for (int64_t begin = 0; begin < width; begin += head)
      for (int64_t i = 0; i < half; ++i) {
        double &a = x[r * width + begin + i], &b = x[r * width + begin + i + half];
        double c = table.row(r)[i], s = table.row(r)[i + half], before = a;
        a = a * c - b * s;
        b = b * c + before * s;
      }
}

std::vector<float> unpadded(const Rows &rows) {
  std::vector<float> result;
  for (int64_t r = 0; r < rows.rows; ++r)
    result.insert(result.end(), rows.row(r), rows.row(r) + rows.width);
  return result;
}

void expectRows(const Rows &actual, const std::vector<double> &expected, const std::string &what,
                double bound = 1e-6) {
  EXPECT_LT(relativeError(expected, unpadded(actual)), bound) << what;
  EXPECT_TRUE(actual.paddingIsZero()) << what;
}

TEST(RowTest, NormalisesRowsOfAnyLengthAndAddsResiduals) {
  Random random(1);
  for (int64_t width : {5, 64, 172, 2048}) {
    std::string text = "plan.kernel @norm {\n^bb0(%x: " + rowsType(width) + ", %g: " + vectorType(width) +
                       ", %r: " + rowsType(width) +
                       "):\n  %0 = lm.rms_norm %x, %g {epsilon = 1.0e-5 : f32} : " + rowsType(width) + ", " +
                       vectorType(width) + "\n  %1 = arith.addf %r, %0 : " + rowsType(width) +
                       "\n  plan.yield %1 : " + rowsType(width) + "\n}";
    for (const std::string &target : runnableTargets()) {
      auto library = KernelLibrary::compile(text, target);
      ASSERT_TRUE(library);
      Rows x = randomRows(random, 3, width, 3.0f), r = randomRows(random, 3, width), y(3, width);
      std::vector<float> weight = randomVector(random, width), bound = padded(weight);
      library->run("norm", {x.pointer(), bound.data(), r.pointer(), y.pointer()}, LaminaStep{3, 0, 1, 1});
      std::vector<double> expected = normed(x, weight, 1e-5);
      for (size_t i = 0; i < expected.size(); ++i)
        expected[i] += r.row(i / width)[i % width];
      expectRows(y, expected, target + " " + std::to_string(width));
    }
  }
}

/// Rows far from zero, so that a variance from squares alone would lose all its digits.
void normalisesLayers(bool biased) {
  Random random(5);
  for (int64_t width : {5, 64, 172, 2048}) {
    std::string rows = rowsType(width), vector = vectorType(width);
    std::string text = "plan.kernel @norm {\n^bb0(%x: " + rows + ", %g: " + vector +
                       (biased ? ", %b: " + vector : "") + "):\n  %0 = lm.layer_norm %x, %g" +
                       (biased ? ", %b" : "") + " {epsilon = 1.0e-5 : f32} : " + rows + ", " + vector +
                       (biased ? ", " + vector : "") + "\n  plan.yield %0 : " + rows + "\n}";
    Rows x = randomRows(random, 3, width);
    for (int64_t i = 0; i < 3 * width; ++i)
      x.row(i / width)[i % width] += 1000.0f;
    std::vector<float> weight = randomVector(random, width), bias = randomVector(random, width);
    std::vector<float> boundWeight = padded(weight), boundBias = padded(bias);
    std::vector<double> expected;
    for (int64_t r = 0; r < 3; ++r) {
      double mean = 0, variance = 0;
      for (int64_t i = 0; i < width; ++i)
        mean += x.row(r)[i] / double(width);
      for (int64_t i = 0; i < width; ++i)
        variance += (x.row(r)[i] - mean) * (x.row(r)[i] - mean) / double(width);
      for (int64_t i = 0; i < width; ++i)
        expected.push_back((x.row(r)[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] +
                           (biased ? bias[i] : 0));
    }
    for (const std::string &target : runnableTargets()) {
      auto library = KernelLibrary::compile(text, target);
      ASSERT_TRUE(library);
      Rows y(3, width);
      std::vector<void *> bound{x.pointer(), boundWeight.data()};
      if (biased)
        bound.push_back(boundBias.data());
      bound.push_back(y.pointer());
      library->run("norm", bound, LaminaStep{3, 0, 1, 1});
      expectRows(y, expected, target + " " + std::to_string(width), 2e-4);
    }
  }
}

TEST(RowTest, NormalisesLayersOfAnyLength) { normalisesLayers(/*biased=*/true); }

TEST(RowTest, NormalisesLayersWithoutABias) { normalisesLayers(/*biased=*/false); }

TEST(RowTest, RotatesHeadsOfAnyLengthAfterTheirNorm) {
  struct Shape {
    int64_t heads, head, rotated;
  };
  Random random(2);
  for (Shape shape :
       {Shape{4, 8, 8}, {3, 8, 4}, {2, 64, 64}, {3, 80, 32}, {2, 96, 96}, {8, 128, 128}, {1, 6, 4}}) {
    int64_t width = shape.heads * shape.head;
    std::string rows = rowsType(width), table = rowsType(shape.rotated), weight = vectorType(shape.head);
    std::string rotary =
        " {head_length = " + std::to_string(shape.head) + " : i64} : " + rows + ", " + table + "\n";
    std::string text = "plan.kernel @both {\n^bb0(%x: " + rows + ", %g: " + weight + ", %t: " + table +
                       "):\n  %0 = lm.rms_norm %x, %g {epsilon = 1.0e-6 : f32} : " + rows + ", " + weight +
                       "\n  %1 = lm.rotary_embedding %0, %t" + rotary + "  plan.yield %1 : " + rows +
                       "\n}\n" + "plan.kernel @rotary {\n^bb0(%x: " + rows + ", %t: " + table +
                       "):\n  %0 = lm.rotary_embedding %x, %t" + rotary + "  plan.yield %0 : " + rows +
                       "\n}\n";
    for (const std::string &target : runnableTargets()) {
      auto library = KernelLibrary::compile(text, target);
      ASSERT_TRUE(library);
      Rows x = randomRows(random, 5, width), t = randomRows(random, 5, shape.rotated), y(5, width);
      std::vector<float> g = randomVector(random, shape.head), bound = padded(g);
      library->run("both", {x.pointer(), bound.data(), t.pointer(), y.pointer()}, LaminaStep{5, 0, 1, 1});
      std::vector<double> expected = normed(x, g, 1e-6);
      rotate(expected, width, shape.head, t);
      expectRows(y, expected, target + " head " + std::to_string(shape.head));
      library->run("rotary", {x.pointer(), t.pointer(), y.pointer()}, LaminaStep{5, 0, 1, 1});
      std::vector<float> plain = unpadded(x);
      expected.assign(plain.begin(), plain.end());
      rotate(expected, width, shape.head, t);
      expectRows(y, expected, target + " head " + std::to_string(shape.head));
    }
  }
}

TEST(RowTest, RopeTablesAreExactToTheLastPositions) {
  std::string frequencies;
  std::vector<double> values;
  for (int64_t half : {4, 48}) {
    frequencies.clear();
    values.clear();
    for (int64_t i = 0; i < half; ++i) {
      values.push_back(std::pow(500000.0, -double(i) / double(half)));
      char number[64];
      std::snprintf(number, sizeof(number), "%s%.17e", i ? ", " : "", values.back());
      frequencies += number;
    }
    std::string type = rowsType(2 * half);
    std::string text =
        "plan.kernel @table {\n^bb0(%p: tensor<?xi32>):\n  %0 = lm.rope_table %p {frequencies = array<f64: " +
        frequencies + ">, magnitude = 1.25 : f32} : (tensor<?xi32>) -> " + type +
        "\n  plan.yield %0 : " + type + "\n}";
    std::vector<int32_t> positions = {0, 1, 2, 3, 100, 4095, 131071, 999999, 1000000};
    for (int32_t i = 0; i < 200; ++i)
      positions.push_back(i * 5237);
    int64_t tokens = positions.size();
    std::unique_ptr<Rows> first;
    for (const std::string &target : runnableTargets()) {
      auto library = KernelLibrary::compile(text, target);
      ASSERT_TRUE(library);
      Rows y(tokens, 2 * half);
      library->run("table", {positions.data(), y.pointer()}, LaminaStep{tokens, 0, 1, 1});
      for (int64_t t = 0; t < tokens; ++t)
        for (int64_t i = 0; i < half; ++i) {
          double angle = positions[t] * values[i];
          EXPECT_NEAR(y.row(t)[i], 1.25 * std::cos(angle), 8e-8) << positions[t] << " " << i;
          EXPECT_NEAR(y.row(t)[half + i], 1.25 * std::sin(angle), 8e-8) << positions[t] << " " << i;
        }
      EXPECT_TRUE(y.paddingIsZero());
      if (!first)
        first = std::make_unique<Rows>(y);
      EXPECT_TRUE(y.sameBits(*first)) << target;
    }
  }
}

TEST(RowTest, GathersRows) {
  const std::string text = R"(plan.kernel @gather {
^bb0(%x: tensor<?x50xf32>, %i: tensor<?xi32>):
  %0 = lm.gather_rows %x, %i : (tensor<?x50xf32>, tensor<?xi32>) -> tensor<?x50xf32>
  %1 = lm.scale %0, 2.0 : tensor<?x50xf32>
  plan.yield %1 : tensor<?x50xf32>
})";
  Random random(3);
  auto library = KernelLibrary::compile(text, runnableTargets().back(), plan::RowExtent::output_rows);
  ASSERT_TRUE(library);
  EXPECT_EQ(library->variants("gather")[0].extent, plan::RowExtent::output_rows);
  Rows x = randomRows(random, 7, 50), y(3, 50);
  std::vector<int32_t> rows = {6, 0, 4};
  library->run("gather", {x.pointer(), rows.data(), y.pointer()}, LaminaStep{7, 3, 1, 1});
  for (int64_t r = 0; r < 3; ++r)
    for (int64_t i = 0; i < 50; ++i)
      EXPECT_EQ(y.row(r)[i], 2 * x.row(rows[r])[i]);
  EXPECT_TRUE(y.paddingIsZero());
}

TEST(RowTest, EmbedsFromEveryFormat) {
  Random random(4);
  std::string text;
  auto columns = [](const BlockFormat &format) {
    return format.isPlain() ? int64_t(50) : 2 * std::max<int64_t>(format.elements, 32);
  };
  for (const BlockFormat &format : allBlockFormats()) {
    std::string table =
        "tensor<37x" + std::to_string(columns(format)) + "x!lm.block<" + lowerName(format) + ">>";
    std::string rows = rowsType(columns(format));
    text += "plan.kernel @" + lowerName(format) + " {\n^bb0(%i: tensor<?xi32>, %w: " + table +
            "):\n  %0 = lm.embedding %i, %w : (tensor<?xi32>, " + table + ") -> " + rows +
            "\n  %1 = lm.scale %0, 4.0 : " + rows + "\n  plan.yield %1 : " + rows + "\n}\n";
  }
  for (const std::string &target : runnableTargets()) {
    auto library = KernelLibrary::compile(text, target);
    ASSERT_TRUE(library);
    for (const BlockFormat &format : allBlockFormats()) {
      Matrix table = randomMatrix(random, format, 37, columns(format));
      std::vector<int32_t> ids = {0, 36, 15, 16, 31};
      Rows y(5, table.columns);
      library->run(lowerName(format), {ids.data(), table.packed.data(), y.pointer()}, LaminaStep{5, 0, 1, 1});
      int64_t wrong = 0;
      for (int64_t t = 0; t < 5; ++t)
        for (int64_t k = 0; k < table.columns; ++k)
          wrong += y.row(t)[k] != 4 * table.values[ids[t] * table.columns + k];
      EXPECT_EQ(wrong, 0) << format.name << " for " << target;
      EXPECT_TRUE(y.paddingIsZero());
    }
  }
}

/// The exponential, the hyperbolic tangent and the error function behind gates and caps, over their whole range.
TEST(RowTest, ElementwiseFunctionsAreAccurate) {
  const std::string text = R"(
plan.kernel @cap {
^bb0(%x: tensor<?x1000xf32>):
  %0 = lm.soft_cap %x, 30.0 : tensor<?x1000xf32>
  plan.yield %0 : tensor<?x1000xf32>
}
plan.kernel @silu {
^bb0(%x: tensor<?x1000xf32>, %u: tensor<?x1000xf32>):
  %0 = lm.gated_activation silu %x, %u : tensor<?x1000xf32>
  plan.yield %0 : tensor<?x1000xf32>
}
plan.kernel @gelu {
^bb0(%x: tensor<?x1000xf32>):
  %0 = lm.activation gelu %x : tensor<?x1000xf32>
  plan.yield %0 : tensor<?x1000xf32>
}
plan.kernel @relu {
^bb0(%x: tensor<?x1000xf32>):
  %0 = lm.activation relu %x : tensor<?x1000xf32>
  plan.yield %0 : tensor<?x1000xf32>
})";
  Rows x(2, 1000), ones(2, 1000), y(2, 1000);
  for (int64_t i = 0; i < 2000; ++i) {
    float magnitude = std::pow(10.0f, -4.0f + 6.5f * float(i % 1000) / 1000.0f); // 1e-4 to 316
    x.row(i / 1000)[i % 1000] = i < 1000 ? magnitude : -magnitude;
    ones.row(i / 1000)[i % 1000] = 1.0f;
  }
  for (Rows *rows : {&x, &ones})
    for (int64_t r = 0; r < 2; ++r)
      std::fill(rows->row(r) + 1000, rows->row(r) + rows->stride, 0.0f);
  for (const std::string &target : runnableTargets()) {
    auto library = KernelLibrary::compile(text, target);
    ASSERT_TRUE(library);
    library->run("cap", {x.pointer(), y.pointer()}, LaminaStep{2, 0, 1, 1});
    for (int64_t i = 0; i < 2000; ++i) {
      double expected = 30 * std::tanh(double(x.row(i / 1000)[i % 1000]) / 30);
      EXPECT_NEAR(y.row(i / 1000)[i % 1000], expected, 4e-7 * std::fabs(expected)) << i;
    }
    EXPECT_TRUE(y.paddingIsZero());
    library->run("silu", {x.pointer(), ones.pointer(), y.pointer()}, LaminaStep{2, 0, 1, 1});
    for (int64_t i = 0; i < 2000; ++i) {
      double v = x.row(i / 1000)[i % 1000], expected = v / (1 + std::exp(-v));
      EXPECT_NEAR(y.row(i / 1000)[i % 1000], expected, 6e-7 * std::fabs(expected) + 1e-35) << v;
    }
    EXPECT_TRUE(y.paddingIsZero());
    library->run("gelu", {x.pointer(), y.pointer()}, LaminaStep{2, 0, 1, 1});
    for (int64_t i = 0; i < 2000; ++i) { // 1 + erf cancels where it is small
      double v = x.row(i / 1000)[i % 1000], expected = v / 2 * std::erfc(-v / std::sqrt(2.0));
      EXPECT_NEAR(y.row(i / 1000)[i % 1000], expected, 3e-7 * std::fabs(v)) << v;
    }
    EXPECT_TRUE(y.paddingIsZero());
    library->run("relu", {x.pointer(), y.pointer()}, LaminaStep{2, 0, 1, 1});
    for (int64_t i = 0; i < 2000; ++i)
      EXPECT_EQ(y.row(i / 1000)[i % 1000], i < 1000 ? x.row(0)[i] : 0.0f);
    EXPECT_TRUE(y.paddingIsZero());
  }
}

} // namespace
