//===- TileAttention.cpp - attention to a range of positions on tensor cores --------------------------===//

#include "lib/Target/CUDA/TileAttention.h"

#include <numeric>

using namespace mlir;
using namespace lamina;

namespace {

constexpr int64_t kMaxColumns = 16, kMaxKeyLength = 256; // of queries in the block's memory
constexpr int64_t kMaxValueLength = 512;                 // of sums in registers
constexpr double kWeightFactor = 0x1p14;                 // weights are at most 1, terms of F16 2^15

/// Query heads that go together: they share a key/value head.
int64_t headsTogether(lm::OnlineAttentionOp op) {
  int64_t sharing = int64_t(op.getQueryHeads()) / op.getCache().getType().getHeads();
  int64_t heads = std::min(sharing, kMaxColumns);
  while (sharing % heads != 0)
    --heads;
  return heads;
}

int64_t tilesOfColumns(lm::OnlineAttentionOp op, int64_t rows) {
  return llvm::divideCeil(headsTogether(op) * rows, TileTerms::kColumns);
}

/// A power of two, so that a lane's elements are all there or none.
int64_t tilesOfValue(lm::OnlineAttentionOp op, int64_t warps) {
  return llvm::PowerOf2Ceil(llvm::divideCeil(op.getCache().getType().getValueLength(), kPackedRows * warps));
}

} // namespace

bool TileAttention::takes(lm::KVCacheType type) {
  bool halves = type.getElementType().isF16() || type.getElementType().isBF16();
  return halves && type.getKeyLength() % kDepth == 0 && type.getValueLength() % kPackedRows == 0 &&
         type.getKeyLength() <= kMaxKeyLength && type.getValueLength() <= kMaxValueLength;
}

int64_t TileAttention::mostRows(lm::OnlineAttentionOp op) {
  int64_t rows = 1;
  while (2 * rows * headsTogether(op) <= kMaxColumns)
    rows *= 2;
  return rows;
}

TileAttention::TileAttention(DeviceContext &kernel, lm::OnlineAttentionOp op, int64_t rows)
    : AttentionRange(kernel, op, headsTogether(op), 2 * tilesOfColumns(op, rows),
                     2 * tilesOfValue(op, kernel.device.warps())),
      tiles_(tilesOfColumns(op, rows)), tilesOfValue_(tilesOfValue(op, b_.warps())),
      queries_(b_, page_.number(), keyLength_ / kDepth, tiles_), weights_(b_, page_.number(), kBlock / kDepth, tiles_),
      inverses_(b_.shared(4 * columns())), maxima_(b_.shared(4 * columns() * b_.warps())),
      sums_(b_.shared(4 * columns() * b_.warps())), group_(b_.div(b_.lane(), 4)), quarter_(b_.rem(b_.lane(), 4)) {
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
    auto load = [&](int64_t offset) { return b_.mulf(b_.loadF32(b_.offset(place, offset), 0), queryFactor()); };
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
  Partial result = unflat(b_.loop(begin, end, 1, flat(empty()), [&](Value block, ValueRange state) {
    Partial before = unflat(state), next;
    Value page = b_.add(b_.mul(block, kBlock / kPage), b_.mul(b_.warp(), kPagesOfWarp));
    Values own[kPagesOfWarp], greatest;
    for (int64_t p = 0; p < kPagesOfWarp; ++p)
      own[p] = scores(b_.add(page, p));
    for (int64_t i = 0; i < ownColumns(); ++i)
      greatest.push_back(b_.maxf(b_.maxf(own[0][2 * i], own[0][2 * i + 1]), b_.maxf(own[1][2 * i], own[1][2 * i + 1])));
    next.maxima = foldMaxima(greatest, before.maxima);
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
    for (auto [i, value] : llvm::enumerate(addValues(block)))
      next.values.push_back(b_.fma(before.values[i], rescale[i / (2 * tilesOfValue_)], value));
    return flat(next);
  }));
  result.sums = foldSums(result.sums);
  return result;
}

Values TileAttention::scores(Value page) {
  Value keys = page_.keys(pageAddress(sequence_, page, last_), head_);
  Value own = b_.offset(b_.offset(keys, b_.mul(quarter_, page_.keyBytes())), b_.mul(group_, 2 * page_.elementBytes()));
  int64_t depths = keyLength_ / kDepth, unroll = std::gcd(depths, int64_t(4));
  Values zeros(tiles_ * kSumsOfTile, number(0.0));
  Values sums = b_.loop(b_.i64(0), b_.i64(depths), unroll, zeros, [&](Value depth, ValueRange state) {
    Values current(state), words;
    Value place = b_.offset(own, b_.mul(depth, kDepth * page_.keyBytes()));
    for (int64_t i = 0; i < 4 * unroll; ++i)
      words.push_back(b_.load(b_.i32(0), b_.offset(place, 4 * i * page_.keyBytes())));
    for (int64_t u = 0; u < unroll; ++u)
      current = queries_.multiply(queries_.tileOf(words[4 * u], words[4 * u + 1], words[4 * u + 2], words[4 * u + 3]),
                                  b_.add(depth, u), current);
    return current;
  });
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

Values TileAttention::foldMaxima(ValueRange own, ValueRange before) {
  auto place = [&](Value warp, int64_t i) {
    return b_.offset(maxima_, b_.mul(b_.add(b_.mul(warp, columns()), ownColumn(i)), 4));
  };
  auto greater = [&](Value a, Value b) { return b_.maxf(a, b); };
  for (int64_t i = 0; i < ownColumns(); ++i) // lanes of the same columns store the same
    b_.store(b_.foldWarp(own[i], greater, 4), place(b_.warp(), i));
  b_.barrier();
  Values greatest(before);
  for (int64_t i = 0; i < ownColumns(); ++i)
    for (int64_t w = 0; w < b_.warps(); ++w)
      greatest[i] = b_.maxf(b_.loadF32(place(b_.i64(w), i), 0), greatest[i]);
  return greatest;
}

Values TileAttention::foldSums(ValueRange sums) {
  auto place = [&](Value warp, int64_t i) {
    return b_.offset(sums_, b_.mul(b_.add(b_.mul(warp, columns()), ownColumn(i)), 4));
  };
  auto add = [&](Value a, Value b) { return b_.addf(a, b); };
  for (int64_t i = 0; i < ownColumns(); ++i)
    b_.store(b_.foldWarp(sums[i], add, 4), place(b_.warp(), i));
  b_.barrier();
  Values all;
  for (int64_t i = 0; i < ownColumns(); ++i) {
    Value sum = b_.loadF32(place(b_.i64(0), i), 0);
    for (int64_t w = 1; w < b_.warps(); ++w)
      sum = b_.addf(sum, b_.loadF32(place(b_.i64(w), i), 0));
    all.push_back(sum);
  }
  return all;
}

//===--- Values ----------------------------------------------------------------------------------------===//

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

Value TileAttention::existingElement() { return b_.min(ownElement(), b_.i64(valueLength_ - 2 * tilesOfValue_)); }

/// What lies in places of a page that no query attends to is unknown and could be infinite.
Values TileAttention::loadValues(Value values, Value page, Value slot) {
  Value position = b_.add(b_.mul(page, kPage), slot), none = b_.constant(b_.i32(0), int64_t(0));
  Value element = existingElement();
  Value place = b_.offset(b_.offset(values, b_.mul(slot, page_.valueBytes())), b_.mul(element, page_.elementBytes()));
  Values words;
  for (int64_t i = 0; i < tilesOfValue_; ++i) {
    Value word = b_.load(b_.i32(0), b_.offset(place, 4 * i));
    word = b_.select(b_.less(last_, position), none, word);
    words.push_back(op_.getWindow() ? b_.select(b_.less(position, first_), none, word) : word);
  }
  return words;
}

Values TileAttention::addValues(Value block) {
  Value firstPage = b_.mul(block, kBlock / kPage);
  Value begin = b_.max(b_.div(first_, kPage), firstPage);
  Value end = b_.add(b_.min(b_.div(last_, kPage), b_.add(firstPage, kBlock / kPage - 1)), 1);
  int64_t sumsOfValue = tiles_ * kSumsOfTile;
  Values zeros(tilesOfValue_ * sumsOfValue, number(0.0));
  Values sums = b_.loop(begin, end, 1, zeros, [&](Value page, ValueRange state) {
    Value values = page_.values(pageAddress(sequence_, page, last_), head_);
    SmallVector<Values> words;
    for (int64_t slot : {0, 1, 8, 9})
      words.push_back(loadValues(values, page, b_.add(b_.mul(quarter_, 2), slot)));
    Values current;
    for (int64_t i = 0; i < tilesOfValue_; ++i)
      llvm::append_range(current, weights_.multiply(weights_.tileOf(words[0][i], words[1][i], words[2][i], words[3][i]),
                                                    b_.sub(page, firstPage), state.slice(i * sumsOfValue, sumsOfValue)));
    return current;
  });
  Values ordered;
  for (int64_t column = 0; column < ownColumns(); ++column)
    for (int64_t element = 0; element < 2 * tilesOfValue_; ++element) {
      Value sum = sums[element / 2 * sumsOfValue + column / 2 * kSumsOfTile + element % 2 * 2 + column % 2];
      ordered.push_back(weights_.hasScale() ? b_.mulf(sum, number(1 / kWeightFactor)) : sum);
    }
  return ordered;
}

//===--- Partial results ------------------------------------------------------------------------------===//

void TileAttention::store(const Partial &partial, Value slot) {
  Value element = ownElement();
  auto storeColumn = [&](int64_t i) {
    Value column = ownColumn(i);
    PartialPlace place = slots_.place(b_.add(slot, rowOf(column)), headOf(column));
    b_.branch(b_.less(element, b_.i64(valueLength_)), [&] {
      for (int64_t k = 0; k < 2 * tilesOfValue_; ++k)
        b_.store(partial.values[i * 2 * tilesOfValue_ + k], b_.offset(place.values, b_.mul(b_.add(element, k), 4)));
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
