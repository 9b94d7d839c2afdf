//===- KernelData.cpp - activations and weights for kernels -------------------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include "dialects/LM/IR/LM.h"
#include "runtime/base/Float16.h"

#include "mlir/AsmParser/AsmParser.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

using namespace lamina;
using namespace lamina::test;

namespace {

void setField(const BitField &field, unsigned index, uint8_t *block, uint32_t value) {
  for (unsigned p = 0; p < field.numPieces; ++p)
    for (unsigned bit = 0; bit < field.pieces[p].width; ++bit) {
      unsigned address = field.pieces[p].address(index) + bit;
      uint8_t mask = uint8_t(1u << address % 8);
      bool set = value >> (field.pieces[p].shift + bit) & 1;
      block[address / 8] = uint8_t(set ? block[address / 8] | mask : block[address / 8] & ~mask);
    }
}

uint32_t randomScale(Random &random, ScaleKind kind) {
  float value = std::uniform_real_distribution<float>(0.001f, 0.02f)(random) * (random() % 2 ? 1.0f : -1.0f);
  switch (kind) {
  case ScaleKind::F16:
    return floatToHalf(value);
  case ScaleKind::F32:
    return std::bit_cast<uint32_t>(value);
  case ScaleKind::E8M0Half:
    return random() % 40 == 0 ? random() % 3 : 118 + random() % 6;
  default:
    return random() % 128;
  }
}

void randomPlain(Random &random, const BlockFormat &format, std::vector<uint8_t> &bytes) {
  std::normal_distribution<float> normal(0, 0.05f);
  for (size_t i = 0; i < bytes.size(); i += format.bytes) {
    float value = normal(random);
    double wide = value;
    uint16_t half = format.type == TensorType::F16 ? floatToHalf(value) : floatToBfloat16(value);
    int64_t integer = int64_t(random() % 200) - 100;
    switch (format.type) {
    case TensorType::F32:
      std::memcpy(&bytes[i], &value, 4);
      break;
    case TensorType::F64:
      std::memcpy(&bytes[i], &wide, 8);
      break;
    case TensorType::F16:
    case TensorType::BF16:
      std::memcpy(&bytes[i], &half, 2);
      break;
    default:
      std::memcpy(&bytes[i], &integer, format.bytes);
    }
  }
}

} // namespace

Rows::Rows(int64_t rows, int64_t width)
    : rows(rows), width(width), stride((width + 15) / 16 * 16),
      data(rows * stride, std::numeric_limits<float>::quiet_NaN()) {}

std::vector<float> Rows::unpadded() const {
  std::vector<float> result;
  for (int64_t r = 0; r < rows; ++r)
    result.insert(result.end(), row(r), row(r) + width);
  return result;
}

bool Rows::paddingIsZero() const {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = width; i < stride; ++i)
      if (row(r)[i] != 0.0f)
        return false;
  return true;
}

Rows test::randomRows(Random &random, int64_t rows, int64_t width, float scale) {
  Rows result(rows, width);
  std::normal_distribution<float> normal(0, scale);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < result.stride; ++i)
      result.row(r)[i] = i < width ? normal(random) : 0.0f;
  return result;
}

QuantizedRows::QuantizedRows(int64_t rows, int64_t width)
    : rows(rows), width(width), blocks(rows * width / LAMINA_QUANTIZED_BLOCK_ELEMENTS) {}

double QuantizedRows::at(int64_t r, int64_t k) const {
  const LaminaQuantizedBlock &block = row(r)[k / LAMINA_QUANTIZED_BLOCK_ELEMENTS];
  return double(block.codes[k % LAMINA_QUANTIZED_BLOCK_ELEMENTS]) * double(block.scale);
}

void QuantizedRows::finish() {
  for (LaminaQuantizedBlock &block : blocks) {
    int sums[3] = {};
    for (int i = 0; i < LAMINA_QUANTIZED_BLOCK_ELEMENTS; ++i)
      sums[i / 16] += block.codes[i];
    sums[2] = sums[0] + sums[1];
    for (int i = 0; i < 3; ++i) {
      block.negatedSums[i] = -sums[i];
      block.scaledSums[i] = block.scale * float(sums[i]);
    }
  }
}

QuantizedRows test::quantized(const Rows &rows) {
  QuantizedRows result(rows.rows, rows.width);
  for (int64_t r = 0; r < rows.rows; ++r)
    for (int64_t b = 0; b < rows.width / LAMINA_QUANTIZED_BLOCK_ELEMENTS; ++b) {
      const float *x = rows.row(r) + b * LAMINA_QUANTIZED_BLOCK_ELEMENTS;
      LaminaQuantizedBlock &block = result.row(r)[b];
      float largest = 0;
      for (int i = 0; i < LAMINA_QUANTIZED_BLOCK_ELEMENTS; ++i)
        largest = std::max(largest, std::fabs(x[i]));
      for (int i = 0; i < LAMINA_QUANTIZED_BLOCK_ELEMENTS; ++i)
        block.codes[i] = int8_t(largest == 0 ? 0 : std::nearbyint(x[i] * (127.0f / largest)));
      block.scale = largest / 127.0f;
    }
  result.finish();
  return result;
}

/// Gives random bytes scales that are finite, the f32 values and the packed bytes.
static Matrix finishMatrix(Random &random, const BlockFormat &format, int64_t rows, int64_t columns,
                           std::vector<uint8_t> bytes) {
  Matrix matrix{rows, columns, std::move(bytes), std::vector<float>(rows * columns), {}};
  for (uint8_t *block = matrix.bytes.data(); block < matrix.bytes.data() + matrix.bytes.size();
       block += format.bytes) {
    for (unsigned u = 0; u < format.numSuperBlocks(); ++u)
      setField(format.superScale, u, block, randomScale(random, format.superScaleKind));
    if (format.hasMins())
      setField(format.superMin, 0, block, randomScale(random, format.superMinKind));
  }
  dequantizeRow(format, matrix.bytes.data(), rows * columns, matrix.values.data());
  matrix.packed = pack(matrixType(format, rows, columns), format, matrix.bytes.data());
  return matrix;
}

Matrix test::randomMatrix(Random &random, const BlockFormat &format, int64_t rows, int64_t columns) {
  std::vector<uint8_t> bytes(format.bytesOf(rows * columns));
  if (format.isPlain())
    randomPlain(random, format, bytes);
  else
    for (uint8_t &byte : bytes)
      byte = uint8_t(random());
  return finishMatrix(random, format, rows, columns, std::move(bytes));
}

Matrix test::filledMatrix(Random &random, const BlockFormat &format, int64_t rows, int64_t columns,
                          const std::vector<uint8_t> &fill) {
  std::vector<uint8_t> bytes;
  for (int64_t row = 0; row < rows; ++row)
    bytes.insert(bytes.end(), format.bytesOf(columns), fill[row % fill.size()]);
  return finishMatrix(random, format, rows, columns, std::move(bytes));
}

/// Packs a weight whose tensor type is `type`.
static absl::Status packSource(const std::string &type, WeightSource source, unsigned threads,
                               llvm::function_ref<absl::Status(std::span<const uint8_t>)> sink) {
  mlir::MLIRContext context;
  context.loadDialect<lm::LMDialect>();
  source.type = llvm::cast<mlir::RankedTensorType>(mlir::parseType(type, &context));
  int64_t bytes = 0;
  absl::Status status = packWeight(source, threads, [&](std::span<const uint8_t> chunk) {
    bytes += int64_t(chunk.size());
    return sink(chunk);
  });
  if (status.ok())
    EXPECT_EQ(bytes, packedSize(source.type)) << type;
  return status;
}

static std::vector<uint8_t> packed(const std::string &type, WeightSource source, unsigned threads = 2) {
  std::vector<uint8_t> bytes;
  absl::Status status = packSource(type, std::move(source), threads, [&](std::span<const uint8_t> chunk) {
    bytes.insert(bytes.end(), chunk.begin(), chunk.end());
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  return bytes;
}

std::vector<uint8_t> test::pack(const std::string &type, const BlockFormat &format, const uint8_t *bytes,
                                int64_t ropeHeads, int64_t ropeLength, unsigned threads) {
  return packed(type, {{}, {{&format, bytes}}, ropeHeads, ropeLength}, threads);
}

std::vector<uint8_t> test::packTransposed(const std::string &type, const BlockFormat &format,
                                          const uint8_t *bytes, int64_t columnPitch) {
  return packed(type, {{}, {{&format, bytes}}, 0, 0, columnPitch});
}

std::vector<uint8_t> test::packParts(const std::string &type, const BlockFormat &format,
                                     const std::vector<uint8_t> &bytes, size_t parts) {
  std::vector<WeightBytes> shares;
  for (size_t i = 0; i < parts; ++i)
    shares.push_back({&format, bytes.data() + bytes.size() / parts * i});
  return packed(type, {{}, std::move(shares)});
}

absl::Status test::packInto(const std::string &type, const BlockFormat &format, const uint8_t *bytes,
                            llvm::function_ref<absl::Status(std::span<const uint8_t>)> sink) {
  return packSource(type, {{}, {{&format, bytes}}}, 2, sink);
}

std::vector<float> test::padded(const std::vector<float> &vector) {
  std::vector<float> result(vector);
  result.resize((vector.size() + 15) / 16 * 16, 0.0f);
  return result;
}

double test::relativeError(const std::vector<double> &expected, const std::vector<float> &actual) {
  EXPECT_EQ(expected.size(), actual.size());
  double difference = 0, norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += (expected[i] - actual[i]) * (expected[i] - actual[i]);
    norm += expected[i] * expected[i];
  }
  return std::sqrt(difference / norm);
}

std::string test::lowerName(const BlockFormat &format) {
  std::string name(format.name);
  for (char &c : name)
    c = char(std::tolower(c));
  return name;
}

std::string test::matrixType(const BlockFormat &format, int64_t rows, int64_t columns) {
  return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) + "x!lm.block<" +
         lowerName(format) + ">>";
}

std::string test::linearText(const std::string &name, const BlockFormat &format, int64_t rows,
                             int64_t columns, const std::string &element) {
  std::string x = "tensor<?x" + std::to_string(columns) + "x" + element + ">",
              w = matrixType(format, rows, columns), y = "tensor<?x" + std::to_string(rows) + "xf32>";
  return "plan.kernel @" + name + " {\n^bb0(%x: " + x + ", %w: " + w + "):\n  %y = lm.linear %x, %w : (" + x +
         ", " + w + ") -> " + y + "\n  plan.yield %y : " + y + "\n}\n";
}

int64_t test::columnsFor(const BlockFormat &format) {
  return format.isPlain() ? 172 : 3 * std::max<int64_t>(format.elements, 32);
}
