//===- BlockDecode.cpp - takes blocks apart as their description says ---------------------------------===//

#include "runtime/io/BlockFormat.h"

#include "runtime/base/Float16.h"

#include <bit>
#include <cstring>

namespace lamina {
namespace {

template <typename T> T load(const uint8_t *bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

uint32_t extractAt(const uint8_t *block, unsigned address, unsigned width) {
  // At most three bytes hold up to 16 bits; only those that do are read, because a block may end right there.
  const uint8_t *bytes = block + address / 8;
  unsigned bit = address % 8;
  uint32_t value = bytes[0];
  if (bit + width > 8)
    value |= static_cast<uint32_t>(bytes[1]) << 8;
  if (bit + width > 16)
    value |= static_cast<uint32_t>(bytes[2]) << 16;
  return (value >> bit) & ((1u << width) - 1);
}

/// One piece of every code. The fastest digit gives runs of elements at a constant distance, so that an
/// address is split into digits once per run; where the distance is a byte, which is nearly everywhere, the
/// compiler vectorises the run. Pieces of codes never cross a byte.
void decodePiece(const BitPiece &piece, unsigned elements, const uint8_t *block, uint8_t *codes) {
  unsigned mask = (1u << piece.width) - 1;
  unsigned run = piece.digits[0].extent, stride = piece.digits[0].stride;
  for (unsigned e = 0; e < elements; e += run) {
    unsigned address = piece.address(e);
    if (stride == 8) {
      const uint8_t *bytes = block + address / 8;
      unsigned bit = address % 8;
      for (unsigned k = 0; k < run; ++k)
        codes[e + k] |= static_cast<uint8_t>(((bytes[k] >> bit) & mask) << piece.shift);
      continue;
    }
    for (unsigned k = 0; k < run; ++k, address += stride)
      codes[e + k] |= static_cast<uint8_t>(((block[address / 8] >> (address % 8)) & mask) << piece.shift);
  }
}

void decodeBits(const BlockFormat &format, const uint8_t *block, uint8_t *codes) {
  std::memset(codes, 0, format.elements);
  for (unsigned p = 0; p < format.code.numPieces; ++p)
    decodePiece(format.code.pieces[p], format.elements, block, codes);
}

void decodeGrid(const BlockFormat &format, const uint8_t *block, uint8_t *codes) {
  const Codebook &book = format.codebook;
  unsigned mask = (1u << book.bitsPerElement) - 1;
  for (unsigned e = 0; e < format.elements; e += book.elementsPerEntry) {
    unsigned entry = book.entries[format.code.extract(block, e / book.elementsPerEntry)];
    for (unsigned k = 0; k < book.elementsPerEntry; ++k)
      codes[e + k] = static_cast<uint8_t>((entry >> (k * book.bitsPerElement)) & mask);
  }
  unsigned top = format.codeBits - 1u;
  if (format.gridBitSpan == 1) {
    BitPiece piece = format.gridBit.pieces[0];
    piece.shift = static_cast<uint8_t>(top);
    return decodePiece(piece, format.elements, block, codes);
  }
  bool parity = format.gridBitRule == GridBitRule::SevenBitsAndParity;
  for (unsigned e = 0; e < format.elements; e += format.gridBitSpan) {
    uint32_t field = format.gridBit.extract(block, e / format.gridBitSpan);
    if (parity)
      field |= static_cast<uint32_t>(std::popcount(field) & 1) << 7;
    for (unsigned k = 0; k < format.gridBitSpan; ++k)
      codes[e + k] |= static_cast<uint8_t>(((field >> (parity ? k : 0)) & 1) << top);
  }
}

void decodeTrits(const BlockFormat &format, const uint8_t *block, uint8_t *codes) {
  for (const TritRun &run : format.tritRuns) {
    uint8_t power = 1;
    for (unsigned n = 0; n < run.trits; ++n, power = static_cast<uint8_t>(power * 3))
      for (unsigned b = 0; b < run.bytes; ++b) {
        uint8_t digits = static_cast<uint8_t>(block[run.firstByte + b] * power);
        *codes++ = static_cast<uint8_t>((digits * 3) >> 8);
      }
  }
}

float decodeScale(ScaleKind kind, uint32_t bits) {
  switch (kind) {
  case ScaleKind::None:
    return 0.0f;
  case ScaleKind::F16:
    return halfToFloat(static_cast<uint16_t>(bits));
  case ScaleKind::F32:
    return std::bit_cast<float>(bits);
  case ScaleKind::E8M0Half:
    return e8m0HalfToFloat(static_cast<uint8_t>(bits));
  case ScaleKind::UE4M3Half:
    return ue4m3HalfToFloat(static_cast<uint8_t>(bits));
  }
  return 0.0f;
}

int rawSubScale(const BlockFormat &format, const uint8_t *block, unsigned index) {
  uint32_t raw = format.subScale.extract(block, index);
  return format.subScaleSigned ? static_cast<int8_t>(raw) : static_cast<int>(raw);
}

void decodeScales(const BlockFormat &format, const uint8_t *block, DecodedBlock &out) {
  for (unsigned u = 0; u < format.numSuperBlocks(); ++u) {
    out.superScaleBits[u] = format.superScale.extract(block, u);
    out.superScales[u] = decodeScale(format.superScaleKind, out.superScaleBits[u]);
  }
  out.superMinBits = format.superMin.empty() ? 0 : format.superMin.extract(block, 0);
  out.superMin = decodeScale(format.superMinKind, out.superMinBits);
  for (unsigned j = 0; j < format.numSubBlocks(); ++j) {
    float superScale = out.superScales[j * format.subBlock / format.superBlock];
    int subScale = 1;
    if (!format.subScale.empty())
      subScale = rawSubScale(format, block, j) * format.subScaleMultiplier + format.subScaleOffset;
    out.subScales[j] = static_cast<int16_t>(subScale);
    out.scales[j] = superScale * format.scaleFactor * static_cast<float>(subScale);
    int subMin = format.hasMins() ? 1 : 0;
    if (!format.subMin.empty())
      subMin = static_cast<int>(format.subMin.extract(block, j));
    out.subMins[j] = static_cast<int16_t>(subMin);
    out.mins[j] = static_cast<float>(format.minSign) * out.superMin * static_cast<float>(subMin);
  }
}

void dequantizePlain(TensorType type, const uint8_t *src, uint64_t count, float *dst) {
  auto convert = [&]<typename T>(T, auto toFloat) {
    for (uint64_t i = 0; i < count; ++i)
      dst[i] = toFloat(load<T>(src + i * sizeof(T)));
  };
  auto byValue = [](auto value) { return static_cast<float>(value); };
  switch (type) {
  case TensorType::F32:
    if (count)
      std::memcpy(dst, src, count * sizeof(float));
    return;
  case TensorType::F16:
    return convert(uint16_t(), halfToFloat);
  case TensorType::BF16:
    return convert(uint16_t(), bfloat16ToFloat);
  case TensorType::F64:
    return convert(double(), byValue);
  case TensorType::I8:
    return convert(int8_t(), byValue);
  case TensorType::I16:
    return convert(int16_t(), byValue);
  case TensorType::I32:
    return convert(int32_t(), byValue);
  case TensorType::I64:
    return convert(int64_t(), byValue);
  default:
    return;
  }
}

} // namespace

uint32_t BitField::extract(const uint8_t *block, unsigned index) const {
  uint32_t value = 0;
  for (unsigned p = 0; p < numPieces; ++p)
    value |= extractAt(block, pieces[p].address(index), pieces[p].width) << pieces[p].shift;
  return value;
}

void decodeBlock(const BlockFormat &format, const uint8_t *block, DecodedBlock &out) {
  switch (format.layout) {
  case CodeLayout::Plain:
    return;
  case CodeLayout::Bits:
    decodeBits(format, block, out.codes.data());
    break;
  case CodeLayout::Grid:
    decodeGrid(format, block, out.codes.data());
    break;
  case CodeLayout::Trits:
    decodeTrits(format, block, out.codes.data());
    break;
  }
  decodeScales(format, block, out);
}

void dequantizeRow(const BlockFormat &format, const uint8_t *src, uint64_t count, float *dst) {
  if (format.isPlain())
    return dequantizePlain(format.type, src, count, dst);
  std::array<float, 256> values;
  for (unsigned code = 0; code < 1u << format.codeBits; ++code)
    values[code] = static_cast<float>(format.valueOf(static_cast<uint8_t>(code)));
  DecodedBlock decoded;
  for (uint64_t done = 0; done < count;
       done += format.elements, src += format.bytes, dst += format.elements) {
    decodeBlock(format, src, decoded);
    for (unsigned j = 0; j < format.numSubBlocks(); ++j)
      for (unsigned e = j * format.subBlock; e < (j + 1u) * format.subBlock; ++e) {
        float product = decoded.scales[j] * values[decoded.codes[e]];
        dst[e] = format.hasMins() ? product - decoded.mins[j] : product;
      }
  }
}

} // namespace lamina
