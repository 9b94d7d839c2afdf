//===- DecoderTest.cpp - whole decoders by the reference semantics --------------------------------------===//
//
// Against what onnxruntime computes on the CPU: greedy tokens of golden.json, and logits recorded here.
//
//===----------------------------------------------------------------------------------------------------===//

#include "test/Import/ONNX/DecoderModels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina::onnx {
namespace {

using testing::DoubleNear;
using testing::ElementsAreArray;
using testing::Pointwise;

std::vector<double> first(const std::vector<double> &logits, size_t count) {
  return std::vector<double>(logits.begin(), logits.begin() + static_cast<int64_t>(count));
}

class OnnxDecoder : public testing::Test {
protected:
  void SetUp() override {
    if (!haveDecoders())
      GTEST_SKIP() << "skipped: no onnx under " LAMINA_TEST_DATA;
  }
};

TEST_F(OnnxDecoder, Gpt2GivesTheGoldenTokens) {
  absl::StatusOr<Model> model = decoder("capp-gpt/model.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  struct Case {
    std::vector<int64_t> prompt, greedy;
  };
  const Case cases[] = {
      {{2, 9, 15, 18, 22, 25, 49}, {30, 45, 41, 42, 50, 32, 45, 41, 37, 42, 50, 33, 45, 41, 37, 42, 50, 51}},
      {{0, 7, 14, 19, 23, 28, 49}, {34, 36, 42, 44, 50, 51}}};
  for (const Case &each : cases) {
    Session session(*model);
    std::vector<int64_t> tokens = each.prompt, greedy;
    while (greedy.size() < each.greedy.size()) {
      absl::StatusOr<std::vector<double>> logits = session.step(tokens);
      ASSERT_TRUE(logits.ok()) << logits.status();
      greedy.push_back(largest(*logits));
      tokens = {greedy.back()};
    }
    EXPECT_THAT(greedy, ElementsAreArray(each.greedy));
  }
}

TEST_F(OnnxDecoder, Gpt2Logits) {
  absl::StatusOr<Model> model = decoder("capp-gpt/model.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  absl::StatusOr<std::vector<double>> logits = Session(*model).step({2, 9, 15, 18, 22, 25, 49});
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_THAT(first(*logits, 8), Pointwise(DoubleNear(1e-4), {-0.234755, -0.385641, -0.521783, -0.665605,
                                                              -0.503495, -0.589759, 0.144900, -0.036430}));
}

TEST_F(OnnxDecoder, LlamaWithMultiHeadAttention) {
  absl::StatusOr<Model> model = decoder("tiny-random-LlamaForCausalLM-fp16/model.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  absl::StatusOr<std::vector<double>> logits = Session(*model).step({1, 500, 31999, 7, 42});
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_EQ(largest(*logits), 9456);
  EXPECT_THAT(first(*logits, 8), Pointwise(DoubleNear(2e-3), {-0.07605, 0.05838, 0.05927, 0.06137, 0.02637,
                                                              0.00814, -0.07800, 0.01764}));
}

TEST_F(OnnxDecoder, GroupQueryAttention) {
  absl::StatusOr<Model> model = decoder("tiny-graph-capture-gqa.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  absl::StatusOr<std::vector<double>> logits = Session(*model).step({1, 50, 3, 7, 42});
  ASSERT_TRUE(logits.ok()) << logits.status();
  EXPECT_EQ(largest(*logits), 120);
  EXPECT_THAT(first(*logits, 8), Pointwise(DoubleNear(2e-4), {0.002518, 0.002447, 0.001884, -0.003040,
                                                              -0.003365, 0.004391, 0.001469, -0.000010}));
}

} // namespace
} // namespace lamina::onnx
