//===- TileAttentionValues.cpp - sums of values by weight, on tensor cores ----------------------------===//

#include "lib/Target/CUDA/TileAttention.h"

#include <cmath>

using namespace mlir;
using namespace lamina;

static constexpr int64_t kRegisters = 80;       // of a lane for sums and for words on their way
static constexpr double kWeightFactor = 0x1p14; // weights are at most 1, terms of F16 2^15

/// Two neighbouring positions are a word, the fourth but one after it the lane's other.
void TileAttention::storeWeights(int64_t page, ValueRange weights) {
  Value depth = b_.add(b_.mul(b_.warp(), kPagesOfWarp), page);
  Value word = b_.add(b_.mul(b_.rem(group_, 4), 2), b_.div(group_, 4));
  for (int64_t i = 0; i < ownColumns(); ++i) {
    Value first = weights[2 * i], second = weights[2 * i + 1];
    if (weights_.hasScale()) {
      first = b_.mulf(first, number(kWeightFactor));
      second = b_.mulf(second, number(kWeightFactor));
    }
    weights_.store(depth, ownColumn(i), word, first, second);
  }
}

Value TileAttention::ownElement() {
  Value group = b_.add(b_.mul(b_.warp(), kPackedRows / 2), group_);
  return b_.mul(group, 2 * tilesOfValue_);
}

Value TileAttention::existingElement() {
  return b_.min(ownElement(), b_.i64(valueLength_ - 2 * tilesOfValue_));
}

int64_t TileAttention::pagesAhead() const {
  int64_t sums = tilesOfValue_ * tiles_ * kSumsOfTile, words = tilesOfValue_ * kWordsOfTile;
  return std::clamp<int64_t>(llvm::bit_floor(uint64_t(kRegisters - sums) / words), 1, kBlock / kPage);
}

Values TileAttention::loadValues(Value firstPage) {
  Value element = b_.mul(existingElement(), page_.elementBytes());
  Values words;
  for (int64_t p = 0; p < pagesAhead(); ++p) {
    Value values = page_.values(pageAddress(sequence_, b_.add(firstPage, p), last_), head_);
    for (int64_t i = 0; i < tilesOfValue_; ++i)
      for (int64_t slot : kSlotsOfLane) {
        Value place = b_.mul(b_.add(b_.mul(quarter_, 2), slot), page_.valueBytes());
        Value row = b_.offset(b_.offset(values, place), element);
        words.push_back(b_.load(pairType(), b_.offset(row, 2 * i * page_.elementBytes())));
      }
  }
  return words;
}

/// What lies in places of a page that no query attends to is unknown and could be infinite.
void TileAttention::clearUnattended(Value page, MutableArrayRef<Value> words) {
  Value none = b_.constant(pairType(), int64_t(0));
  for (auto [i, word] : llvm::enumerate(words)) {
    int64_t slot = kSlotsOfLane[i % kWordsOfTile];
    Value position = b_.add(b_.add(b_.mul(page, kPage), b_.mul(quarter_, 2)), slot);
    word = b_.select(b_.less(last_, position), none, word);
    if (op_.getWindow())
      word = b_.select(b_.less(position, first_), none, word);
  }
}

Values TileAttention::addValues(Value firstPage, Values words) {
  int64_t sumsOfTiles = tiles_ * kSumsOfTile, wordsOfPage = kWordsOfTile * tilesOfValue_;
  Values sums(tilesOfValue_ * sumsOfTiles, number(0.0));
  for (int64_t page = 0; page < kBlock / kPage; ++page) {
    if (page != 0 && page % pagesAhead() == 0)
      words = loadValues(b_.add(firstPage, page));
    int64_t begin = page % pagesAhead() * wordsOfPage;
    clearUnattended(b_.add(firstPage, page), MutableArrayRef(words).slice(begin, wordsOfPage));
    Values next;
    for (int64_t i = 0; i < tilesOfValue_; ++i)
      llvm::append_range(next,
                         weights_.multiply(tileOf(weights_, words, begin + kWordsOfTile * i), b_.i64(page),
                                           ValueRange(sums).slice(i * sumsOfTiles, sumsOfTiles)));
    sums = next;
  }
  Values ordered;
  for (int64_t column = 0; column < ownColumns(); ++column)
    for (int64_t element = 0; element < 2 * tilesOfValue_; ++element) {
      Value sum = sums[element / 2 * sumsOfTiles + column / 2 * kSumsOfTile + element % 2 * 2 + column % 2];
      ordered.push_back(weights_.hasScale() ? b_.mulf(sum, number(std::ldexp(1 / kWeightFactor, -power_)))
                                            : sum);
    }
  return ordered;
}
