//===- TileAttention.cpp - attention to a range of positions on tensor cores --------------------------===//

#include "lib/Target/CUDA/TileAttention.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace lamina;

namespace {

constexpr int64_t kMaxColumns = 16, kMaxKeyLength = 256; // of queries in the block's memory
constexpr int64_t kMaxValueLength = 256;                 // of sums in registers: twice as many would spill
constexpr int64_t kMaxUnrolled = 8;                      // depths of keys in registers

int64_t tilesOfColumns(lm::OnlineAttentionOp op, int64_t rows) {
  return llvm::divideCeil(AttentionRange::headsTogether(op, kMaxColumns) * rows, TileTerms::kColumns);
}

bool ofEightBits(lm::KVCacheType type) { return isa<Float8E4M3FNType>(type.getElementType()); }

/// What tiles are of.
PackedNumber numberOf(lm::KVCacheType type) {
  return type.getElementType().isBF16() ? PackedNumber::BF16 : PackedNumber::F16;
}

/// A power of two, so that a lane's elements are all there or none.
int64_t tilesOfValue(lm::OnlineAttentionOp op, int64_t warps) {
  return llvm::PowerOf2Ceil(llvm::divideCeil(op.getCache().getType().getValueLength(), kPackedRows * warps));
}

} // namespace

bool TileAttention::takes(lm::KVCacheType type) {
  bool fits = type.getElementType().isF16() || type.getElementType().isBF16() || ofEightBits(type);
  return fits && type.getKeyLength() % kDepth == 0 && type.getValueLength() % kPackedRows == 0 &&
         type.getKeyLength() <= kMaxKeyLength && type.getValueLength() <= kMaxValueLength;
}

int64_t TileAttention::mostRows(lm::OnlineAttentionOp op) {
  int64_t rows = 1;
  while (2 * rows * headsTogether(op, kMaxColumns) <= kMaxColumns)
    rows *= 2;
  return rows;
}

TileAttention::TileAttention(DeviceContext &kernel, lm::OnlineAttentionOp op, int64_t rows)
    : AttentionRange(kernel, op, headsTogether(op, kMaxColumns), 2 * tilesOfColumns(op, rows),
                     2 * tilesOfValue(op, kernel.device.warps())),
      tiles_(tilesOfColumns(op, rows)), tilesOfValue_(tilesOfValue(op, b_.warps())),
      power_(ofEightBits(type_) ? DeviceBuilder::kE4M3Power : 0),
      queries_(b_, numberOf(type_), keyLength_ / kDepth, tiles_),
      weights_(b_, numberOf(type_), kBlock / kDepth, tiles_), inverses_(b_.shared(4 * columns())),
      maxima_(b_.shared(4 * columns() * b_.warps())), sums_(b_.shared(4 * columns() * b_.warps())),
      group_(b_.div(b_.lane(), 4)), quarter_(b_.rem(b_.lane(), 4)) {
  assert(kBlock == kPage * kPagesOfWarp * b_.warps() && kPage == kDepth);
}

//===--- Queries ---------------------------------------------------------------------------------------===//

void TileAttention::open(Value row, Value count, Value head, Value queryHead) {
  row_ = row;
  count_ = count;
  head_ = head;
  queryHead_ = queryHead;
  sequence_ = sequenceOf(row);
  first_ = firstPosition(positionOf(row));
  last_ = positionOf(b_.add(row, b_.sub(count, b_.i64(1))));
  from_.clear();
  to_.clear();
  for (int64_t i = 0; i < ownColumns(); ++i) {
    Value column = ownColumn(i), position = positionOf(b_.add(row, rowOf(column)));
    Value exists = b_.less(b_.div(column, heads()), count);
    from_.push_back(firstPosition(position));
    to_.push_back(b_.select(exists, position, b_.i64(-1))); // a column without a query attends to nothing
  }
  b_.barrier(); // the queries before have been used
  b_.forWarps(columns(), [&](Value column) { storeQuery(column); });
  b_.barrier();
}

/// Elements 8·i + lane and 8·i + 4 + lane go together, as keys do: a lane loads every fourth.
void TileAttention::storeQuery(Value column) {
  Value query = b_.offset(kernel_.rowPointer(op_.getQuery(), b_.add(row_, rowOf(column))),
                          b_.mul(headOf(column), 4 * keyLength_));
  Value factor = number(std::ldexp(queryFactor(), -power_)); // what keys lack
  struct Pair {
    Value depth, word, first, second;
  };
  SmallVector<Pair> pairs;
  Values numbers;
  for (int64_t begin = 0; begin < keyLength_ / 2; begin += kWarp) {
    Value pair = b_.min(b_.add(b_.lane(), begin), b_.i64(keyLength_ / 2 - 1)); // the last one several times
    Value depth = b_.div(pair, kDepth / 2), word = b_.rem(pair, kDepth / 2);
    Value element = b_.add(b_.mul(depth, kDepth), b_.add(b_.div(word, 2), b_.mul(b_.rem(word, 2), 8)));
    Value place = b_.offset(query, b_.mul(element, 4));
    auto load = [&](int64_t offset) { return b_.mulf(b_.loadF32(b_.offset(place, offset), 0), factor); };
    pairs.push_back({depth, word, load(0), load(16)});
    numbers.append({pairs.back().first, pairs.back().second});
  }
  if (queries_.hasScale()) {
    auto greater = [&](Value a, Value b) { return b_.max(a, b); };
    Value exponent = b_.foldWarp(queries_.exponentOf(numbers), greater), power = queries_.power(exponent);
    for (Pair &pair : pairs) {
      pair.first = b_.mulf(pair.first, power);
      pair.second = b_.mulf(pair.second, power);
    }
    b_.store(queries_.inverse(exponent), b_.offset(inverses_, b_.mul(column, 4)));
  }
  for (Pair &pair : pairs)
    queries_.store(pair.depth, column, pair.word, pair.first, pair.second);
}

//===--- A range ---------------------------------------------------------------------------------------===//

AttentionRange::Partial TileAttention::compute(Value range) {
  Value begin = b_.div(b_.max(first_, b_.mul(range, op_.getRange())), kBlock);
  Value last = b_.min(b_.add(b_.mul(range, op_.getRange()), op_.getRange() - 1), last_);
  Value end = b_.add(b_.div(last, kBlock), 1);
  auto greater = [&](Value a, Value b) { return b_.maxf(a, b); };
  Partial result = unflat(b_.loop(begin, end, 1, flat(empty()), [&](Value block, ValueRange state) {
    Partial before = unflat(state), next;
    Value page = b_.mul(block, kBlock / kPage);
    std::array<Values, kPagesOfWarp> own = scores(b_.add(page, b_.mul(b_.warp(), kPagesOfWarp)));
    Values words = loadValues(page), greatest;
    b_.keepLoadsAhead();
    for (int64_t i = 0; i < ownColumns(); ++i)
      greatest.push_back(
          b_.maxf(b_.maxf(own[0][2 * i], own[0][2 * i + 1]), b_.maxf(own[1][2 * i], own[1][2 * i + 1])));
    next.maxima = foldColumns(maxima_, greatest, greater);
    for (auto [maximum, earlier] : llvm::zip(next.maxima, before.maxima))
      maximum = greater(maximum, earlier);
    Values rescale;
    for (int64_t i = 0; i < ownColumns(); ++i) {
      rescale.push_back(b_.exp2(b_.subf(before.maxima[i], next.maxima[i])));
      Value sum;
      for (Values &scores : own)
        for (int64_t r = 0; r < 2; ++r) {
          Value &weight = scores[2 * i + r];
          weight = b_.exp2(b_.subf(weight, next.maxima[i]));
          sum = sum ? b_.addf(sum, weight) : weight;
        }
      next.sums.push_back(b_.fma(before.sums[i], rescale[i], sum));
    }
    for (int64_t p = 0; p < kPagesOfWarp; ++p)
      storeWeights(p, own[p]);
    b_.barrier();
    for (auto [i, value] : llvm::enumerate(addValues(page, std::move(words))))
      next.values.push_back(b_.fma(before.values[i], rescale[i / (2 * tilesOfValue_)], value));
    return flat(next);
  }));
  result.sums = foldColumns(sums_, result.sums, [&](Value a, Value b) { return b_.addf(a, b); });
  return result;
}

Values TileAttention::tileOf(TileTerms &terms, ArrayRef<Value> pairs, int64_t first) {
  Values words(pairs.slice(first, 4));
  if (power_ != 0)
    for (Value &word : words)
      word = b_.e4m3PairToHalves(word);
  return terms.tileOf(words[0], words[1], words[2], words[3]);
}

/// All words that go through an unrolled part are on their way before the first is multiplied.
std::array<Values, TileAttention::kPagesOfWarp> TileAttention::scores(Value firstPage) {
  Value keys[kPagesOfWarp];
  for (int64_t p = 0; p < kPagesOfWarp; ++p) {
    Value ofPage = page_.keys(pageAddress(sequence_, b_.add(firstPage, p), last_), head_);
    keys[p] = b_.offset(b_.offset(ofPage, b_.mul(quarter_, page_.keyBytes())),
                        b_.mul(group_, 2 * page_.elementBytes()));
  }
  int64_t depths = keyLength_ / kDepth, unroll = std::min(depths, kMaxUnrolled);
  while (depths % unroll != 0)
    --unroll;
  int64_t sumsOfPage = tiles_ * kSumsOfTile;
  Values zeros(kPagesOfWarp * sumsOfPage, number(0.0));
  Values sums = b_.loop(b_.i64(0), b_.i64(depths), unroll, zeros, [&](Value depth, ValueRange state) {
    Values words, next;
    for (Value ofPage : keys)
      for (int64_t i = 0; i < 4 * unroll; ++i)
        words.push_back(
            b_.load(pairType(), b_.offset(b_.offset(ofPage, b_.mul(depth, kDepth * page_.keyBytes())),
                                          4 * i * page_.keyBytes())));
    b_.keepLoadsAhead();
    for (int64_t p = 0; p < kPagesOfWarp; ++p) {
      Values current(state.slice(p * sumsOfPage, sumsOfPage));
      for (int64_t u = 0; u < unroll; ++u)
        current = queries_.multiply(tileOf(queries_, words, 4 * (p * unroll + u)), b_.add(depth, u), current);
      llvm::append_range(next, current);
    }
    return next;
  });
  std::array<Values, kPagesOfWarp> all;
  for (int64_t p = 0; p < kPagesOfWarp; ++p)
    all[p] = finishedScores(b_.add(firstPage, p), ValueRange(sums).slice(p * sumsOfPage, sumsOfPage));
  return all;
}

Values TileAttention::finishedScores(Value page, ValueRange sums) {
  Values scores;
  for (int64_t i = 0; i < ownColumns(); ++i)
    for (int64_t r = 0; r < 2; ++r) {
      Value product = sums[i / 2 * kSumsOfTile + 2 * r + i % 2];
      if (queries_.hasScale())
        product = b_.mulf(product, b_.loadF32(b_.offset(inverses_, b_.mul(ownColumn(i), 4)), 0));
      Value position = b_.add(b_.add(b_.mul(page, kPage), b_.mul(group_, 2)), r);
      scores.push_back(finish(product, position, from_[i], to_[i]));
    }
  return scores;
}

Values TileAttention::foldColumns(Value memory, ValueRange own, DeviceBuilder::Combine combine) {
  auto place = [&](Value warp, int64_t i) {
    return b_.offset(memory, b_.mul(b_.add(b_.mul(warp, columns()), ownColumn(i)), 4));
  };
  for (int64_t i = 0; i < ownColumns(); ++i) // lanes of the same columns store the same
    b_.store(b_.foldWarp(own[i], combine, 4), place(b_.warp(), i));
  b_.barrier();
  Values folded;
  for (int64_t i = 0; i < ownColumns(); ++i) {
    Value all = b_.loadF32(place(b_.i64(0), i), 0);
    for (int64_t w = 1; w < b_.warps(); ++w)
      all = combine(all, b_.loadF32(place(b_.i64(w), i), 0));
    folded.push_back(all);
  }
  return folded;
}

//===--- Partial results ------------------------------------------------------------------------------===//

void TileAttention::store(const Partial &partial, Value slot) {
  Value element = ownElement();
  auto storeColumn = [&](int64_t i) {
    Value column = ownColumn(i);
    PartialPlace place = slots_.place(b_.add(slot, rowOf(column)), headOf(column));
    b_.branch(b_.less(element, b_.i64(valueLength_)), [&] {
      for (int64_t k = 0; k < 2 * tilesOfValue_; ++k)
        b_.store(partial.values[i * 2 * tilesOfValue_ + k],
                 b_.offset(place.values, b_.mul(b_.add(element, k), 4)));
    });
    b_.branch(b_.less(b_.thread(), b_.i64(4)), [&] {
      b_.store(partial.maxima[i], place.maxima);
      b_.store(partial.sums[i], place.sums);
    });
  };
  for (int64_t i = 0; i < ownColumns(); ++i)
    b_.branch(b_.less(b_.i64(-1), to_[i]), [&] { storeColumn(i); });
}

AttentionRange::Partial TileAttention::loadCached(Value slot) {
  Partial partial;
  Value element = existingElement();
  for (int64_t i = 0; i < ownColumns(); ++i) {
    PartialPlace place = cached_->place(slot, headOf(ownColumn(i)));
    partial.maxima.push_back(b_.loadF32(place.maxima, 0));
    partial.sums.push_back(b_.loadF32(place.sums, 0));
    for (int64_t k = 0; k < 2 * tilesOfValue_; ++k)
      partial.values.push_back(b_.loadF32(b_.offset(place.values, b_.mul(b_.add(element, k), 4)), 0));
  }
  return partial;
}
