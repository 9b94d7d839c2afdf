//===- BlockMatrixTest.cpp - re-encoded matrices have the numbers that the evaluator says ---------------===//

#include "lib/Import/ONNX/BlockMatrix.h"

#include "lib/Import/ONNX/ComputedPart.h"
#include "lib/Import/ONNX/Evaluator.h"
#include "test/Import/ONNX/TinyModel.h"

#include <gtest/gtest.h>

#include <random>

namespace lamina::onnx {
namespace {

using ::onnx::AttributeProto;
using ::onnx::TensorProto;

constexpr int64_t kRows = 6, kColumns = 128;

struct Case {
  std::string op;
  int64_t bits, block;
  bool zeros;
  TensorProto::DataType scales;
  std::string format;
  int64_t axis = 0;      // DequantizeLinear: 0 or 1
  bool isSigned = false; // DequantizeLinear
  int64_t columns = kColumns;
};

std::string randomBytes(int64_t count) {
  static std::minstd_rand random(1);
  std::string bytes(count, '\0');
  for (char &byte : bytes)
    byte = static_cast<char>(random() >> 8);
  return bytes;
}

void addRandom(::onnx::GraphProto *graph, const std::string &name, ElementType type,
               std::vector<int64_t> dims) {
  TensorProto *tensor = addTensor(graph, name, static_cast<int32_t>(type), {});
  for (int64_t dim : dims)
    tensor->add_dims(dim);
  std::string bytes = randomBytes(static_cast<int64_t>(*tensorBytes(type, *countElements(dims))));
  // Scales are to be finite: clear a bit of the exponent.
  if (isReal(type))
    for (size_t i = elementBits(type) / 8 - 1; i < bytes.size(); i += elementBits(type) / 8)
      bytes[i] = static_cast<char>(bytes[i] & 0xBF);
  tensor->set_raw_data(bytes);
}

void addInteger(::onnx::NodeProto *node, std::string_view name, int64_t value) {
  addAttribute(node, name, AttributeProto::INT)->set_i(value);
}

ElementType codesOf(const Case &c) {
  return c.bits == 8   ? (c.isSigned ? ElementType::Int8 : ElementType::UInt8)
         : c.bits == 4 ? (c.isSigned ? ElementType::Int4 : ElementType::UInt4)
                       : (c.isSigned ? ElementType::Int2 : ElementType::UInt2);
}

/// A model of one node that holds a matrix and gives its transpose, or for a table the matrix.
::onnx::ModelProto modelOf(const Case &c) {
  ::onnx::ModelProto proto = emptyModel();
  proto.mutable_opset_import(0)->set_version(25);
  ::onnx::OperatorSetIdProto *contrib = proto.add_opset_import();
  contrib->set_domain("com.microsoft");
  contrib->set_version(1);
  ::onnx::GraphProto *graph = proto.mutable_graph();
  int64_t runs = (c.columns + c.block - 1) / c.block, lineBytes = (runs * c.bits + 7) / 8;
  auto scales = static_cast<ElementType>(c.scales);
  ::onnx::NodeProto *node = nullptr;
  if (c.op == "MatMulNBits") {
    TensorProto *identity = addTensor(graph, "x", TensorProto::FLOAT, {c.columns, c.columns});
    for (int64_t i = 0; i < c.columns * c.columns; ++i)
      identity->add_float_data(i % (c.columns + 1) == 0 ? 1.0f : 0.0f);
    addRandom(graph, "codes", ElementType::UInt8, {kRows, runs, c.block * c.bits / 8});
    addRandom(graph, "scales", scales, {kRows, runs});
    addRandom(graph, "zeros", ElementType::UInt8, {kRows * lineBytes});
    node = addNode(graph, c.op, {"x", "codes", "scales"}, {"y"});
    for (auto [name, value] :
         {std::pair("K", c.columns), {"N", kRows}, {"bits", c.bits}, {"block_size", c.block}})
      addInteger(node, name, value);
  } else if (c.op == "GatherBlockQuantized") {
    TensorProto *rows = addTensor(graph, "x", TensorProto::INT64, {kRows});
    for (int64_t i = 0; i < kRows; ++i)
      rows->add_int64_data(i);
    addRandom(graph, "codes", ElementType::UInt8, {kRows, c.columns * c.bits / 8});
    addRandom(graph, "scales", scales, {kRows, runs});
    addRandom(graph, "zeros", ElementType::UInt8, {kRows, lineBytes});
    node = addNode(graph, c.op, {"codes", "x", "scales"}, {"y"});
    for (auto [name, value] : {std::pair("bits", c.bits), {"block_size", c.block}})
      addInteger(node, name, value);
  } else {
    addRandom(graph, "codes", codesOf(c), {c.columns, kRows});
    std::vector<int64_t> dims{runs, kRows};
    if (c.axis == 1)
      dims = {kRows};
    addRandom(graph, "scales", scales, dims);
    addRandom(graph, "zeros", codesOf(c), dims);
    node = addNode(graph, c.op, {"codes", "scales"}, {"y"});
    addInteger(node, "axis", c.axis);
    addInteger(node, "block_size", c.axis == 1 ? 0 : c.block);
  }
  if (c.op != "DequantizeLinear")
    node->set_domain("com.microsoft");
  if (c.zeros)
    node->add_input("zeros");
  declare(graph->add_output(), "y");
  return proto;
}

class BlockMatrices : public testing::TestWithParam<Case> {};

TEST_P(BlockMatrices, HaveTheNumbersOfTheEvaluator) {
  const Case &c = GetParam();
  std::string image = modelOf(c).SerializeAsString();
  absl::StatusOr<Model> model = readModel(asBytes(image), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  absl::StatusOr<std::vector<Tensor>> outputs = Evaluator(*model).run({});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  const Tensor &y = outputs->front();
  ASSERT_TRUE(y.hasData());

  ComputedPart part(*model);
  const ComputedPart::Matrix *found = part.find(model->graph.nodes.front());
  ASSERT_NE(found, nullptr);
  const BlockMatrix &m = found->matrix;
  EXPECT_EQ(m.format->name, c.format);
  ASSERT_EQ(m.rows, kRows);
  ASSERT_EQ(m.columns, c.columns);
  std::vector<uint8_t> bytes(m.bytes());
  ASSERT_TRUE(part.read(found->offset, bytes).ok());
  std::vector<float> values(m.rows * m.columns);
  dequantizeRow(*m.format, bytes.data(), values.size(), values.data());
  bool table = c.op == "GatherBlockQuantized";
  for (int64_t row = 0; row < m.rows; ++row)
    for (int64_t column = 0; column < m.columns; ++column) {
      double want = y.real(table ? row * m.columns + column : column * m.rows + row);
      // The evaluator rounds to the type that it gives out.
      double allowed = y.type() == ElementType::Float ? 0 : std::abs(want) * 8e-3 + 1e-7;
      ASSERT_NEAR(values[row * m.columns + column], want, allowed) << row << ", " << column;
    }
  // A row of the middle by itself.
  std::vector<uint8_t> one(m.rowBytes());
  ASSERT_TRUE(part.read(found->offset + 2 * m.rowBytes(), one).ok());
  EXPECT_TRUE(std::equal(one.begin(), one.end(), bytes.begin() + static_cast<int64_t>(2 * m.rowBytes())));
  EXPECT_FALSE(part.read(found->offset + 1, one).ok());
}

constexpr auto kF32 = TensorProto::FLOAT, kF16 = TensorProto::FLOAT16, kBF16 = TensorProto::BFLOAT16;

INSTANTIATE_TEST_SUITE_P(Forms, BlockMatrices,
                         testing::Values(Case{"MatMulNBits", 4, 32, false, kF32, "Q4_F32"},
                                         Case{"MatMulNBits", 4, 128, true, kF32, "Q5_F32"},
                                         Case{"MatMulNBits", 8, 64, false, kF32, "Q8_F32"},
                                         Case{"MatMulNBits", 2, 32, false, kF32, "Q4_F32"},
                                         Case{"MatMulNBits", 2, 64, true, kF32, "Q4_F32"},
                                         Case{"MatMulNBits", 8, 32, true, kF32, "F32"},
                                         Case{"MatMulNBits", 4, 16, true, kF32, "F32"},
                                         Case{"MatMulNBits", 4, 32, false, kF32, "F32", 0, false, 40},
                                         Case{"MatMulNBits", 4, 256, true, kF32, "Q5_F32"},
                                         Case{"GatherBlockQuantized", 4, 32, true, kF16, "Q5_0"},
                                         Case{"GatherBlockQuantized", 8, 32, false, kF16, "Q8_0"},
                                         Case{"GatherBlockQuantized", 4, 64, false, kF32, "Q4_F32"},
                                         Case{"DequantizeLinear", 8, 32, false, kF16, "Q8_0", 0, true},
                                         Case{"DequantizeLinear", 4, 32, false, kF16, "Q4_0", 0, true},
                                         Case{"DequantizeLinear", 4, 64, true, kF32, "Q5_F32", 0, false},
                                         Case{"DequantizeLinear", 8, 32, false, kF32, "Q8_F32", 1, true},
                                         Case{"DequantizeLinear", 8, 32, true, kF32, "F32", 1, false},
                                         Case{"DequantizeLinear", 4, 32, false, kBF16, "Q5_F32", 1, false}));

TEST(BlockMatrices, EightBitZeroPointsInTheMiddleSayNothing) {
  ::onnx::ModelProto proto = modelOf({"MatMulNBits", 8, 32, true, kF32, ""});
  TensorProto &zeros = *proto.mutable_graph()->mutable_initializer(3);
  zeros.set_raw_data(std::string(zeros.raw_data().size(), '\x80'));
  std::string image = proto.SerializeAsString();
  absl::StatusOr<Model> model = readModel(asBytes(image), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  std::optional<BlockMatrix> matrix = blockMatrixOf(*model, model->graph.nodes.front());
  ASSERT_TRUE(matrix);
  EXPECT_EQ(matrix->format->name, "Q8_F32");
}

TEST(BlockMatrices, TensorsThatAreTooSmallAreNoMatrix) {
  ::onnx::ModelProto proto = modelOf({"MatMulNBits", 4, 32, false, kF32, ""});
  for (auto &attribute : *proto.mutable_graph()->mutable_node(0)->mutable_attribute())
    if (attribute.name() == "N")
      attribute.set_i(kRows + 1);
  std::string image = proto.SerializeAsString();
  absl::StatusOr<Model> model = readModel(asBytes(image), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_FALSE(blockMatrixOf(*model, model->graph.nodes.front()));
}

} // namespace
} // namespace lamina::onnx
