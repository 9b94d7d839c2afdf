//===- BlockMatrix.cpp - which matrices of few bits nodes hold ------------------------------------------===//

#include "lib/Import/ONNX/BlockMatrix.h"

#include "lib/Import/ONNX/Attributes.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
constexpr int64_t kLargest = int64_t{1} << 30; // size, so that products of two do not overflow

const TensorConstant *constantOf(const Graph &graph, ValueId id) {
  auto found = graph.constants.find(id);
  return found == graph.constants.end() ? nullptr : &found->second;
}

bool isCodes(const TensorConstant &tensor) {
  ElementType type = tensor.type;
  bool matrix = tensor.dims.size() == 2 && tensor.dims[0] <= kLargest && tensor.dims[1] <= kLargest;
  return matrix && (type == ElementType::Int8 || type == ElementType::UInt8 || type == ElementType::Int4 ||
                    type == ElementType::UInt4 || type == ElementType::Int2 || type == ElementType::UInt2);
}

bool isScale(ElementType type) {
  return type == ElementType::Float || type == ElementType::Float16 || type == ElementType::BFloat16;
}

/// Whether each element that the matrix has lies in the tensor.
bool reaches(const Model &model, const BlockMatrix::Strided &strided, int64_t rows, int64_t columns,
             unsigned bits) {
  absl::StatusOr<std::span<const uint8_t>> bytes = model.bytes(*strided.tensor);
  std::optional<uint64_t> size = countElements(strided.tensor->dims);
  size = size ? tensorBytes(strided.tensor->type, *size) : size;
  if (!size || (bytes.ok() && bytes->size() != *size)) // of a missing file nothing is read
    return false;
  return static_cast<uint64_t>(strided.first + (rows - 1) * strided.row + (columns - 1) * strided.column) <
         *size * 8 / bits;
}

bool isSensible(const Model &model, const BlockMatrix &m) {
  if (m.rows < 1 || m.columns < 1 || m.run < 1 || m.rows > kLargest || m.columns > kLargest ||
      !isScale(m.scales.tensor->type) || !reaches(model, m.codes, m.rows, m.columns, m.bits))
    return false;
  int64_t runs = (m.columns + m.run - 1) / m.run;
  return reaches(model, m.scales, m.rows, runs, elementBits(m.scales.tensor->type)) &&
         (!m.zeros.tensor || reaches(model, m.zeros, m.rows, runs, m.bits));
}

/// Writers of eight bits give zero points also where all are in the middle.
bool allZerosAre(const Model &model, const BlockMatrix &m, int64_t middle) {
  absl::StatusOr<std::span<const uint8_t>> bytes = model.bytes(*m.zeros.tensor);
  return bytes.ok() && std::all_of(bytes->begin(), bytes->end(),
                                   [&](uint8_t byte) { return byte == static_cast<uint8_t>(middle); });
}

/// The narrowest format that has every code less every zero point.
const BlockFormat *formatOf(const BlockMatrix &m) {
  int64_t codes = int64_t{1} << m.bits, first = m.isSigned ? -codes / 2 : 0;
  int64_t least = first - m.middle, most = least + codes - 1;
  if (m.zeros.tensor)
    least = 1 - codes, most = codes - 1;
  bool half = m.scales.tensor->type == ElementType::Float16;
  if (m.columns % m.kBlock != 0 || (m.run % m.kBlock != 0 && m.run < m.columns))
    return findBlockFormat(TensorType::F32);
  if (least >= -8 && most <= 7)
    return findBlockFormat(half ? TensorType::Q4_0 : TensorType::Q4_F32);
  if (least >= -16 && most <= 15)
    return findBlockFormat(half ? TensorType::Q5_0 : TensorType::Q5_F32);
  if (least >= -128 && most <= 127)
    return findBlockFormat(half ? TensorType::Q8_0 : TensorType::Q8_F32);
  return findBlockFormat(TensorType::F32);
}

std::optional<BlockMatrix> finished(const Model &model, BlockMatrix m) {
  m.name = m.codes.tensor->name;
  m.isSigned = m.codes.tensor->type == ElementType::Int8 || m.codes.tensor->type == ElementType::Int4 ||
               m.codes.tensor->type == ElementType::Int2;
  if (!isSensible(model, m))
    return std::nullopt;
  int64_t middle = m.isSigned ? 0 : int64_t{1} << (m.bits - 1);
  if (m.zeros.tensor && m.bits == 8 && allZerosAre(model, m, middle)) {
    m.zeros = {};
    m.middle = middle;
  }
  m.format = formatOf(m);
  return m;
}

std::optional<BlockMatrix> ofMatMulNBits(const Model &model, const Node &node) {
  BlockMatrix m{.rows = attributeOr(node, "N", int64_t{0}), .columns = attributeOr(node, "K", int64_t{0})};
  m.run = attributeOr(node, "block_size", int64_t{0});
  m.bits = static_cast<unsigned>(attributeOr(node, "bits", int64_t{4}));
  m.codes.tensor = constantOf(model.graph, node.input(1));
  m.scales.tensor = constantOf(model.graph, node.input(2));
  m.zeros.tensor = constantOf(model.graph, node.input(3));
  if (!m.codes.tensor || !m.scales.tensor || m.run < 1 || (m.bits != 2 && m.bits != 4 && m.bits != 8) ||
      m.codes.tensor->type != ElementType::UInt8 || (node.input(3) != kAbsent && !m.zeros.tensor) ||
      (m.zeros.tensor && m.zeros.tensor->type != ElementType::UInt8) || m.columns > kLargest ||
      m.run > kLargest)
    return std::nullopt;
  int64_t runs = (m.columns + m.run - 1) / m.run, perByte = 8 / m.bits;
  m.codes.row = runs * m.run, m.codes.column = 1;
  m.scales.row = runs, m.scales.column = 1;
  m.zeros.row = (runs + perByte - 1) / perByte * perByte, m.zeros.column = 1;
  m.middle = int64_t{1} << (m.bits - 1);
  return finished(model, m);
}

std::optional<BlockMatrix> ofGather(const Model &model, const Node &node) {
  BlockMatrix m;
  m.codes.tensor = constantOf(model.graph, node.input(0));
  m.scales.tensor = constantOf(model.graph, node.input(2));
  m.zeros.tensor = constantOf(model.graph, node.input(3));
  int64_t axis = attributeOr(node, "quantize_axis", int64_t{1});
  if (!m.codes.tensor || !m.scales.tensor || (node.input(3) != kAbsent && !m.zeros.tensor) ||
      !isCodes(*m.codes.tensor) || (axis != 1 && axis != -1) ||
      (m.zeros.tensor && m.zeros.tensor->type != m.codes.tensor->type))
    return std::nullopt;
  bool bytes = m.codes.tensor->type == ElementType::UInt8; // hold several codes each
  m.bits = bytes ? static_cast<unsigned>(attributeOr(node, "bits", int64_t{4}))
                 : elementBits(m.codes.tensor->type);
  if (m.bits != 2 && m.bits != 4 && m.bits != 8)
    return std::nullopt;
  int64_t perByte = bytes ? 8 / m.bits : 1;
  m.rows = m.codes.tensor->dims[0], m.columns = m.codes.tensor->dims[1] * perByte;
  m.run = attributeOr(node, "block_size", int64_t{128});
  if (m.run < 1 || m.run > kLargest)
    return std::nullopt;
  int64_t runs = m.columns / m.run + (m.columns % m.run != 0);
  m.codes.row = m.columns, m.codes.column = 1;
  m.scales.row = runs, m.scales.column = 1;
  m.zeros.row = (runs + perByte - 1) / perByte * perByte, m.zeros.column = 1;
  m.middle = bytes ? int64_t{1} << (m.bits - 1) : 0;
  return finished(model, m);
}

std::optional<BlockMatrix> ofDequantize(const Model &model, const Node &node, Orientation orientation) {
  BlockMatrix m;
  m.codes.tensor = constantOf(model.graph, node.input(0));
  m.scales.tensor = constantOf(model.graph, node.input(1));
  m.zeros.tensor = constantOf(model.graph, node.input(2));
  if (!m.codes.tensor || !m.scales.tensor || (node.input(2) != kAbsent && !m.zeros.tensor) ||
      !isCodes(*m.codes.tensor) || (m.zeros.tensor && m.zeros.tensor->type != m.codes.tensor->type))
    return std::nullopt;
  m.bits = elementBits(m.codes.tensor->type);
  const std::vector<int64_t> &dims = m.codes.tensor->dims;
  bool right = orientation == Orientation::RightSide;
  int64_t axis = attributeOr(node, "axis", int64_t{1}), block = attributeOr(node, "block_size", int64_t{0});
  axis += axis < 0 ? 2 : 0;
  m.rows = right ? dims[1] : dims[0], m.columns = right ? dims[0] : dims[1], m.run = m.columns;
  m.codes.row = right ? 1 : dims[1], m.codes.column = right ? dims[1] : 1;
  bool alongRows = axis == (right ? 1 : 0); // of the product's matrix: a scale for each row
  std::optional<uint64_t> scales = countElements(m.scales.tensor->dims);
  if (!scales || *scales == 0 || m.rows < 1 || m.columns < 1)
    return std::nullopt;
  if (*scales == 1) {
    // One for all.
  } else if (block <= 0) {
    m.scales = {m.scales.tensor, alongRows ? 1 : 0, alongRows ? 0 : 1};
    m.run = alongRows ? m.columns : 1;
  } else if (!alongRows) {
    m.run = block;
    int64_t runs = m.columns / block + (m.columns % block != 0);
    m.scales = {m.scales.tensor, right ? 1 : runs, right ? dims[1] : 1};
  } else {
    return std::nullopt; // rows that share scales
  }
  m.zeros.row = m.scales.row, m.zeros.column = m.scales.column;
  return finished(model, m);
}
} // namespace

ExpertMatrix expertMatrix(const Graph &graph, const Node &node, ExpertMatrix::Role role) {
  auto matrix = [&](const ExpertInputs &inputs) {
    const TensorConstant *tensor = constantOf(graph, node.input(inputs.weights));
    return ExpertMatrix{inputs, tensor && tensor->dims.size() == 3 ? tensor->dims[1] : 0};
  };
  auto [first, second, third] = expertInputs(node);
  if (role == ExpertMatrix::Down)
    return matrix(second);
  // Gate and up in one tensor: in turn, or one behind the other.
  int64_t fusion = attributeOr(node, "activation_type", std::string()) == "swiglu"
                       ? attributeOr(node, "swiglu_fusion", int64_t{0})
                       : 0;
  if (fusion == 0)
    return matrix(role == ExpertMatrix::Gate ? first : third);
  ExpertMatrix half = matrix(first);
  half.rows /= 2;
  half.step = fusion == 1 ? 2 : 1;
  half.first = role == ExpertMatrix::Gate ? 0 : fusion == 1 ? 1 : half.rows;
  return half;
}

std::optional<BlockMatrix> blockMatrixOfExpert(const Model &model, const Node &node, ExpertMatrix::Role role,
                                               int64_t expert) {
  ExpertMatrix from = expertMatrix(model.graph, node, role);
  BlockMatrix m{.rows = from.rows};
  m.codes.tensor = constantOf(model.graph, node.input(from.weights));
  m.scales.tensor = constantOf(model.graph, node.input(from.scales));
  m.zeros.tensor = constantOf(model.graph, node.input(from.zeros));
  m.bits = static_cast<unsigned>(attributeOr(node, "expert_weight_bits", int64_t{4}));
  if (!m.codes.tensor || !m.scales.tensor || (node.input(from.zeros) != kAbsent && !m.zeros.tensor) ||
      m.codes.tensor->type != ElementType::UInt8 || m.codes.tensor->dims.size() != 3 ||
      (m.bits != 2 && m.bits != 4 && m.bits != 8) ||
      (m.zeros.tensor && m.zeros.tensor->type != ElementType::UInt8) ||
      expert >= ExpertMatrix::kMostExperts || m.codes.tensor->dims[1] > kLargest ||
      m.codes.tensor->dims[2] > kLargest / 4)
    return std::nullopt;
  int64_t perByte = 8 / m.bits, all = m.codes.tensor->dims[1],
          block = attributeOr(node, "block_size", int64_t{0});
  auto whole = [&](int64_t codes) { return (codes + perByte - 1) / perByte * perByte; };
  m.columns = m.codes.tensor->dims[2] * perByte;
  m.run = block > 0 ? block : m.columns;
  if (m.columns < 1 || m.run > kLargest || m.columns % m.run != 0 || all > kLargest / m.columns ||
      expert * all > kLargest)
    return std::nullopt;
  int64_t runs = m.columns / m.run;
  auto place = [&](BlockMatrix::Strided &strided, int64_t row) {
    strided.row = from.step * row, strided.column = 1, strided.first = (expert * all + from.first) * row;
  };
  place(m.codes, m.columns);
  place(m.scales, runs);
  place(m.zeros, whole(runs));
  if (runs == 1) // zero points of rows one behind the other
    m.zeros.row = from.step, m.zeros.first = expert * whole(all) + from.first;
  m.middle = int64_t{1} << (m.bits - 1);
  return finished(model, m);
}

bool holdsBlockMatrix(const Graph &graph, const Node &node) {
  const TensorConstant *codes = constantOf(graph, node.input(0));
  return node.op == "DequantizeLinear" && codes && isCodes(*codes);
}

std::optional<BlockMatrix> blockMatrixOf(const Model &model, const Node &node, Orientation orientation) {
  if (node.op == "MatMulNBits")
    return ofMatMulNBits(model, node);
  if (node.op == "GatherBlockQuantized")
    return ofGather(model, node);
  return node.op == "DequantizeLinear" ? ofDequantize(model, node, orientation) : std::nullopt;
}

} // namespace lamina::onnx
