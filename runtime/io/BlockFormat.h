//===- BlockFormat.h - the tensor types of GGUF as data ---------------------------------------*- C++ -*-===//
//
// Each tensor type is described once, by a BlockFormat. The reference dequantiser, the weight packer and the
// kernel generators all derive from that description. Every quantised type has this meaning, for element e of
// a block, with j = e / subBlock and u = e / superBlock:
//
//     value(e)  = values[code(e)], or code(e) + valueOffset without a table    an int8
//     scale(j)  = superScale(u) * scaleFactor * subScale(j)               exact in f32
//     min(j)    = minSign * superMin * subMin(j)                          exact in f32; 0 if none
//     x(e)      = scale(j) * value(e) - min(j)
//
// subScale and subMin are small integers (1 where the type has none). In all types with mins the product
// scale(j) * value(e) is exact too, so a fused multiply-add gives the same bits as a product and a sum. The
// results equal ggml's reference to the last bit. Factors such as ggml's (0.5 + s) * 0.25 are written (2s +
// 1) * 0.125, so subScale stays an integer and scaleFactor a power of two; codebook types have codes into a
// table of at most 16 values with the sign (IQ2, IQ3) or the shift (IQ1, values times 8) as the top bit of
// the code.
//
// All data here is constant; all functions are pure and thread-safe.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_BLOCKFORMAT_H
#define LAMINA_RUNTIME_IO_BLOCKFORMAT_H

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace lamina {

/// GGUF's tensor type ids, of which 4, 5, 31-33 and 36-38 were removed from the format; and from 1000 types that
/// no GGUF file has: what weights of ONNX models are re-encoded as.
// clang-format off
enum class TensorType : uint32_t {
  F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q8_1 = 9,
  Q2_K = 10, Q3_K = 11, Q4_K = 12, Q5_K = 13, Q6_K = 14, Q8_K = 15,
  IQ2_XXS = 16, IQ2_XS = 17, IQ3_XXS = 18, IQ1_S = 19, IQ4_NL = 20, IQ3_S = 21, IQ2_S = 22, IQ4_XS = 23,
  I8 = 24, I16 = 25, I32 = 26, I64 = 27, F64 = 28, IQ1_M = 29, BF16 = 30,
  TQ1_0 = 34, TQ2_0 = 35, MXFP4 = 39, NVFP4 = 40, Q1_0 = 41, Q2_0 = 42,
  Q4_F32 = 1000, Q5_F32 = 1001, Q8_F32 = 1002,
};
// clang-format on

/// One digit of an index: `extent` values, `stride` bits apart.
struct BitDigit {
  uint16_t extent = 0;
  uint16_t stride = 0;
};

/// Some bits of each element of an indexed sequence. The index is split into digits, the fastest first; the
/// bits of index i lie at bit address base + sum(digit * stride), counted from bit 0 of byte 0 of the block,
/// little endian. `width` bits from there (at most 16) are the bits [shift, shift + width) of the element.
struct BitPiece {
  uint16_t base = 0;
  uint8_t width = 0;
  uint8_t shift = 0;
  std::array<BitDigit, 4> digits; ///< unused ones have extent 0

  constexpr unsigned address(unsigned index) const {
    unsigned result = base;
    for (const BitDigit &digit : digits) {
      if (digit.extent == 0)
        break;
      result += index % digit.extent * digit.stride;
      index /= digit.extent;
    }
    return result;
  }
};

/// An indexed sequence of unsigned integers in a block: element i is the OR of its pieces.
struct BitField {
  uint8_t numPieces = 0;
  std::array<BitPiece, 4> pieces;

  bool empty() const { return numPieces == 0; }
  uint32_t extract(const uint8_t *block, unsigned index) const;
};

/// How the bits of a super-scale or super-min become a float.
enum class ScaleKind : uint8_t {
  None, ///< absent
  F16,
  F32,
  E8M0Half,  ///< 8 bits, e8m0HalfToFloat
  UE4M3Half, ///< 8 bits, ue4m3HalfToFloat
};

/// How the codes of a block are stored.
enum class CodeLayout : uint8_t {
  Plain, ///< no blocks: the type's own numbers, one after another
  Bits,  ///< BlockFormat::code
  Grid,  ///< index into a codebook of small vectors, and a sign or shift bit
  Trits, ///< five (or four) base-3 digits in a byte
};

/// A codebook: entry i holds elementsPerEntry codes of bitsPerElement bits, the first in the lowest bits.
struct Codebook {
  std::span<const uint16_t> entries;
  uint8_t elementsPerEntry = 0;
  uint8_t bitsPerElement = 0;
};

/// Where the top bit of a codebook type's code comes from.
enum class GridBitRule : uint8_t {
  Direct,            ///< one bit, shared by gridBitSpan elements
  SevenBitsAndParity ///< seven bits for eight elements; the eighth makes the number of ones even
};

/// `bytes` bytes hold `trits` ternary digits each. Elements come digit by digit: digit 0 of every byte first.
/// Digit n of byte b is (((b * 3^n) mod 256) * 3) >> 8.
struct TritRun {
  uint8_t firstByte = 0;
  uint8_t bytes = 0;
  uint8_t trits = 0;
};

struct BlockFormat {
  TensorType type = TensorType::F32;
  std::string_view name; ///< "Q4_K"
  uint16_t elements = 1; ///< elements in a block
  uint16_t bytes = 0;    ///< bytes of a block
  CodeLayout layout = CodeLayout::Plain;

  // Codes.
  uint8_t codeBits = 0;           ///< codes are < 2^codeBits; 0 for plain types
  bool codeSigned = false;        ///< 8-bit codes in two's complement
  int8_t valueOffset = 0;         ///< value = code + valueOffset where `values` is empty
  std::span<const int8_t> values; ///< 2^codeBits entries (at most 16), or empty
  BitField code;                  ///< Bits: the code; Grid: the codebook index, indexed by group of elements
  Codebook codebook;              ///< Grid
  GridBitRule gridBitRule = GridBitRule::Direct;
  BitField gridBit; ///< Grid: indexed by e / gridBitSpan
  uint16_t gridBitSpan = 1;
  std::array<TritRun, 3> tritRuns; ///< Trits

  // Scales.
  uint16_t superBlock = 0; ///< elements under one super-scale
  uint16_t subBlock = 0;   ///< elements under one sub-scale; = superBlock where there are no sub-scales
  ScaleKind superScaleKind = ScaleKind::None;
  BitField superScale;           ///< indexed by e / superBlock
  BitField subScale;             ///< raw sub-scale, indexed by e / subBlock; empty: 1
  uint8_t subScaleBits = 0;      ///< bits of the raw sub-scale
  bool subScaleSigned = false;   ///< raw 8-bit sub-scales in two's complement
  int8_t subScaleMultiplier = 1; ///< subScale = raw * multiplier + offset
  int8_t subScaleOffset = 0;
  float scaleFactor = 1.0f; ///< a power of two

  // Mins.
  ScaleKind superMinKind = ScaleKind::None; ///< None: no mins
  BitField superMin;
  BitField subMin; ///< indexed by e / subBlock; empty: 1
  int8_t minSign = 1;

  bool isPlain() const { return layout == CodeLayout::Plain; }
  bool hasMins() const { return superMinKind != ScaleKind::None; }
  unsigned numSubBlocks() const { return subBlock ? elements / subBlock : 0; }
  unsigned numSuperBlocks() const { return superBlock ? elements / superBlock : 0; }
  /// What a code stands for.
  int valueOf(uint8_t codeOfElement) const {
    if (!values.empty())
      return values[codeOfElement];
    return (codeSigned ? static_cast<int8_t>(codeOfElement) : codeOfElement) + valueOffset;
  }
  /// Bytes of `count` elements; count must be a multiple of `elements`.
  uint64_t bytesOf(uint64_t count) const { return count / elements * bytes; }
};

/// The most a block has of each.
inline constexpr unsigned kMaxBlockElements = 256;
inline constexpr unsigned kMaxSubBlocks = 16;
inline constexpr unsigned kMaxSuperBlocks = 4;

/// One block taken apart; the formula is at the head of this file.
struct DecodedBlock {
  std::array<uint8_t, kMaxBlockElements> codes;         ///< code(e)
  std::array<int16_t, kMaxSubBlocks> subScales;         ///< subScale(j)
  std::array<int16_t, kMaxSubBlocks> subMins;           ///< subMin(j); 0 without mins
  std::array<uint32_t, kMaxSuperBlocks> superScaleBits; ///< as stored, in the encoding superScaleKind
  uint32_t superMinBits;                                ///< as stored, in the encoding superMinKind
  std::array<float, kMaxSuperBlocks> superScales;       ///< superScale(u)
  float superMin;                                       ///< without minSign; 0 without mins
  std::array<float, kMaxSubBlocks> scales;              ///< scale(j)
  std::array<float, kMaxSubBlocks> mins;                ///< min(j)
};

/// The format of a type, of a type id in a GGUF file, or of a name in any case ("Q4_K", "q4_k"); null if there is
/// none.
const BlockFormat *findBlockFormat(TensorType type);
const BlockFormat *findBlockFormat(uint32_t id);
const BlockFormat *findBlockFormat(std::string_view name);

/// All formats by ascending id.
std::span<const BlockFormat> allBlockFormats();

/// "Q4_0" and so on; "unknown" for a value that is no type.
std::string_view tensorTypeName(TensorType type);

/// The name that a removed type id once had; empty for ids that were never given out or are valid.
std::string_view removedTensorTypeName(uint32_t id);

/// Takes the block of `format.bytes` bytes apart. `format` must not be plain.
void decodeBlock(const BlockFormat &format, const uint8_t *block, DecodedBlock &out);

/// Converts `count` elements (a multiple of format.elements) to f32; src holds format.bytesOf(count) bytes
/// and needs no alignment. Plain types convert by value (I64 and F64 round to nearest).
void dequantizeRow(const BlockFormat &format, const uint8_t *src, uint64_t count, float *dst);

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_BLOCKFORMAT_H
