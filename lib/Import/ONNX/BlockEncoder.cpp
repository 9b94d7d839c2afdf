//===- BlockEncoder.cpp - rows of matrices of few bits in blocks ----------------------------------------===//

#include "lib/Import/ONNX/BlockMatrix.h"
#include "runtime/base/Float16.h"

#include <algorithm>
#include <cstring>

namespace lamina::onnx {

namespace {
constexpr int64_t kBlock = BlockMatrix::kBlock;

/// Element `index` of numbers of so many bits, the first in the lowest ones.
int64_t codeAt(std::span<const uint8_t> bytes, int64_t index, unsigned bits, bool isSigned) {
  auto bit = static_cast<uint64_t>(index) * bits;
  int64_t code = bytes[bit / 8] >> (bit % 8) & ((1 << bits) - 1);
  return isSigned && code >> (bits - 1) ? code - (int64_t{1} << bits) : code;
}

/// A scale as f16 or f32 has it, whichever holds it.
uint32_t scaleBits(std::span<const uint8_t> bytes, int64_t index, ElementType type) {
  uint32_t bits = 0;
  unsigned size = elementBits(type) / 8;
  std::memcpy(&bits, bytes.data() + index * size, size);
  return type == ElementType::BFloat16 ? bits << 16 : bits;
}

/// 32 numbers in a block of the format.
void encodeBlock(TensorType type, uint32_t scale, const int16_t *values, uint8_t *out) {
  bool half = type == TensorType::Q4_0 || type == TensorType::Q5_0 || type == TensorType::Q8_0;
  std::memcpy(out, &scale, half ? 2 : 4);
  out += half ? 2 : 4;
  if (type == TensorType::Q8_0 || type == TensorType::Q8_F32) {
    for (int64_t i = 0; i < kBlock; ++i)
      out[i] = static_cast<uint8_t>(values[i]);
    return;
  }
  int offset = 8;
  if (type == TensorType::Q5_0 || type == TensorType::Q5_F32) {
    offset = 16;
    uint32_t high = 0;
    for (int64_t i = 0; i < kBlock; ++i)
      high |= static_cast<uint32_t>(values[i] + offset) >> 4 << i;
    std::memcpy(out, &high, 4);
    out += 4;
  }
  for (int64_t i = 0; i < kBlock / 2; ++i)
    out[i] =
        static_cast<uint8_t>(((values[i] + offset) & 15) | ((values[i + kBlock / 2] + offset) & 15) << 4);
}

/// Rows of a matrix as integers and scales, several at once, since some files hold columns.
class RowDecoder {
public:
  static absl::StatusOr<RowDecoder> create(const Model &model, const BlockMatrix &matrix) {
    RowDecoder decoder(matrix);
    LAMINA_ASSIGN_OR_RETURN(decoder.codes_, model.bytes(*matrix.codes.tensor));
    LAMINA_ASSIGN_OR_RETURN(decoder.scales_, model.bytes(*matrix.scales.tensor));
    if (matrix.zeros.tensor) {
      LAMINA_ASSIGN_OR_RETURN(decoder.zeros_, model.bytes(*matrix.zeros.tensor));
    }
    return decoder;
  }

  void decode(int64_t firstRow, int64_t count) {
    firstRow_ = firstRow;
    values_.resize(count * m_.columns);
    bool byColumn = m_.codes.row < m_.codes.column;
    int64_t outer = byColumn ? m_.columns : count, inner = byColumn ? count : m_.columns;
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t i = 0; i < inner; ++i) {
        int64_t row = byColumn ? i : o, column = byColumn ? o : i;
        values_[row * m_.columns + column] = static_cast<int16_t>(
            codeAt(codes_, m_.codes.first + (firstRow + row) * m_.codes.row + column * m_.codes.column,
                   m_.bits, m_.isSigned) -
            zero(firstRow + row, column));
      }
  }
  const int16_t *values(int64_t row, int64_t column) const {
    return values_.data() + (row - firstRow_) * m_.columns + column;
  }
  uint32_t scale(int64_t row, int64_t column) const {
    return scaleBits(scales_, m_.scales.first + row * m_.scales.row + column / m_.run * m_.scales.column,
                     m_.scales.tensor->type);
  }

private:
  explicit RowDecoder(const BlockMatrix &matrix) : m_(matrix) {}

  int64_t zero(int64_t row, int64_t column) const {
    return zeros_.empty()
               ? m_.middle
               : codeAt(zeros_, m_.zeros.first + row * m_.zeros.row + column / m_.run * m_.zeros.column,
                        m_.bits, m_.isSigned);
  }

  const BlockMatrix &m_;
  std::span<const uint8_t> codes_, scales_, zeros_;
  int64_t firstRow_ = 0;
  std::vector<int16_t> values_;
};

float scaleValue(uint32_t bits, ElementType type) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return type == ElementType::Float16 ? halfToFloat(static_cast<uint16_t>(bits)) : value;
}
} // namespace

absl::Status encodeRows(const Model &model, const BlockMatrix &m, int64_t firstRow, std::span<uint8_t> out) {
  constexpr int64_t kRowsAtOnce = 64;
  LAMINA_ASSIGN_OR_RETURN(RowDecoder decoder, RowDecoder::create(model, m));
  int64_t rows = static_cast<int64_t>(out.size() / m.rowBytes());
  for (int64_t row = 0; row < rows; ++row) {
    if (row % kRowsAtOnce == 0)
      decoder.decode(firstRow + row, std::min(kRowsAtOnce, rows - row));
    uint8_t *bytes = out.data() + row * m.rowBytes();
    for (int64_t column = 0; column < m.columns; column += m.format->elements) {
      const int16_t *values = decoder.values(firstRow + row, column);
      uint32_t scale = decoder.scale(firstRow + row, column);
      if (m.format->isPlain()) {
        float value = static_cast<float>(*values) * scaleValue(scale, m.scales.tensor->type);
        std::memcpy(bytes, &value, sizeof(value));
      } else {
        encodeBlock(m.format->type, scale, values, bytes);
      }
      bytes += m.format->bytes;
    }
  }
  return absl::OkStatus();
}

} // namespace lamina::onnx
