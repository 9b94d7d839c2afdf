//===- PackedLayout.h - where the bits of a packed weight lie -------------------------------*- C++ -*-===//
//
// Rows of a matrix are packed in groups of 16, so that lane i of a vector belongs to row 16·g + i; missing
// rows of the last group are zeros. A group holds its blocks along the row one after another. Within a block
// every field has 16 lanes side by side, in this order:
//
//   super-scales, super-min, sub-scales, sub-mins, codes
//
// Codes are cut into planes. A plane holds `width` (1, 2, 4 or 8) bits of each code in u32 words, one for each
// lane, that cover 32 / width elements: the bits of the word's element k lie at bit 8·(k mod 4) + width·(k
// div 4). Four consecutive elements thus come out as the bytes of a word by one shift and one mask. Words of
// all planes lie in the order of their first elements: memory is read in ascending order, and only then does
// hardware fetch ahead at its full speed. Plain formats hold 16 numbers for each element.
//
// All of this follows from runtime/io/BlockFormat.h; the packer and the kernels both read it from here. The
// description is docs/formats/packed-weights.md.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_KERNELS_PACKEDLAYOUT_H
#define LAMINA_LIB_TARGET_KERNELS_PACKEDLAYOUT_H

#include "runtime/io/BlockFormat.h"

#include <cstdint>
#include <vector>

namespace lamina {

/// Rows in a group, which is also the width of the kernels' vectors.
inline constexpr int64_t kPackedRows = 16;
/// Elements that one step of a kernel decodes; divides every block of a quantised format.
inline constexpr int64_t kPackedStep = 32;

/// How a field of 16 numbers is stored.
enum class PackedNumber : uint8_t {
  None,
  F32,
  F16,
  BF16,
  E8M0Half, ///< one byte, see Float16.h
  I8,
  U4Low,  ///< the low four bits of a byte that holds another field above
  U4High, ///< the upper four bits of a byte that the field before it occupies
  F8E4M3, ///< one byte, see Float16.h; only in caches
};

/// `width` bits of each code, from bit `shift` of the code.
struct PackedPlane {
  unsigned width;
  unsigned shift;
  std::vector<int64_t> words; ///< in a step: where the words of its elements lie
};

/// One number for each lane, for each part of a block.
struct PackedField {
  PackedNumber number = PackedNumber::None;
  int64_t offset = 0;   ///< in the block
  int64_t elements = 0; ///< elements that one entry serves
};

struct PackedLayout {
  const BlockFormat *format = nullptr; ///< of quantised codes; plain formats too
  bool plain = false;
  PackedNumber plainNumber = PackedNumber::None; ///< F32, F16 or BF16; other plain formats are stored as F32
  int64_t blockElements = 0;
  int64_t blockBytes = 0; ///< of a block of 16 rows
  PackedField superScale, superMin, subScale, subMin;
  int64_t codes = 0;     ///< in the block: where the first step's words lie
  int64_t stepBytes = 0; ///< of a step's words
  std::vector<PackedPlane> planes;

  /// Bytes of the 16 rows of a group, each of `rowLength` elements.
  int64_t groupBytes(int64_t rowLength) const { return rowLength / blockElements * blockBytes; }
  /// Bytes of a matrix.
  int64_t matrixBytes(int64_t rows, int64_t rowLength) const {
    return (rows + kPackedRows - 1) / kPackedRows * groupBytes(rowLength);
  }
};

/// The layout of a block format.
PackedLayout packedLayout(const BlockFormat &format);

/// Bytes that 16 numbers take; 0 for None and U4High.
int64_t packedNumberBytes(PackedNumber number);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_PACKEDLAYOUT_H
