//===- RopeCacheTest.cpp - frequencies from tables of cosines and sines ----------------------------------===//

#include "lib/Import/ONNX/RopeCache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace lamina::onnx {
namespace {

struct Tables {
  std::vector<double> cosines, sines;
  Dims dims;

  Tables(std::vector<double> frequencies, int64_t rows, double magnitude = 1)
      : dims{rows, static_cast<int64_t>(frequencies.size())} {
    for (int64_t row = 0; row < rows; ++row)
      for (double frequency : frequencies) {
        cosines.push_back(magnitude * std::cos(double(row) * frequency));
        sines.push_back(magnitude * std::sin(double(row) * frequency));
      }
  }
  absl::StatusOr<RopeCache> read(ElementType type) const {
    return readRopeCache(Tensor::ofReals(cosines, dims, type), Tensor::ofReals(sines, dims, type));
  }
};

std::vector<double> powers(double base, int64_t count) {
  std::vector<double> result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(std::pow(base, -double(i) / double(count)));
  return result;
}

TEST(RopeCache, PowersOfABaseAreExactWhateverTheElements) {
  for (ElementType type : {ElementType::Float, ElementType::Float16, ElementType::BFloat16})
    for (double base : {10000.0, 500000.0}) {
      absl::StatusOr<RopeCache> cache = Tables(powers(base, 32), 2048).read(type);
      ASSERT_TRUE(cache.ok()) << cache.status();
      EXPECT_EQ(cache->frequencies, powers(base, 32));
      EXPECT_EQ(cache->positions, 2048);
    }
}

TEST(RopeCache, OtherFrequenciesAreReadToTheLastRow) {
  std::vector<double> frequencies = powers(500000, 32);
  for (size_t i = 12; i < frequencies.size(); ++i)
    frequencies[i] /= i < 20 ? 3.3 : 8; // as Llama 3.1 does
  absl::StatusOr<RopeCache> cache = Tables(frequencies, 4096, 1.25).read(ElementType::Float);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_NEAR(cache->magnitude, 1.25, 1e-6);
  for (size_t i = 0; i < frequencies.size(); ++i)
    EXPECT_NEAR(cache->frequencies[i], frequencies[i], 1e-9) << i;
}

TEST(RopeCache, OtherTablesAreRefused) {
  Tables tables(powers(10000, 8), 64);
  tables.sines[40 * 8 + 3] += 0.01;
  EXPECT_THAT(std::string(tables.read(ElementType::Float).status().message()),
              testing::HasSubstr("row 40 of the tables"));
  tables.sines[40 * 8 + 3] = NAN;
  EXPECT_FALSE(tables.read(ElementType::Float).ok());
  EXPECT_FALSE(
      readRopeCache(Tensor::ofReals(tables.cosines, {64, 8}), Tensor::ofReals(tables.sines, {8, 64})).ok());
}

} // namespace
} // namespace lamina::onnx
