//===- BlockFormat.cpp - the table of tensor types ----------------------------------------------------===//
//
// One entry per type, by ascending id. Byte positions follow the order of the fields in a block; `at(n)` is
// the bit address of byte n. The digits of a piece read from the fastest varying part of the element index to
// the slowest.
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/io/BlockFormat.h"

#include "runtime/base/StrCat.h"
#include "runtime/io/BlockCodebooks.h"

#include "absl/strings/match.h"

#include <initializer_list>

namespace lamina {
namespace {

constexpr uint16_t at(unsigned byte) { return static_cast<uint16_t>(8 * byte); }

BitPiece bits(unsigned base, unsigned width, unsigned shift, std::initializer_list<BitDigit> digits) {
  BitPiece piece;
  piece.base = static_cast<uint16_t>(base);
  piece.width = static_cast<uint8_t>(width);
  piece.shift = static_cast<uint8_t>(shift);
  unsigned i = 0;
  for (BitDigit digit : digits)
    piece.digits[i++] = digit;
  return piece;
}

BitField field(std::initializer_list<BitPiece> pieces) {
  BitField result;
  for (const BitPiece &piece : pieces)
    result.pieces[result.numPieces++] = piece;
  return result;
}

/// One little-endian 16-bit number at a byte; the way every f16 but IQ1_M's is stored.
BitField word(unsigned byte) { return field({bits(at(byte), 16, 0, {})}); }

// Value tables. E2M1 numbers are doubled, which their halved scales make up for.
constexpr int8_t kValuesIQ4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr int8_t kValuesE2M1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
constexpr int8_t kValuesSign[2] = {-1, 1};
// Magnitudes by codebook code, then the same with the sign bit set. Code 3 of the IQ1 and IQ2 codebooks is
// unused.
constexpr int8_t kValuesIQ2[8] = {8, 25, 43, 0, -8, -25, -43, 0};
constexpr int8_t kValuesIQ3XXS[16] = {4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62};
constexpr int8_t kValuesIQ3S[16] = {1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15};
// Eight times (-1, 0, 1) plus 1/8, and minus 1/8 with the shift bit set.
constexpr int8_t kValuesIQ1[8] = {-7, 1, 9, 0, -9, -1, 7, 0};

BlockFormat plain(TensorType type, std::string_view name, unsigned bytes) {
  BlockFormat f;
  f.type = type;
  f.name = name;
  f.bytes = static_cast<uint16_t>(bytes);
  return f;
}

/// A block with one f16 scale at byte `scale` (or none yet) and codes of `codeBits` bits.
BlockFormat block(TensorType type, std::string_view name, unsigned elements, unsigned bytes,
                  unsigned codeBits, unsigned scale) {
  BlockFormat f;
  f.type = type;
  f.name = name;
  f.elements = static_cast<uint16_t>(elements);
  f.bytes = static_cast<uint16_t>(bytes);
  f.layout = CodeLayout::Bits;
  f.codeBits = static_cast<uint8_t>(codeBits);
  f.superBlock = f.subBlock = f.elements;
  f.superScaleKind = ScaleKind::F16;
  f.superScale = word(scale);
  return f;
}

/// Nibbles of 16 bytes: the low ones are elements 0-15, the high ones 16-31.
BitPiece nibbles32(unsigned byte) { return bits(at(byte), 4, 0, {{16, 8}, {2, 4}}); }

BlockFormat simple32(TensorType type, std::string_view name, unsigned bytes, unsigned codeByte, int offset) {
  BlockFormat f = block(type, name, 32, bytes, 4, 0);
  f.code = field({nibbles32(codeByte)});
  f.valueOffset = static_cast<int8_t>(offset);
  return f;
}

BlockFormat simple32Fifth(TensorType type, std::string_view name, unsigned bytes, unsigned highByte,
                          int offset) {
  BlockFormat f = block(type, name, 32, bytes, 5, 0);
  f.code = field({nibbles32(highByte + 4), bits(at(highByte), 1, 4, {{32, 1}})});
  f.valueOffset = static_cast<int8_t>(offset);
  return f;
}

/// Q4_1 and Q5_1 add their min, which is stored like the scale.
BlockFormat withAddedMin(BlockFormat f) {
  f.superMinKind = ScaleKind::F16;
  f.superMin = word(2);
  f.minSign = -1;
  return f;
}

BlockFormat bytes8(TensorType type, std::string_view name, unsigned elements, unsigned bytes,
                   unsigned codeByte) {
  BlockFormat f = block(type, name, elements, bytes, 8, 0);
  f.code = field({bits(at(codeByte), 8, 0, {{static_cast<uint16_t>(elements), 8}})});
  f.codeSigned = true;
  return f;
}

/// The scale is an f32 in the first four bytes.
BlockFormat withF32Scale(BlockFormat f) {
  f.superScaleKind = ScaleKind::F32;
  f.superScale = field({bits(0, 16, 0, {}), bits(16, 16, 16, {})});
  return f;
}

/// 32 bytes hold four runs of 32 elements, run n in bit pair n.
BitPiece pairs128(unsigned byte) { return bits(at(byte), 2, 0, {{32, 8}, {4, 2}, {2, 256}}); }

BlockFormat q2k() {
  BlockFormat f = block(TensorType::Q2_K, "Q2_K", 256, 84, 2, 80);
  f.code = field({pairs128(16)});
  f.subBlock = 16;
  f.subScale = field({bits(0, 4, 0, {{16, 8}})});
  f.subScaleBits = 4;
  f.superMinKind = ScaleKind::F16;
  f.superMin = word(82);
  f.subMin = field({bits(4, 4, 0, {{16, 8}})});
  return f;
}

BlockFormat q3k() {
  BlockFormat f = block(TensorType::Q3_K, "Q3_K", 256, 110, 3, 108);
  f.code = field({pairs128(32), bits(0, 1, 2, {{32, 8}, {8, 1}})});
  f.valueOffset = -4;
  f.subBlock = 16;
  f.subScale = field({bits(at(96), 4, 0, {{4, 8}, {2, 32}, {2, 4}}), bits(at(104), 2, 4, {{4, 8}, {4, 2}})});
  f.subScaleBits = 6;
  f.subScaleOffset = -32;
  return f;
}

/// Q4_K and Q5_K: eight 6-bit scales and mins in 12 bytes from byte 4. The first four of each are the low six
/// bits of a byte; the others take their low nibble from the last four bytes and their upper two bits from
/// what is left.
BlockFormat withKScales(BlockFormat f) {
  f.subBlock = 32;
  f.subScale = field({bits(at(4), 4, 0, {{4, 8}, {2, 64}}), bits(at(4) + 4, 2, 4, {{4, 8}, {2, 2}})});
  f.subScaleBits = 6;
  f.superMinKind = ScaleKind::F16;
  f.superMin = word(2);
  f.subMin = field({bits(at(8), 4, 0, {{4, 8}, {2, 36}}), bits(at(8) + 4, 2, 4, {{4, 8}, {2, 2}})});
  return f;
}

BlockFormat q4k() {
  BlockFormat f = block(TensorType::Q4_K, "Q4_K", 256, 144, 4, 0);
  f.code = field({bits(at(16), 4, 0, {{32, 8}, {2, 4}, {4, 256}})});
  return withKScales(f);
}

BlockFormat q5k() {
  BlockFormat f = block(TensorType::Q5_K, "Q5_K", 256, 176, 5, 0);
  f.code = field({bits(at(48), 4, 0, {{32, 8}, {2, 4}, {4, 256}}), bits(at(16), 1, 4, {{32, 8}, {8, 1}})});
  return withKScales(f);
}

BlockFormat q6k() {
  BlockFormat f = block(TensorType::Q6_K, "Q6_K", 256, 210, 6, 208);
  f.code = field({bits(at(0), 4, 0, {{32, 8}, {2, 256}, {2, 4}, {2, 512}}),
                  bits(at(128), 2, 4, {{32, 8}, {4, 2}, {2, 256}})});
  f.valueOffset = -32;
  f.subBlock = 16;
  f.subScale = field({bits(at(192), 8, 0, {{16, 8}})});
  f.subScaleBits = 8;
  f.subScaleSigned = true;
  return f;
}

BlockFormat iq4nl() {
  BlockFormat f = simple32(TensorType::IQ4_NL, "IQ4_NL", 18, 2, 0);
  f.values = kValuesIQ4;
  return f;
}

BlockFormat iq4xs() {
  BlockFormat f = block(TensorType::IQ4_XS, "IQ4_XS", 256, 136, 4, 0);
  f.code = field({bits(at(8), 4, 0, {{16, 8}, {2, 4}, {8, 128}})});
  f.values = kValuesIQ4;
  f.subBlock = 32;
  f.subScale = field({bits(at(4), 4, 0, {{8, 4}}), bits(at(2), 2, 4, {{8, 2}})});
  f.subScaleBits = 6;
  f.subScaleOffset = -32;
  return f;
}

BlockFormat mxfp4() {
  BlockFormat f = simple32(TensorType::MXFP4, "MXFP4", 17, 1, 0);
  f.values = kValuesE2M1;
  f.superScaleKind = ScaleKind::E8M0Half;
  f.superScale = field({bits(0, 8, 0, {})});
  return f;
}

BlockFormat nvfp4() {
  BlockFormat f = block(TensorType::NVFP4, "NVFP4", 64, 36, 4, 0);
  f.code = field({bits(at(4), 4, 0, {{8, 8}, {2, 4}, {4, 64}})});
  f.values = kValuesE2M1;
  f.superBlock = f.subBlock = 16;
  f.superScaleKind = ScaleKind::UE4M3Half;
  f.superScale = field({bits(0, 8, 0, {{4, 8}})});
  return f;
}

BlockFormat q1() {
  BlockFormat f = block(TensorType::Q1_0, "Q1_0", 128, 18, 1, 0);
  f.code = field({bits(at(2), 1, 0, {{128, 1}})});
  f.values = kValuesSign;
  return f;
}

BlockFormat q2() {
  BlockFormat f = block(TensorType::Q2_0, "Q2_0", 64, 18, 2, 0);
  f.code = field({bits(at(2), 2, 0, {{64, 2}})});
  f.valueOffset = -1;
  return f;
}

BlockFormat tq1() {
  BlockFormat f = block(TensorType::TQ1_0, "TQ1_0", 256, 54, 2, 52);
  f.layout = CodeLayout::Trits;
  f.tritRuns = {TritRun{0, 32, 5}, TritRun{32, 16, 5}, TritRun{48, 4, 4}};
  f.valueOffset = -1;
  return f;
}

BlockFormat tq2() {
  BlockFormat f = block(TensorType::TQ2_0, "TQ2_0", 256, 66, 2, 64);
  f.code = field({pairs128(0)});
  f.valueOffset = -1;
  return f;
}

// Codebook types. Their sub-scales s count as 2s + 1, and scaleFactor holds what is left of ggml's factors.

BlockFormat grid(TensorType type, std::string_view name, unsigned bytes, Codebook codebook,
                 std::span<const int8_t> values, float scaleFactor) {
  BlockFormat f = block(type, name, 256, bytes, codebook.bitsPerElement == 2 ? 3 : 4, 0);
  f.layout = CodeLayout::Grid;
  f.codebook = codebook;
  f.values = values;
  f.subScaleMultiplier = 2;
  f.subScaleOffset = 1;
  f.scaleFactor = scaleFactor;
  return f;
}

BlockFormat withSubScales(BlockFormat f, unsigned subBlock, BitPiece piece) {
  f.subBlock = static_cast<uint16_t>(subBlock);
  f.subScale = field({piece});
  f.subScaleBits = piece.width;
  return f;
}

BlockFormat withGridBits(BlockFormat f, GridBitRule rule, unsigned span, BitPiece piece) {
  f.gridBitRule = rule;
  f.gridBitSpan = static_cast<uint16_t>(span);
  f.gridBit = field({piece});
  return f;
}

/// Sign of every element, one bit each from byte `byte`.
BlockFormat withSignBytes(BlockFormat f, unsigned byte) {
  return withGridBits(f, GridBitRule::Direct, 1, bits(at(byte), 1, 0, {{256, 1}}));
}

BlockFormat iq2xxs() {
  BlockFormat f = grid(TensorType::IQ2_XXS, "IQ2_XXS", 66, {kGridIQ2XXS, 8, 2}, kValuesIQ2, 0.125f);
  // Per 32 elements a u32 of four indices and a u32 of four sign groups and the scale.
  f.code = field({bits(at(2), 8, 0, {{4, 8}, {8, 64}})});
  f = withGridBits(f, GridBitRule::SevenBitsAndParity, 8, bits(at(6), 7, 0, {{4, 7}, {8, 64}}));
  return withSubScales(f, 32, bits(at(6) + 28, 4, 0, {{8, 64}}));
}

BlockFormat iq2xs() {
  BlockFormat f = grid(TensorType::IQ2_XS, "IQ2_XS", 74, {kGridIQ2XS, 8, 2}, kValuesIQ2, 0.125f);
  f.code = field({bits(at(2), 9, 0, {{32, 16}})});
  f = withGridBits(f, GridBitRule::SevenBitsAndParity, 8, bits(at(2) + 9, 7, 0, {{32, 16}}));
  return withSubScales(f, 16, bits(at(66), 4, 0, {{16, 4}}));
}

BlockFormat iq2s() {
  BlockFormat f = grid(TensorType::IQ2_S, "IQ2_S", 82, {kGridIQ2S, 8, 2}, kValuesIQ2, 0.125f);
  f.code = field({bits(at(2), 8, 0, {{32, 8}}), bits(at(66), 2, 8, {{32, 2}})});
  f = withSignBytes(f, 34);
  return withSubScales(f, 16, bits(at(74), 4, 0, {{16, 4}}));
}

BlockFormat iq3xxs() {
  BlockFormat f = grid(TensorType::IQ3_XXS, "IQ3_XXS", 98, {kGridIQ3XXS, 4, 4}, kValuesIQ3XXS, 0.25f);
  f.code = field({bits(at(2), 8, 0, {{64, 8}})});
  f = withGridBits(f, GridBitRule::SevenBitsAndParity, 8, bits(at(66), 7, 0, {{4, 7}, {8, 32}}));
  return withSubScales(f, 32, bits(at(66) + 28, 4, 0, {{8, 32}}));
}

BlockFormat iq3s() {
  BlockFormat f = grid(TensorType::IQ3_S, "IQ3_S", 110, {kGridIQ3S, 4, 4}, kValuesIQ3S, 1.0f);
  f.code = field({bits(at(2), 8, 0, {{64, 8}}), bits(at(66), 1, 8, {{64, 1}})});
  f = withSignBytes(f, 74);
  return withSubScales(f, 32, bits(at(106), 4, 0, {{8, 4}}));
}

BlockFormat iq1s() {
  BlockFormat f = grid(TensorType::IQ1_S, "IQ1_S", 50, {kGridIQ1, 8, 2}, kValuesIQ1, 0.125f);
  // Per 32 elements a u16: four times three index bits, the scale, the shift.
  f.code = field({bits(at(2), 8, 0, {{32, 8}}), bits(at(34), 3, 8, {{4, 3}, {8, 16}})});
  f = withGridBits(f, GridBitRule::Direct, 32, bits(at(34) + 15, 1, 0, {{8, 16}}));
  return withSubScales(f, 32, bits(at(34) + 12, 3, 0, {{8, 16}}));
}

BlockFormat iq1m() {
  BlockFormat f = grid(TensorType::IQ1_M, "IQ1_M", 56, {kGridIQ1, 8, 2}, kValuesIQ1, 0.125f);
  f.code = field({bits(at(0), 8, 0, {{32, 8}}), bits(at(32), 3, 8, {{32, 4}})});
  f = withGridBits(f, GridBitRule::Direct, 8, bits(at(32) + 3, 1, 0, {{32, 4}}));
  // Four u16 with four 3-bit scales each; their top nibbles together are the f16 scale.
  f.superScale = field({bits(at(48) + 12, 4, 0, {}), bits(at(50) + 12, 4, 4, {}), bits(at(52) + 12, 4, 8, {}),
                        bits(at(54) + 12, 4, 12, {})});
  return withSubScales(f, 16, bits(at(48), 3, 0, {{4, 3}, {4, 16}}));
}

constexpr size_t kNumFormats = 38;

const std::array<BlockFormat, kNumFormats> &formats() {
  using T = TensorType;
  static const std::array<BlockFormat, kNumFormats> table = {
      plain(T::F32, "F32", 4),
      plain(T::F16, "F16", 2),
      simple32(T::Q4_0, "Q4_0", 18, 2, -8),
      withAddedMin(simple32(T::Q4_1, "Q4_1", 20, 4, 0)),
      simple32Fifth(T::Q5_0, "Q5_0", 22, 2, -16),
      withAddedMin(simple32Fifth(T::Q5_1, "Q5_1", 24, 4, 0)),
      bytes8(T::Q8_0, "Q8_0", 32, 34, 2),
      bytes8(T::Q8_1, "Q8_1", 32, 36, 4),
      q2k(),
      q3k(),
      q4k(),
      q5k(),
      q6k(),
      withF32Scale(bytes8(T::Q8_K, "Q8_K", 256, 292, 4)),
      iq2xxs(),
      iq2xs(),
      iq3xxs(),
      iq1s(),
      iq4nl(),
      iq3s(),
      iq2s(),
      iq4xs(),
      plain(T::I8, "I8", 1),
      plain(T::I16, "I16", 2),
      plain(T::I32, "I32", 4),
      plain(T::I64, "I64", 8),
      plain(T::F64, "F64", 8),
      iq1m(),
      plain(T::BF16, "BF16", 2),
      tq1(),
      tq2(),
      mxfp4(),
      nvfp4(),
      q1(),
      q2(),
      withF32Scale(simple32(T::Q4_F32, "Q4_F32", 20, 4, -8)),
      withF32Scale(simple32Fifth(T::Q5_F32, "Q5_F32", 24, 4, -16)),
      withF32Scale(bytes8(T::Q8_F32, "Q8_F32", 32, 36, 4)),
  };
  return table;
}

} // namespace

std::span<const BlockFormat> allBlockFormats() { return formats(); }

const BlockFormat *findBlockFormat(uint32_t id) {
  // Position of each id in the table, -1 for none.
  static const std::array<int8_t, 64> positions = [] {
    std::array<int8_t, 64> result;
    result.fill(-1);
    for (size_t i = 0; i < kNumFormats; ++i)
      if (auto id = static_cast<uint32_t>(formats()[i].type); id < result.size())
        result[id] = static_cast<int8_t>(i);
    return result;
  }();
  if (id >= positions.size() || positions[id] < 0)
    return nullptr;
  return &formats()[static_cast<size_t>(positions[id])];
}

const BlockFormat *findBlockFormat(TensorType type) {
  for (const BlockFormat &format : formats())
    if (format.type == type)
      return &format;
  return nullptr;
}

const BlockFormat *findBlockFormat(std::string_view name) {
  for (const BlockFormat &format : formats())
    if (absl::EqualsIgnoreCase(toAbsl(format.name), toAbsl(name)))
      return &format;
  return nullptr;
}

std::string_view tensorTypeName(TensorType type) {
  const BlockFormat *format = findBlockFormat(type);
  return format ? format->name : "unknown";
}

std::string_view removedTensorTypeName(uint32_t id) {
  switch (id) {
  case 4:
    return "Q4_2";
  case 5:
    return "Q4_3";
  case 31:
    return "Q4_0_4_4";
  case 32:
    return "Q4_0_4_8";
  case 33:
    return "Q4_0_8_8";
  case 36:
    return "IQ4_NL_4_4";
  case 37:
    return "IQ4_NL_4_8";
  case 38:
    return "IQ4_NL_8_8";
  default:
    return {};
  }
}

} // namespace lamina
