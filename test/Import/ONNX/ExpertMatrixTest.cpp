//===- ExpertMatrixTest.cpp - experts of few bits have the numbers that the evaluator says --------------===//

#include "lib/Import/ONNX/ComputedPart.h"
#include "lib/Import/ONNX/Evaluator.h"
#include "test/Import/ONNX/TinyModel.h"

#include <gtest/gtest.h>

#include <random>

namespace lamina::onnx {
namespace {

using ::onnx::AttributeProto;
using ::onnx::TensorProto;

constexpr int64_t kTokens = 5, kExperts = 3, kWidth = 64, kInner = 32;

struct Case {
  int64_t bits, block, fusion; // block 0: a scale for each row
  bool zeros;
};

class ModelWriter {
public:
  ModelWriter() : proto_(emptyModel()) {
    ::onnx::OperatorSetIdProto *contrib = proto_.add_opset_import();
    contrib->set_domain("com.microsoft");
    contrib->set_version(1);
    reals("x", {kTokens, kWidth});
    reals("router", {kTokens, kExperts});
  }

  void reals(const std::string &name, const std::vector<int64_t> &dims, const std::vector<float> &values) {
    TensorProto *tensor = addTensor(graph(), name, TensorProto::FLOAT, {});
    for (int64_t dim : dims)
      tensor->add_dims(dim);
    for (float value : values)
      tensor->add_float_data(value);
  }
  void reals(const std::string &name, const std::vector<int64_t> &dims) {
    std::uniform_real_distribution<float> some(0.01f, 0.1f);
    std::vector<float> values(*countElements(dims));
    for (float &value : values)
      value = some(random_);
    reals(name, dims, values);
  }

  void bytes(const std::string &name, const std::vector<int64_t> &dims) {
    TensorProto *tensor = addTensor(graph(), name, TensorProto::UINT8, {});
    for (int64_t dim : dims)
      tensor->add_dims(dim);
    std::string data(*countElements(dims), '\0');
    for (char &byte : data)
      byte = static_cast<char>(random_() >> 8);
    tensor->set_raw_data(data);
  }

  /// Codes, scales and zero points of one matrix for each expert.
  void matrix(const std::string &name, const Case &c, int64_t rows, int64_t columns) {
    bytes(name, {kExperts, rows, columns * c.bits / 8});
    int64_t runs = c.block ? columns / c.block : 1;
    reals(name + ".scales", {kExperts, rows, runs});
    if (runs == 1)
      bytes(name + ".zeros", {kExperts, (rows * c.bits + 7) / 8});
    else
      bytes(name + ".zeros", {kExperts, rows, (runs * c.bits + 7) / 8});
  }

  void node(std::string_view op, std::initializer_list<std::string_view> inputs, int64_t fusion,
            const std::vector<std::pair<std::string, int64_t>> &integers, std::string_view result = "y") {
    ::onnx::NodeProto *node = addNode(graph(), op, inputs, {result});
    node->set_domain("com.microsoft");
    addAttribute(node, "activation_type", AttributeProto::STRING)->set_s(fusion ? "swiglu" : "silu");
    for (const auto &[name, value] : integers)
      addAttribute(node, name, AttributeProto::INT)->set_i(value);
    declare(graph()->add_output(), result);
  }

  absl::StatusOr<Model> read() {
    image_ = proto_.SerializeAsString();
    return readModel(asBytes(image_), "test.onnx");
  }

private:
  ::onnx::GraphProto *graph() { return proto_.mutable_graph(); }

  ::onnx::ModelProto proto_;
  std::string image_;
  std::minstd_rand random_{7};
};

std::vector<double> result(const Model &model) {
  absl::StatusOr<std::vector<Tensor>> outputs = Evaluator(model).run({});
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs.ok() ? outputs->front().reals() : std::vector<double>();
}

/// What the computed part has of all experts in one role.
std::vector<float> decoded(const Model &model, const ComputedPart &part, ExpertMatrix::Role role) {
  std::vector<float> values;
  for (int64_t expert = 0; expert < kExperts; ++expert) {
    const ComputedPart::Matrix *found = part.find(model.graph.nodes.front(), role, expert);
    if (!found) {
      ADD_FAILURE() << "no matrix of role " << role << ", expert " << expert;
      return {};
    }
    const BlockMatrix &m = found->matrix;
    std::vector<uint8_t> bytes(m.bytes());
    EXPECT_TRUE(part.read(found->offset, bytes).ok());
    values.resize(values.size() + m.rows * m.columns);
    dequantizeRow(*m.format, bytes.data(), m.rows * m.columns,
                  values.data() + values.size() - m.rows * m.columns);
  }
  return values;
}

class ExpertMatrices : public testing::TestWithParam<Case> {};

/// A QMoE, and the MoE of its matrices as they are encoded for kernels.
TEST_P(ExpertMatrices, GiveWhatTheMixtureGives) {
  const Case &c = GetParam();
  ModelWriter writer, plain;
  writer.matrix("first", c, c.fusion ? 2 * kInner : kInner, kWidth);
  writer.matrix("second", c, kWidth, kInner);
  writer.matrix("third", c, kInner, kWidth);
  bool third = c.fusion == 0;
  auto zeros = [&](std::string_view name) { return c.zeros ? name : std::string_view(); };
  writer.node(
      "QMoE",
      {"x", "router", "first", "first.scales", "", "second", "second.scales", "", third ? "third" : "",
       third ? "third.scales" : "", "", zeros("first.zeros"), zeros("second.zeros"),
       third ? zeros("third.zeros") : ""},
      c.fusion,
      {{"k", 2}, {"swiglu_fusion", c.fusion}, {"expert_weight_bits", c.bits}, {"block_size", c.block}});
  absl::StatusOr<Model> model = writer.read();
  ASSERT_TRUE(model.ok()) << model.status();
  ComputedPart part(*model);
  plain.reals("first", {kExperts, kInner, kWidth}, decoded(*model, part, ExpertMatrix::Gate));
  plain.reals("second", {kExperts, kWidth, kInner}, decoded(*model, part, ExpertMatrix::Down));
  plain.reals("third", {kExperts, kInner, kWidth}, decoded(*model, part, ExpertMatrix::Up));
  plain.node("MoE", {"x", "router", "first", "", "second", "", "third"}, 0, {{"k", 2}});
  absl::StatusOr<Model> expected = plain.read();
  ASSERT_TRUE(expected.ok()) << expected.status();
  std::vector<double> y = result(*model), want = result(*expected);
  ASSERT_EQ(y.size(), want.size());
  for (size_t i = 0; i < y.size(); ++i)
    ASSERT_NEAR(y[i], want[i], 1e-5 * (1 + std::abs(want[i]))) << i;
}

/// One tensor is the gate of one mixture, and gate and up of another.
TEST(ExpertMatrices, ShareNoPlaceUnlessTheyAreTheSame) {
  const Case c{4, 32, 0, false};
  ModelWriter writer;
  writer.matrix("first", c, 2 * kInner, kWidth);
  writer.matrix("third", c, 2 * kInner, kWidth);
  writer.matrix("wide", c, kWidth, 2 * kInner);
  writer.matrix("narrow", c, kWidth, kInner);
  auto attributes = [](int64_t fusion) {
    return std::vector<std::pair<std::string, int64_t>>{
        {"k", 1}, {"swiglu_fusion", fusion}, {"expert_weight_bits", 4}, {"block_size", 32}};
  };
  writer.node(
      "QMoE",
      {"x", "router", "first", "first.scales", "", "wide", "wide.scales", "", "third", "third.scales"}, 0,
      attributes(0));
  writer.node("QMoE", {"x", "router", "first", "first.scales", "", "narrow", "narrow.scales"}, 2,
              attributes(2), "z");
  absl::StatusOr<Model> model = writer.read();
  ASSERT_TRUE(model.ok()) << model.status();
  ComputedPart part(*model);
  auto of = [&](size_t node, ExpertMatrix::Role role) {
    return part.find(model->graph.nodes[node], role, /*expert=*/1);
  };
  const ComputedPart::Matrix *whole = of(0, ExpertMatrix::Gate), *gate = of(1, ExpertMatrix::Gate),
                             *up = of(1, ExpertMatrix::Up);
  ASSERT_TRUE(whole && gate && up);
  EXPECT_EQ(whole->matrix.rows, 2 * kInner);
  ASSERT_EQ(gate->matrix.rows, kInner);
  ASSERT_EQ(up->matrix.rows, kInner);
  auto bytes = [&](const ComputedPart::Matrix &matrix) {
    std::vector<uint8_t> read(matrix.matrix.bytes());
    EXPECT_TRUE(part.read(matrix.offset, read).ok());
    return read;
  };
  std::vector<uint8_t> halves = bytes(*gate), second = bytes(*up);
  halves.insert(halves.end(), second.begin(), second.end());
  EXPECT_EQ(halves, bytes(*whole));
}

INSTANTIATE_TEST_SUITE_P(Forms, ExpertMatrices,
                         testing::Values(Case{4, 32, 0, false}, Case{4, 32, 0, true}, Case{4, 0, 0, true},
                                         Case{8, 32, 1, false}, Case{4, 32, 1, true}, Case{4, 0, 1, true},
                                         Case{2, 0, 1, true}, Case{8, 32, 2, true}, Case{4, 0, 2, true},
                                         Case{2, 32, 2, false}));

} // namespace
} // namespace lamina::onnx
