//===- ScalarAttention.cpp - attention to a range of positions, a thread a position -------------------===//

#include "lib/Target/CUDA/ScalarAttention.h"

#include <numeric>

using namespace mlir;
using namespace lamina;

static constexpr int64_t kMaxHeads = 8;

ScalarAttention::ScalarAttention(DeviceContext &kernel, lm::OnlineAttentionOp op)
    : AttentionRange(kernel, op, headsTogether(op, kMaxHeads), headsTogether(op, kMaxHeads),
                     llvm::divideCeil(op.getCache().getType().getValueLength(), kernel.device.threads())),
      pieces_(llvm::divideCeil(valueLength_, b_.threads())) {
  queries_ = b_.shared(heads() * keyLength_ * 4);
  weights_ = b_.shared(heads() * kBlock * 4);
  maxima_ = b_.shared(heads() * b_.warps() * 4);
}

//===--- Partial results ------------------------------------------------------------------------------===//

void ScalarAttention::forPieces(llvm::function_ref<void(int64_t, Value)> body) {
  for (int64_t piece = 0; piece < pieces_; ++piece) {
    Value element = b_.add(b_.thread(), piece * b_.threads());
    if ((piece + 1) * b_.threads() <= valueLength_)
      body(piece, element);
    else
      b_.branch(b_.less(element, b_.i64(valueLength_)), [&] { body(piece, element); });
  }
}

void ScalarAttention::store(const Partial &partial, Value slot) {
  for (int64_t h = 0; h < heads(); ++h) {
    PartialPlace place = slots_.place(slot, b_.add(queryHead_, h));
    forPieces([&](int64_t piece, Value element) {
      b_.store(partial.values[h * pieces_ + piece], b_.offset(place.values, b_.mul(element, 4)));
    });
    b_.byOneThread([&] {
      b_.store(partial.maxima[h], place.maxima);
      b_.store(partial.sums[h], place.sums);
    });
  }
}

/// Threads without an element of a piece read the last one, which they never store.
AttentionRange::Partial ScalarAttention::loadCached(Value slot) {
  Partial partial;
  for (int64_t h = 0; h < heads(); ++h) {
    PartialPlace place = cached_->place(slot, b_.add(queryHead_, h));
    partial.maxima.push_back(b_.loadF32(place.maxima, 0));
    partial.sums.push_back(b_.loadF32(place.sums, 0));
    for (int64_t piece = 0; piece < pieces_; ++piece) {
      Value element = b_.min(b_.add(b_.thread(), piece * b_.threads()), b_.i64(valueLength_ - 1));
      partial.values.push_back(b_.loadF32(b_.offset(place.values, b_.mul(element, 4)), 0));
    }
  }
  return partial;
}

//===--- A range --------------------------------------------------------------------------------------===//

void ScalarAttention::open(Value row, Value, Value head, Value queryHead) {
  head_ = head;
  queryHead_ = queryHead;
  position_ = positionOf(row);
  sequence_ = sequenceOf(row);
  first_ = firstPosition(position_);
  Value from = b_.offset(kernel_.rowPointer(op_.getQuery(), row), b_.mul(queryHead, 4 * keyLength_));
  b_.barrier(); // the queries before have been used
  b_.forThreads(heads() * keyLength_, [&](Value i) {
    Value offset = b_.mul(i, 4);
    b_.store(b_.mulf(b_.loadF32(b_.offset(from, offset), 0), number(queryFactor())),
             b_.offset(queries_, offset));
  });
  b_.barrier();
}

/// Threads keep what they have added of the weights to themselves until the range ends.
AttentionRange::Partial ScalarAttention::compute(Value range) {
  Value begin = b_.div(b_.max(first_, b_.mul(range, op_.getRange())), kBlock);
  Value last = b_.min(b_.add(b_.mul(range, op_.getRange()), op_.getRange() - 1), position_);
  Values state =
      b_.loop(begin, b_.add(b_.div(last, kBlock), 1), 1, flat(empty()), [&](Value block, ValueRange before) {
        Value position = b_.add(b_.mul(block, kBlock), b_.thread());
        Values own = scores(position), greatest = foldMaxima(own, before.take_front(heads())),
               next = greatest;
        Values values(before.drop_front(2 * heads()));
        for (int64_t h = 0; h < heads(); ++h) {
          Value rescale = b_.exp2(b_.subf(before[h], greatest[h])),
                weight = b_.exp2(b_.subf(own[h], greatest[h]));
          b_.store(weight, b_.offset(weights_, b_.add(b_.mul(b_.thread(), 4), 4 * h * kBlock)));
          next.push_back(b_.fma(before[heads() + h], rescale, weight));
          for (int64_t piece = h * pieces_; piece < (h + 1) * pieces_; ++piece)
            values[piece] = b_.mulf(values[piece], rescale);
        }
        b_.barrier();
        addValues(block, values);
        b_.barrier();
        llvm::append_range(next, values);
        return next;
      });
  Partial result = unflat(state);
  for (Value &sum : result.sums)
    sum = b_.sumBlock(sum);
  return result;
}

//===--- Scores ---------------------------------------------------------------------------------------===//

/// Of the thread's position: -infinity where the row does not attend.
Values ScalarAttention::scores(Value position) {
  Value page = page_.keys(pageAddress(sequence_, b_.div(position, kPage), position_), head_);
  Value slot = b_.rem(position, kPage);
  Value keys = b_.offset(page, b_.mul(slot, page_.elementBytes()));
  Values sums;
  if (!page_.hasScales()) {
    sums = chains(keys, b_.i64(0), keyLength_);
  } else {
    Values zeros(heads(), number(0.0));
    sums = b_.loop(
        b_.i64(0), b_.i64(keyLength_ / CachePage::kBlock), 1, zeros, [&](Value part, ValueRange state) {
          Values own = chains(keys, b_.mul(part, CachePage::kBlock), CachePage::kBlock);
          Value scale =
              b_.loadNumber(PackedNumber::F16, b_.offset(page_.keyScales(page, part), b_.mul(slot, 2)), 0);
          for (auto [sum, before] : llvm::zip(own, state))
            sum = b_.fma(sum, scale, before);
          return own;
        });
  }
  for (Value &sum : sums)
    sum = finish(sum, position, first_, position_);
  return sums;
}

/// A chain of multiply-adds over `elements` key elements for each query.
Values ScalarAttention::chains(Value keys, Value first, int64_t elements) {
  int64_t unroll = std::gcd(elements, int64_t(8)), together = std::gcd(elements, int64_t(4));
  return b_.loop(first, b_.add(first, elements), unroll, Values(heads(), number(0.0)),
                 [&](Value element, ValueRange state) {
                   Values sums(state), loaded;
                   Value key = b_.offset(keys, b_.mul(element, page_.keyBytes()));
                   for (int64_t u = 0; u < unroll; ++u)
                     loaded.push_back(page_.load(b_.offset(key, u * page_.keyBytes()), 0));
                   for (int64_t u = 0; u < unroll; u += together)
                     for (int64_t h = 0; h < heads(); ++h) {
                       Value place = b_.offset(queries_, b_.mul(b_.add(element, h * keyLength_ + u), 4));
                       Value query = b_.loadF32(place, together == 1 ? 0 : together);
                       for (int64_t k = 0; k < together; ++k)
                         sums[h] =
                             b_.fma(together == 1 ? query : b_.extract(query, k), loaded[u + k], sums[h]);
                     }
                   return sums;
                 });
}

/// The greatest of all threads' scores and of those before.
Values ScalarAttention::foldMaxima(Values scores, ValueRange before) {
  Value own = b_.offset(maxima_, b_.mul(b_.warp(), 4));
  for (int64_t h = 0; h < heads(); ++h)
    b_.store(b_.maxWarp(scores[h]), b_.offset(own, 4 * h * b_.warps()));
  b_.barrier();
  Values greatest(before);
  for (int64_t h = 0; h < heads(); ++h)
    for (int64_t w = 0; w < b_.warps(); ++w)
      greatest[h] = b_.maxf(b_.loadF32(b_.offset(maxima_, 4 * (h * b_.warps() + w)), 0), greatest[h]);
  return greatest;
}

//===--- Values ---------------------------------------------------------------------------------------===//

/// Adds the values of a block by weight. Only those of positions that are attended to: what lies in other
/// places of a page is unknown and could be infinite.
void ScalarAttention::addValues(Value block, Values &sums) {
  Value begin = b_.div(b_.max(first_, b_.mul(block, kBlock)), kPage);
  Value end = b_.add(b_.div(b_.min(position_, b_.add(b_.mul(block, kBlock), kBlock - 1)), kPage), 1);
  for (int64_t piece = 0; piece < pieces_; ++piece) {
    // Threads beyond the last element repeat it: nothing of theirs is stored.
    Value element = b_.min(b_.add(b_.thread(), piece * b_.threads()), b_.i64(valueLength_ - 1));
    Values own;
    for (int64_t h = 0; h < heads(); ++h)
      own.push_back(sums[h * pieces_ + piece]);
    own = b_.loop(begin, end, 1, own,
                  [&](Value page, ValueRange state) { return addPage(block, page, element, state); });
    for (int64_t h = 0; h < heads(); ++h)
      sums[h * pieces_ + piece] = own[h];
  }
}

/// Places of the page that are not attended to count as zeros.
Values ScalarAttention::addPage(Value block, Value page, Value element, ValueRange state) {
  Value values = page_.values(pageAddress(sequence_, page, position_), head_),
        firstPosition = b_.mul(page, kPage);
  Value column = b_.offset(values, b_.mul(element, page_.elementBytes()));
  Value weights = b_.offset(weights_, b_.mul(b_.sub(firstPosition, b_.mul(block, kBlock)), 4));
  Values sums(state), loaded;
  for (int64_t slot = 0; slot < kPage; ++slot) {
    Value value = page_.load(b_.offset(column, slot * page_.valueBytes()), 0);
    if (page_.hasScales()) {
      Value scales = page_.valueScales(values, b_.div(element, CachePage::kBlock));
      value = b_.mulf(value, b_.loadNumber(PackedNumber::F16, b_.offset(scales, 2 * slot), 0));
    }
    Value position = b_.add(firstPosition, slot);
    value = b_.select(b_.less(position_, position), number(0.0), value);
    loaded.push_back(b_.select(b_.less(position, first_), number(0.0), value));
  }
  for (int64_t slot = 0; slot < kPage; slot += 4)
    for (int64_t h = 0; h < heads(); ++h) {
      Value weight = b_.loadF32(b_.offset(weights, 4 * (h * kBlock + slot)), 4);
      for (int64_t k = 0; k < 4; ++k)
        sums[h] = b_.fma(b_.extract(weight, k), loaded[slot + k], sums[h]);
    }
  return sums;
}
