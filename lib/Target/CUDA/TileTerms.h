//===- TileTerms.h - terms in the block's memory as a factor of tiles ----------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CUDA_TILETERMS_H
#define LAMINA_LIB_TARGET_CUDA_TILETERMS_H

#include "lib/Target/CUDA/HalfTerms.h"

namespace lamina {

/// The columns of tiles whose rows have numbers of 16 bits: f32 numbers as terms, 16 of a column at each depth.
class TileTerms : public HalfTerms {
public:
  static constexpr int64_t kColumns = 8;    ///< of a tile
  static constexpr int64_t kDepth = 16;     ///< numbers of a product of tiles
  static constexpr int64_t kSumsOfTile = 4; ///< that a lane has: two rows, two columns

  /// For `depths` products of `tiles` tiles side by side, of `number` F16 or BF16.
  TileTerms(DeviceBuilder &builder, PackedNumber number, int64_t depths, int64_t tiles);

  int64_t columns() const { return tiles_ * kColumns; }

  /// Stores the terms of two numbers as a word of a column: lane i of four has the words 2·i and 2·i + 1.
  void store(Value depth, Value column, Value word, Value first, Value second);
  /// Adds the products with `a`, what the lane has of a tile of rows, to sums of each tile: number 4·tile + 2·row +
  /// column.
  Values multiply(ValueRange a, Value depth, ValueRange sums);
  /// What a lane has of a tile where it loads words of two neighbouring rows, at four places along the depth.
  Values tileOf(Value first, Value second, Value third, Value fourth);

private:
  Value place(Value depth, int64_t term, Value column);

  DeviceBuilder &b_;
  int64_t tiles_;
  Value words_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_TILETERMS_H
