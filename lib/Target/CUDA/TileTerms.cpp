//===- TileTerms.cpp - terms in the block's memory as a factor of tiles -------------------------------===//

#include "lib/Target/CUDA/TileTerms.h"

using namespace mlir;
using namespace lamina;

static constexpr int64_t kColumnBytes = 2 * TileTerms::kDepth;

TileTerms::TileTerms(DeviceBuilder &builder, PackedNumber number, int64_t depths, int64_t tiles)
    : HalfTerms(builder, number), b_(builder), tiles_(tiles),
      words_(builder.shared(depths * count() * columns() * kColumnBytes)) {}

Value TileTerms::place(Value depth, int64_t term, Value column) {
  Value row = b_.add(b_.mul(b_.add(b_.mul(depth, count()), term), columns()), column);
  return b_.offset(words_, b_.mul(row, kColumnBytes));
}

void TileTerms::store(Value depth, Value column, Value word, Value first, Value second) {
  for (int64_t term = 0; term < count(); ++term)
    b_.store(take(first, second), b_.offset(place(depth, term, column), b_.mul(word, 4)));
}

/// The smallest terms first.
Values TileTerms::multiply(ValueRange a, Value depth, ValueRange sums) {
  Value group = b_.div(b_.lane(), 4), quarter = b_.rem(b_.lane(), 4);
  Values next;
  for (int64_t tile = 0; tile < tiles_; ++tile) {
    Values own(sums.slice(tile * kSumsOfTile, kSumsOfTile));
    for (int64_t term = count() - 1; term >= 0; --term) {
      Value column = place(depth, term, b_.add(group, tile * kColumns));
      Value words = b_.load(b_.i32(2), b_.offset(column, b_.mul(quarter, 8)));
      own = b_.multiplyTiles(number(), a, {b_.extract(words, 0), b_.extract(words, 1)}, own);
    }
    llvm::append_range(next, own);
  }
  return next;
}

Values TileTerms::tileOf(Value first, Value second, Value third, Value fourth) {
  return {b_.lowerHalves(first, second), b_.upperHalves(first, second), b_.lowerHalves(third, fourth),
          b_.upperHalves(third, fourth)};
}
