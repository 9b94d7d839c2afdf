//===- ProbeTest.cpp - what exported mask and shape arithmetic comes to ---------------------------------===//

#include "lib/Import/ONNX/Recognize.h"

#include "test/Import/ONNX/DecoderModels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace lamina::onnx {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Recognition on its own.

constexpr ProbePoint kPoints[] = {{5, 3}, {7, 11}, {13, 2}, {1, 4}, {6, 0}};

/// The description of the value whose samples f gives.
template <typename F> std::string recognized(F f) {
  std::vector<Tensor> samples;
  for (const ProbePoint &point : kPoints)
    samples.push_back(f(point.S, point.P));
  ProbedValue value = recognize(samples, kPoints);
  return value.irregular.empty() ? value.describe() : value.irregular;
}

/// [1, S, S + P], each element by query, key and past.
template <typename F> Tensor maskOf(int64_t S, int64_t P, F f, ElementType type = ElementType::Bool) {
  Tensor mask(type, {1, S, S + P});
  mask.allocate();
  for (int64_t i = 0; i < S; ++i)
    for (int64_t j = 0; j < S + P; ++j)
      mask.setReal(i * (S + P) + j, f(P + i, j));
  return mask;
}

TEST(OnnxProbe, RecognizesNumbers) {
  auto lengths = [](int64_t S, int64_t P) {
    return Tensor::ofIntegers(std::vector<int64_t>{P, S + P - 1, 2 * S, 7}, {4});
  };
  EXPECT_EQ(recognized(lengths), "int64[4]: (P, S + P - 1, 2 S, 7)");
  auto same = [](int64_t, int64_t) { return Tensor::ofIntegers(std::vector<int64_t>{3, 4}, {2}); };
  EXPECT_EQ(recognized(same), "int64[2]: fixed");
  auto product = [](int64_t S, int64_t P) { return Tensor::ofIntegers(std::vector<int64_t>{S * P}, {1}); };
  EXPECT_EQ(recognized(product), "int64[1]: by the batch");
}

TEST(OnnxProbe, RecognizesMasks) {
  auto causal = [](int64_t S, int64_t P) {
    return maskOf(S, P, [](int64_t i, int64_t j) { return j <= i; });
  };
  EXPECT_EQ(recognized(causal), "bool[1, S, S + P]: causal mask, 1 or 0");
  auto additive = [](int64_t S, int64_t P) {
    auto element = [](int64_t i, int64_t j) { return j <= i ? 0.0 : j % 2 ? -INFINITY : -3e38; };
    return maskOf(S, P, element, ElementType::Float);
  };
  EXPECT_EQ(recognized(additive), "float[1, S, S + P]: causal mask, 0 or -3e+38");
  auto window = [](int64_t S, int64_t P) {
    return maskOf(S, P, [](int64_t i, int64_t j) { return j <= i && j > i - 4; });
  };
  EXPECT_EQ(recognized(window), "bool[1, S, S + P]: causal mask, 1 or 0, window 4");
  auto all = [](int64_t S, int64_t P) { return maskOf(S, P, [](int64_t, int64_t) { return true; }); };
  EXPECT_EQ(recognized(all), "bool[1, S, S + P]: all 1");
  auto topLeft = [](int64_t S, int64_t P) {
    return maskOf(S, P, [P](int64_t i, int64_t j) { return j <= i - P; });
  };
  EXPECT_EQ(recognized(topLeft), "bool[1, S, S + P]: by the batch");
}

TEST(OnnxProbe, RecognizesPositions) {
  auto positions = [](int64_t S, int64_t P) {
    std::vector<int64_t> values(S);
    for (int64_t i = 0; i < S; ++i)
      values[i] = P + i;
    return Tensor::ofIntegers(values, {1, S});
  };
  EXPECT_EQ(recognized(positions), "int64[1, S]: positions from P along axis 1");
}

TEST(OnnxProbe, TakesSizesThatNothingElseSays) {
  auto input = [](std::string name, std::vector<Dimension> shape) {
    return Value{.name = std::move(name), .type = {Type::Kind::Tensor, ElementType::Int64, std::move(shape)}};
  };
  auto refusal = [](const Value &value, const ProbeOptions &options) {
    return std::string(inputAt(value, kPoints[0], options).status().message());
  };
  Value other = input("prefix", {{.size = -1, .symbol = "width"}});
  Value tokens = input("input_ids", {{.size = -1, .symbol = "batch"}, {.size = 4}});
  EXPECT_THAT(refusal(other, {}),
              HasSubstr("size 'width' of axis 0 is not known; give it with --dim width=N"));
  EXPECT_THAT(refusal(input("prefix", {{.size = -1}}), {}),
              HasSubstr("of axis 0 is not declared; declare it in the model"));
  absl::StatusOr<Tensor> given = inputAt(other, kPoints[0], {.sizes = {{"width", 7}}});
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->dims(), Dims{7});
  EXPECT_EQ(refusal(tokens, {}), "");
  EXPECT_THAT(refusal(tokens, {.sizes = {{"batch", 2}}}),
              HasSubstr("size 'batch' of axis 0 is the batch's; leave out --dim batch=2"));
}

TEST(OnnxProbe, TakesSizesThatMayBeOthersThanTheBatchs) {
  auto dims = [](const char *name, std::vector<Dimension> shape, std::map<std::string, int64_t> sizes) {
    Value input{.name = name, .type = {Type::Kind::Tensor, ElementType::Float, std::move(shape)}};
    absl::StatusOr<Tensor> tensor = inputAt(input, {.S = 5, .P = 11}, {.sizes = std::move(sizes)});
    return tensor.ok() ? tensor->dims() : Dims();
  };
  const Dimension batch{.size = -1, .symbol = "batch"}, heads{.size = -1, .symbol = "heads"},
      past{.size = -1, .symbol = "past_sequence"}, any{.size = -1, .symbol = "s7"}, eight{.size = 8};
  EXPECT_EQ(dims("inputs_embeds", {batch, any, heads}, {{"heads", 64}}), (Dims{1, 5, 64}));
  EXPECT_EQ(dims("past.0.key", {batch, heads, past, eight}, {{"heads", 4}}), (Dims{1, 4, 11, 8}));
  EXPECT_EQ(dims("past.0.key", {batch, eight, any, eight}, {}), (Dims{1, 8, 11, 8}));
  EXPECT_EQ(dims("past.0.key", {batch, eight, any, eight}, {{"s7", 4}}), Dims())
      << "there is no other for the tokens";
  EXPECT_EQ(dims("past.0.key", {batch, heads, past, eight}, {{"past_sequence", 4}}), Dims());
}

TEST(OnnxProbe, NamesCachesThatAreCutToAWindow) {
  auto ofAll = [](int64_t S, int64_t P) {
    return Tensor(ElementType::Float, {1, std::min<int64_t>(S + P, 6)});
  };
  EXPECT_THAT(recognized(ofAll), StartsWith("axis 1 is cut to the last 6 positions; "));
  auto ofPast = [](int64_t, int64_t P) { return Tensor(ElementType::Float, {std::min<int64_t>(P, 4)}); };
  EXPECT_THAT(recognized(ofPast), StartsWith("axis 0 is cut to the last 4 positions; "));
}

TEST(OnnxProbe, RefusesShapesThatAreNotAffine) {
  auto square = [](int64_t S, int64_t) { return Tensor(ElementType::Float, {S * S}); };
  EXPECT_THAT(recognized(square), HasSubstr("the size of axis 0 is not affine"));
}

// Whole decoders.

class OnnxProbeModel : public testing::Test {
protected:
  void open(const std::string &path) {
    if (!haveDecoders())
      GTEST_SKIP() << "skipped: no onnx under " LAMINA_TEST_DATA;
    absl::StatusOr<Model> read = decoder(path);
    ASSERT_TRUE(read.ok()) << read.status();
    model = std::make_unique<Model>(std::move(*read));
    absl::StatusOr<std::vector<ProbedValue>> values = probe(*model);
    ASSERT_TRUE(values.ok()) << values.status();
    probed = std::move(*values);
  }
  std::string describe(const std::string &name) const {
    for (size_t id = 0; id < probed.size(); ++id)
      if (model->graph.values[id].name == name)
        return probed[id].describe();
    return "there is no " + name;
  }
  /// What the inputs of all nodes of an operator are.
  std::vector<std::string> inputsOf(std::string_view op, size_t input) const {
    std::vector<std::string> result;
    for (const Node &node : model->graph.nodes)
      if (node.op == op && node.input(input) != kAbsent)
        result.push_back(probed[node.input(input)].describe());
    return result;
  }

  std::unique_ptr<Model> model;
  std::vector<ProbedValue> probed;
};

TEST_F(OnnxProbeModel, Gpt2) {
  ASSERT_NO_FATAL_FAILURE(open("capp-gpt/model.onnx"));
  if (!model)
    return;
  EXPECT_EQ(describe("logits"), "float[1, S, 53]");
  EXPECT_EQ(describe("present.0.key"), "float[1, 4, S + P, 16]");
  EXPECT_EQ(describe("position_ids"), "int64[1, S]: positions from P along axis 1");
  EXPECT_EQ(describe("attention_mask"), "int64[1, S + P]: all 1");
  // Trilu, Range, Where, ScatterND and Slice make what is added to the scores.
  EXPECT_EQ(describe("/transformer/h.0/attn/Slice_output_0"),
            "float[1, 1, S, S + P]: causal mask, 0 or -3.40282e+38");
  for (const std::string &scores : inputsOf("Softmax", 0))
    EXPECT_EQ(scores, "float[1, 4, S, S + P]");
}

TEST_F(OnnxProbeModel, LlamaWithMultiHeadAttention) {
  ASSERT_NO_FATAL_FAILURE(open("tiny-random-LlamaForCausalLM-fp16/model.onnx"));
  if (!model)
    return;
  EXPECT_EQ(describe("logits"), "float16[1, S, 32000]");
  std::vector<std::string> masks = inputsOf("MultiHeadAttention", 5);
  EXPECT_EQ(masks.size(), 2u);
  for (const std::string &mask : masks)
    EXPECT_THAT(mask, StartsWith("float16[1, 1, S, S + P]: causal mask, 0 or -"));
  for (const std::string &positions : inputsOf("RotaryEmbedding", 1))
    EXPECT_EQ(positions, "int64[1, S]: positions from P along axis 1");
}

TEST_F(OnnxProbeModel, GroupQueryAttention) {
  ASSERT_NO_FATAL_FAILURE(open("tiny-graph-capture-gqa.onnx"));
  if (!model)
    return;
  EXPECT_EQ(describe("present.0.key"), "float16[1, 2, S + P, 32]");
  for (const std::string &last : inputsOf("GroupQueryAttention", 5))
    EXPECT_THAT(last, HasSubstr(": (S + P - 1)"));
  for (const std::string &total : inputsOf("GroupQueryAttention", 6))
    EXPECT_THAT(total, HasSubstr(": (S + P)"));
}

} // namespace
} // namespace lamina::onnx
