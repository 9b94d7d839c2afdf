//===- AttentionProducts.cpp - queries times keys and weights times values ----------------------------===//
//
// Where attention spends its time. An element of the keys at 16 positions, or 16 elements of a value, is loaded
// and converted once for all queries of a tile; the other factor is a number that the addition broadcasts.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/AttentionTile.h"

#include <numeric>

using namespace mlir;
using namespace lamina;

static constexpr int64_t kPositions = LAMINA_KV_PAGE_TOKENS, kCacheLine = 64;

/// Pages after the sequence's last one are that one: what is read there is masked.
Value AttentionTile::pageAddress(Value page) {
  return page_.address(kernel_.pointer(op_.getCache()), kernel_.pointer(op_.getBlockTable()), sequence_,
                       b_.min(page, lastPage_));
}

/// Fetches the cache lines of `bytes` bytes from `offset` on. Each place is fetched twice, two blocks before its
/// use and one: processors drop prefetches when many misses are under way.
void AttentionTile::prefetch(ValueRange pointers, Value offset, int64_t bytes) {
  for (Value pointer : pointers)
    for (int64_t line = 0; line < bytes; line += kCacheLine)
      b_.prefetch(b_.offset(b_.offset(pointer, offset), line));
}

//===--- Scores ------------------------------------------------------------------------------------------===//

/// Dot products of the queries with the keys of `vectors_` pages.
void AttentionTile::emitScores(const Block &block, Value tile) {
  Values keys, ahead;
  for (int64_t v = 0; v < vectors_; ++v) {
    Value page = b_.add(b_.div(block.firstPosition, kPage), b_.add(b_.mul(tile, vectors_), v));
    keys.push_back(page_.keys(pageAddress(page), head_));
    for (const Ahead &next : block.ahead)
      ahead.push_back(page_.keys(pageAddress(b_.add(page, next.pages)), next.head));
  }
  Value scores = b_.offset(memory_.scores[0], b_.mul(tile, 4 * kPositions * vectors_));
  auto place = [&](int64_t index) {
    return number(scores, index / vectors_ * kBlock + index % vectors_ * kPositions);
  };
  if (!page_.hasScales()) {
    Values sums = addScores(keys, ahead, b_.i64(0), keyLength_);
    for (auto [index, sum] : llvm::enumerate(sums))
      b_.store(sum, place(index));
    return;
  }
  for (int64_t index = 0; index < queries() * vectors_; ++index)
    b_.store(b_.constant(b_.f32(kPositions), 0.0), place(index));
  b_.loop(keyLength_ / CachePage::kBlock, 1, [&](Value part) {
    Values sums = addScores(keys, ahead, b_.mul(part, CachePage::kBlock), CachePage::kBlock), scales;
    for (Value key : keys)
      scales.push_back(b_.loadNumber(PackedNumber::F16, page_.keyScales(key, part), kPositions));
    for (auto [index, sum] : llvm::enumerate(sums))
      b_.store(b_.fma(sum, scales[index % vectors_], b_.loadF32(place(index), kPositions)), place(index));
  });
}

/// `count` times a vector of one number.
Values AttentionTile::broadcasts(const Twice &memory, int64_t index, int64_t lanes, int64_t count) {
  Values result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(b_.broadcast(b_.loadF32(number(memory[i % 2], index), 0), lanes));
  return result;
}

/// Sums over `elements` elements of the keys from `element` on, for each query and page.
Values AttentionTile::addScores(ArrayRef<Value> keys, ValueRange ahead, Value first, int64_t elements) {
  int64_t unroll = std::gcd(elements, int64_t(4));
  Values zeros(queries() * vectors_, b_.constant(b_.f32(kPositions), 0.0));
  return b_.loop(first, b_.add(first, elements), unroll, zeros, [&](Value element, ValueRange state) {
    Values sums(state);
    Value offset = b_.mul(element, page_.keyBytes()), queryOffset = b_.mul(element, 4);
    Twice query{b_.offset(memory_.queries[0], queryOffset), b_.offset(memory_.queries[1], queryOffset)};
    prefetch(ahead, offset, unroll * page_.keyBytes());
    for (int64_t u = 0; u < unroll; ++u) {
      Values key;
      for (Value page : keys)
        key.push_back(page_.load(b_.offset(b_.offset(page, offset), u * page_.keyBytes()), kPositions));
      for (int64_t q = 0; q < queries(); ++q) {
        Values factors = broadcasts(query, q * keyLength_ + u, kPositions, vectors_);
        for (int64_t v = 0; v < vectors_; ++v)
          sums[q * vectors_ + v] = b_.fma(factors[v], key[v], sums[q * vectors_ + v]);
      }
    }
    return sums;
  });
}

//===--- Values ------------------------------------------------------------------------------------------===//

void AttentionTile::emitValues(const Block &block) {
  if (!page_.hasScales())
    return emitElements(block, memory_.scores, b_.i64(0), valueLength_);
  b_.loop(valueLength_ / CachePage::kBlock, 1, [&](Value part) {
    scaleWeights(block, part);
    emitElements(block, memory_.weights, b_.mul(part, CachePage::kBlock), CachePage::kBlock);
  });
}

/// The weights times the scales of a block of value elements.
void AttentionTile::scaleWeights(const Block &block, Value part) {
  for (int64_t v = 0; v < kBlock / kPage; ++v) {
    Value page = pageAddress(b_.add(b_.div(block.firstPosition, kPage), v));
    Value scales = page_.valueScales(page_.values(page, head_), part);
    Value scale = b_.loadNumber(PackedNumber::F16, scales, kPositions);
    for (int64_t q = 0; q < queries(); ++q) {
      int64_t place = q * kBlock + v * kPositions;
      Value weight = b_.loadF32(number(memory_.scores[0], place), kPositions);
      b_.store(b_.mulf(weight, scale), number(memory_.weights[0], place));
    }
  }
}

/// Adds the block's values by weight, `elements` elements from `first` on. Only those of positions that are
/// attended to: what lies in other places of a page is unknown and could be infinite. Where rows of a tile
/// attend to different positions each takes its own.
void AttentionTile::emitElements(const Block &block, const Twice &weights, Value first, int64_t elements) {
  Value allBegin = block.begin, allEnd = block.end;
  if (rows_ > 1) {
    allBegin = op_.getWindow() ? b_.min(b_.max(first_.back(), block.begin), block.end) : block.begin;
    allEnd = b_.max(allBegin, b_.min(b_.add(position_.front(), 1), block.end));
  }
  int64_t stride = llvm::alignTo(valueLength_, kPositions);
  b_.loop(first, b_.add(first, elements), lanes_ * pieces_, [&](Value element) {
    auto place = [&](int64_t query, int64_t piece) {
      return b_.offset(number(memory_.values, query * stride + piece * lanes_), b_.mul(element, 4));
    };
    Values sums;
    for (int64_t q = 0; q < queries(); ++q)
      for (int64_t piece = 0; piece < pieces_; ++piece) {
        Value rescale = b_.broadcast(b_.loadF32(number(memory_.rescale, q), 0), lanes_);
        sums.push_back(b_.mulf(b_.loadF32(place(q, piece), lanes_), rescale));
      }
    if (rows_ > 1 && op_.getWindow())
      sums = addPages(block, weights, element, block.begin, allBegin, sums, /*someRows=*/true);
    sums = addPages(block, weights, element, allBegin, allEnd, sums, /*someRows=*/false);
    if (rows_ > 1)
      sums = addPages(block, weights, element, allEnd, block.end, sums, /*someRows=*/true);
    for (int64_t q = 0; q < queries(); ++q)
      for (int64_t piece = 0; piece < pieces_; ++piece)
        b_.store(sums[q * pieces_ + piece], place(q, piece));
  });
}

Values AttentionTile::addPages(const Block &block, const Twice &weights, Value element, Value begin,
                               Value end, Values sums, bool someRows) {
  Value endPage = b_.div(b_.add(end, kPage - 1), kPage);
  return b_.loop(b_.div(begin, kPage), endPage, 1, sums, [&](Value index, ValueRange state) {
    Value bytes = b_.mul(element, page_.elementBytes());
    Value values = b_.offset(page_.values(pageAddress(index), head_), bytes);
    Values ahead;
    for (const Ahead &next : block.ahead)
      ahead.push_back(b_.offset(page_.values(pageAddress(b_.add(index, next.pages)), next.head), bytes));
    Value firstPosition = b_.mul(index, kPage);
    Value pageOffset = b_.mul(b_.sub(firstPosition, block.firstPosition), 4);
    Twice pageWeights{b_.offset(weights[0], pageOffset), b_.offset(weights[1], pageOffset)};
    Value from = b_.max(b_.sub(begin, firstPosition), b_.i64(0));
    Value to = b_.min(b_.sub(end, firstPosition), b_.i64(kPage));
    return b_.loop(from, to, 1, state, [&](Value slot, ValueRange inner) {
      Value offset = b_.mul(slot, page_.valueBytes());
      prefetch(ahead, offset, pieces_ * lanes_ * page_.elementBytes());
      Values takes;
      for (int64_t row = 0; someRows && row < rows_; ++row)
        takes.push_back(attends(row, b_.add(firstPosition, slot)));
      Value place = b_.mul(slot, 4);
      Twice slotWeights{b_.offset(pageWeights[0], place), b_.offset(pageWeights[1], place)};
      return addPosition(b_.offset(values, offset), slotWeights, inner, takes);
    });
  });
}

/// Whether a row attends to a position.
Value AttentionTile::attends(int64_t row, Value position) {
  Value no = b_.constant(b_.getI1Type(), int64_t(0));
  Value upTo = b_.less(position, b_.add(position_[row], 1));
  return b_.select(b_.less(position, first_[row]), no, upTo);
}

/// `takes`: the rows that take part; empty for all.
Values AttentionTile::addPosition(Value value, const Twice &weights, ValueRange state,
                                  ArrayRef<Value> takes) {
  Values sums(state), pieces;
  for (int64_t piece = 0; piece < pieces_; ++piece)
    pieces.push_back(page_.load(b_.offset(value, piece * lanes_ * page_.elementBytes()), lanes_));
  for (int64_t q = 0; q < queries(); ++q) {
    Values weight = broadcasts(weights, q * kBlock, lanes_, pieces_);
    for (int64_t piece = 0; piece < pieces_; ++piece) {
      Value &sum = sums[q * pieces_ + piece];
      Value added = b_.fma(weight[piece], pieces[piece], sum);
      sum = takes.empty() ? added : b_.select(takes[rowOf(q)], added, sum);
    }
  }
  return sums;
}
