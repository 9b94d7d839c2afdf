//===- RopeFrequenciesTest.cpp - rotary frequencies and the keys that scale them ----------------------===//

#include "test/Import/TinyModel.h"

#include "dialects/LM/IR/LM.h"
#include "lib/Import/Models/RopeFrequencies.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace lamina;
using namespace lamina::testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

TEST(RopeFrequencies, PlainAreAGeometricSeries) {
  RopeTable table = computeRopeTable({.length = 8, .base = 10000}, {});
  ASSERT_EQ(table.frequencies.size(), 4u);
  for (int i = 0; i < 4; ++i)
    EXPECT_DOUBLE_EQ(table.frequencies[i], std::pow(10.0, -i));
  EXPECT_EQ(table.magnitude, 1);
}

TEST(RopeFrequencies, LinearDividesAll) {
  RopeTable table = computeRopeTable({.length = 4, .base = 100, .factor = 4}, {});
  EXPECT_DOUBLE_EQ(table.frequencies[0], 0.25);
  EXPECT_DOUBLE_EQ(table.frequencies[1], 0.025);
}

TEST(RopeFrequencies, DivisorsDivideEach) {
  RopeTable table = computeRopeTable({.length = 4, .base = 100}, {1, 8});
  EXPECT_DOUBLE_EQ(table.frequencies[0], 1);
  EXPECT_DOUBLE_EQ(table.frequencies[1], 0.1 / 8);
}

/// Expected values come from an independent float64 NumPy implementation.
TEST(RopeFrequencies, YarnBlends) {
  RopeTable table = computeRopeTable(
      {.length = 64, .base = 1e6, .factor = 8, .extrapolation = 1, .originalContext = 32768}, {});
  EXPECT_DOUBLE_EQ(table.frequencies[0], 1);
  EXPECT_DOUBLE_EQ(table.frequencies[10], 0.01333521432163324);
  EXPECT_NEAR(table.frequencies[15], 0.0009410662103696896, 1e-15);
  EXPECT_DOUBLE_EQ(table.frequencies[20], 2.2228492625486534e-05);
  EXPECT_DOUBLE_EQ(table.frequencies[31], 1.924908157574365e-07);
  EXPECT_DOUBLE_EQ(table.magnitude, 1.2079441541679836);
}

TEST(RopeFrequencies, YarnWithAShortContextInterpolatesAll) {
  RopeTable table = computeRopeTable(
      {.length = 16, .base = 1e4, .factor = 4, .extrapolation = 1, .originalContext = 64}, {});
  EXPECT_DOUBLE_EQ(table.frequencies[0], 1); // the ramp begins at the first frequency
  EXPECT_NEAR(table.frequencies[1], 0.23717082451262847, 1e-15);
  EXPECT_NEAR(table.frequencies[7], 7.905694150420948e-05, 1e-18);
}

/// Frequencies and magnitude of the only rope table of a model.
std::pair<std::vector<double>, double> tableOf(const TinyModel &model, const ImportOptions &options = {}) {
  Imported imported = model.import(options);
  EXPECT_THAT(imported.errors, ElementsAre());
  std::vector<double> frequencies;
  double magnitude = 0;
  if (imported.module)
    imported.module->walk([&](lm::RopeTableOp op) {
      frequencies.assign(op.getFrequencies().begin(), op.getFrequencies().end());
      magnitude = op.getMagnitude().convertToFloat();
    });
  return {frequencies, magnitude};
}

TinyModel modelWithHeadsOf4() {
  TinyModel model = tinyModel("qwen3", 1);
  model.keys["rope.dimension_count"] = 4u;
  model.keys["rope.freq_base"] = 100.0f;
  return model;
}

TEST(RopeKeys, LinearUnderBothNames) {
  TinyModel model = modelWithHeadsOf4();
  model.keys["rope.scale_linear"] = 2.0f;
  EXPECT_NEAR(tableOf(model).first[0], 0.5, 1e-12);
  model.keys["rope.scaling.factor"] = 4.0f;
  EXPECT_NEAR(tableOf(model).first[0], 0.25, 1e-12);
  model.keys["rope.scaling.type"] = std::string("none");
  EXPECT_NEAR(tableOf(model).first[0], 1, 1e-12);
}

TEST(RopeKeys, YarnUsesTheOriginalContext) {
  TinyModel model = modelWithHeadsOf4();
  model.keys["rope.scaling.type"] = std::string("yarn");
  model.keys["rope.scaling.factor"] = 4.0f;
  model.keys["rope.scaling.original_context_length"] = 32u;
  model.keys["rope.scaling.attn_factor"] = 2.0f;
  auto [frequencies, magnitude] = tableOf(model);
  EXPECT_NEAR(magnitude, 2 * (1 + 0.1 * std::log(4.0)), 1e-6);
  EXPECT_NEAR(frequencies[0], 1, 1e-12);
  EXPECT_NEAR(frequencies[1], 0.1 * 0.25, 1e-12);    // less than one turn in 32 positions
  model.keys["rope.scaling.yarn_ext_factor"] = 0.0f; // then it is linear
  EXPECT_NEAR(tableOf(model).first[0], 0.25, 1e-12);
  EXPECT_NEAR(tableOf(model).second, 2, 1e-12);
}

TEST(RopeKeys, DivisorsOfLlama31) {
  TinyModel model = modelWithHeadsOf4();
  model.tensors["rope_freqs.weight"] = {{2}, TensorType::F32, {1, 8}};
  EXPECT_NEAR(tableOf(model).first[1], 0.1 / 8, 1e-12);
}

TEST(RopeKeys, LongRopeChoosesByContext) {
  TinyModel model = modelWithHeadsOf4();
  model.keys["rope.scaling.original_context_length"] = 32u;
  model.keys["rope.scaling.attn_factor"] = 1.5f;
  model.tensors["rope_factors_short.weight"] = {{2}, TensorType::F32, {1, 2}};
  model.tensors["rope_factors_long.weight"] = {{2}, TensorType::F32, {1, 4}};
  auto [frequencies, magnitude] = tableOf(model, {.contextLength = 33});
  EXPECT_NEAR(frequencies[1], 0.1 / 4, 1e-12);
  EXPECT_NEAR(magnitude, 1.5, 1e-12);
  EXPECT_NEAR(tableOf(model, {.contextLength = 32}).first[1], 0.1 / 2, 1e-12);
}

TEST(RopeKeys, DivisorsOfZeroAreRefused) {
  TinyModel model = modelWithHeadsOf4();
  model.tensors["rope_freqs.weight"] = {{2}, TensorType::F32, {1, 0}};
  EXPECT_THAT(model.import().errors, ElementsAre(HasSubstr("tensor 'rope_freqs.weight' has the value 0")));
}

} // namespace
