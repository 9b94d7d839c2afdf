//===- AttentionKernel.cpp - softmax attention over a paged cache -------------------------------------===//
//
// A workgroup is a token and a key/value head. It walks over the pages of 16 positions in ascending order;
// lanes are positions for the scores and elements of the value for the output. The query heads that share the
// key/value head go through a page together, some at a time. Blocks of positions are the pages themselves, so
// the order of additions depends on absolute positions alone.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/CachePage.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>
#include <numeric>

using namespace mlir;
using namespace lamina;

namespace {

constexpr int64_t kPositions = LAMINA_KV_PAGE_TOKENS;
static_assert(kPositions == kPackedRows, "a page's positions are the lanes of a vector");

/// The largest divisor of `number` up to `most`.
int64_t divisorUpTo(int64_t number, int64_t most) {
  int64_t divisor = std::max<int64_t>(std::min(number, most), 1);
  while (number % divisor != 0)
    --divisor;
  return divisor;
}

class AttentionKernel {
public:
  explicit AttentionKernel(KernelContext &kernel)
      : kernel_(kernel), b_(kernel.b), op_(kernel.ops<lm::AttentionOp>().front()),
        type_(cast<lm::KVCacheType>(op_.getCache().getType())), page_(kernel, type_),
        keyLength_(type_.getKeyLength()), valueLength_(type_.getValueLength()),
        lanes_(lanesFor(valueLength_)), sharing_(width(op_.getQuery()) / (type_.getHeads() * keyLength_)),
        together_(divisorUpTo(sharing_, b_.target().headsAtOnce)),
        piecesTogether_(divisorUpTo(valueLength_ / lanes_, b_.target().headsAtOnce / together_)),
        outputs_(b_.scratch(together_ * valueLength_ * 4)), weights_(b_.scratch(together_ * kPositions * 4)) {
  }

  void emit() {
    int64_t heads = type_.getHeads();
    b_.loop(kernel_.begin, kernel_.end, 1, [&](Value workgroup) {
      row_ = b_.div(workgroup, heads);
      head_ = b_.rem(workgroup, heads);
      position_ = b_.loadIndex(kernel_.pointer(op_.getPositions()), row_);
      sequence_ = b_.loadIndex(kernel_.pointer(op_.getSequences()), row_);
      first_ = b_.i64(0);
      if (op_.getWindow())
        first_ = b_.max(first_, b_.add(position_, 1 - int64_t(*op_.getWindow())));
      b_.loop(sharing_, together_,
              [&](Value queryHead) { emitHeads(b_.add(b_.mul(head_, sharing_), queryHead)); });
      if (width(op_) != paddedWidth(op_))
        b_.branch(b_.equal(head_, b_.i64(heads - 1)), [&] { storePadding(); });
    });
  }

private:
  Value scalar(double value) { return b_.constant(b_.f32(0), value); }
  Value outputPointer(int64_t head, Value element) {
    return b_.offset(b_.offset(outputs_, head * valueLength_ * 4), b_.mul(element, 4));
  }

  /// `together_` query heads from `queryHead` on. State of the loop over pages: each head's maximum, then
  /// each head's sum of weights; the weighted sums of values lie in outputs_.
  void emitHeads(Value queryHead) {
    Value zero = b_.constant(b_.f32(lanes_), 0.0);
    b_.loop(together_ * valueLength_, lanes_, [&](Value i) { b_.store(zero, outputPointer(0, i)); });
    Value queries = b_.offset(kernel_.rowPointer(op_.getQuery(), row_), b_.mul(queryHead, 4 * keyLength_));
    Values state(together_, scalar(-std::numeric_limits<double>::infinity()));
    state.append(together_, scalar(0));
    Value endBlock = b_.add(b_.div(position_, kPositions), 1);
    state = b_.loop(b_.div(first_, kPositions), endBlock, 1, state, [&](Value block, ValueRange current) {
      Value page = page_.address(kernel_.pointer(op_.getCache()), kernel_.pointer(op_.getBlockTable()),
                                 sequence_, block);
      Values next(current), rescale;
      Values scores = emitScores(queries, page_.keys(page, head_));
      Value firstPosition = b_.mul(block, kPositions);
      for (int64_t g = 0; g < together_; ++g)
        rescale.push_back(
            foldScores(g, mask(finish(scores[g]), firstPosition), next[g], next[together_ + g]));
      emitValues(page_.values(page, head_), firstPosition, rescale);
      return next;
    });
    storeOutputs(queryHead, ArrayRef(state).drop_front(together_));
  }

  /// Dot products of the queries with 16 keys.
  Values emitScores(Value queries, Value keys) {
    int64_t unroll = std::gcd(keyLength_, int64_t(4));
    Values zeros(together_, b_.constant(b_.f32(kPositions), 0.0));
    return b_.loop(b_.i64(0), b_.i64(keyLength_), unroll, zeros, [&](Value element, ValueRange state) {
      Values sums(state);
      Value key = b_.offset(keys, b_.mul(element, page_.keyBytes())),
            query = b_.offset(queries, b_.mul(element, 4));
      for (int64_t u = 0; u < unroll; ++u) {
        Value k = b_.loadNumber(page_.number(), b_.offset(key, u * page_.keyBytes()), kPositions);
        for (int64_t g = 0; g < together_; ++g) {
          Value q = b_.loadF32(b_.offset(query, (g * keyLength_ + u) * 4), 0);
          sums[g] = b_.fma(b_.broadcast(q, kPositions), k, sums[g]);
        }
      }
      return sums;
    });
  }

  Value finish(Value score) {
    auto splat = [&](APFloat number) { return b_.constant(score.getType(), number.convertToDouble()); };
    score = b_.mulf(score, splat(op_.getScale()));
    if (!op_.getSoftCap())
      return score;
    Value cap = splat(*op_.getSoftCap());
    return b_.mulf(cap, b_.tanh(b_.divf(score, cap)));
  }

  /// -infinity outside [first_, position_].
  Value mask(Value scores, Value firstPosition) {
    auto splat = [&](Value number) {
      return b_.broadcast(arith::TruncIOp::create(b_, b_.getI32Type(), number), kPositions);
    };
    Value infinity = b_.constant(scores.getType(), -std::numeric_limits<double>::infinity());
    Value places = b_.iota(kPositions);
    scores = b_.select(b_.less(splat(b_.sub(position_, firstPosition)), places), infinity, scores);
    if (!op_.getWindow())
      return scores;
    return b_.select(b_.less(places, splat(b_.sub(first_, firstPosition))), infinity, scores);
  }

  /// Takes a page's scores of head `g` into its maximum and sum; stores its weights and returns by what the
  /// outputs so far are to be multiplied.
  Value foldScores(int64_t g, Value scores, Value &maximum, Value &sum) {
    Value larger = b_.maxf(b_.maxLanes(scores), maximum);
    Value rescale = b_.exp(b_.subf(maximum, larger));
    Value weights = b_.exp(b_.subf(scores, b_.broadcast(larger, kPositions)));
    b_.store(weights, b_.offset(weights_, g * kPositions * 4));
    sum = b_.fma(sum, rescale, b_.sumLanes(weights));
    maximum = larger;
    return rescale;
  }

  /// Adds the page's values by weight, only those of positions that are attended to: what lies in other
  /// places of a page is unknown and could be infinite.
  void emitValues(Value values, Value firstPosition, ArrayRef<Value> rescale) {
    Value begin = b_.max(b_.sub(first_, firstPosition), b_.i64(0));
    Value end = b_.min(b_.add(b_.sub(position_, firstPosition), 1), b_.i64(kPositions));
    b_.loop(valueLength_, lanes_ * piecesTogether_, [&](Value element) {
      Values sums;
      for (int64_t g = 0; g < together_; ++g)
        for (int64_t piece = 0; piece < piecesTogether_; ++piece) {
          Value before = b_.loadF32(outputPointer(g, b_.add(element, piece * lanes_)), lanes_);
          sums.push_back(b_.mulf(before, b_.broadcast(rescale[g], lanes_)));
        }
      sums = b_.loop(begin, end, 1, sums, [&](Value position, ValueRange state) {
        return addPosition(b_.offset(values, b_.mul(element, page_.elementBytes())), position, state);
      });
      for (int64_t g = 0; g < together_; ++g)
        for (int64_t piece = 0; piece < piecesTogether_; ++piece)
          b_.store(sums[g * piecesTogether_ + piece], outputPointer(g, b_.add(element, piece * lanes_)));
    });
  }

  Values addPosition(Value values, Value position, ValueRange state) {
    Values sums(state), pieces;
    Value value = b_.offset(values, b_.mul(position, page_.valueBytes()));
    for (int64_t piece = 0; piece < piecesTogether_; ++piece)
      pieces.push_back(
          b_.loadNumber(page_.number(), b_.offset(value, piece * lanes_ * page_.elementBytes()), lanes_));
    for (int64_t g = 0; g < together_; ++g) {
      Value weight = b_.loadF32(b_.offset(b_.offset(weights_, g * kPositions * 4), b_.mul(position, 4)), 0);
      for (int64_t piece = 0; piece < piecesTogether_; ++piece) {
        Value &sum = sums[g * piecesTogether_ + piece];
        sum = b_.fma(b_.broadcast(weight, lanes_), pieces[piece], sum);
      }
    }
    return sums;
  }

  void storeOutputs(Value queryHead, ArrayRef<Value> sums) {
    Value out = b_.offset(kernel_.rowPointer(op_, row_), b_.mul(queryHead, 4 * valueLength_));
    for (int64_t g = 0; g < together_; ++g) {
      Value factor = b_.broadcast(b_.divf(scalar(1), sums[g]), lanes_);
      b_.loop(valueLength_, lanes_, [&](Value element) {
        Value output = b_.mulf(b_.loadF32(outputPointer(g, element), lanes_), factor);
        b_.store(output, b_.offset(b_.offset(out, g * valueLength_ * 4), b_.mul(element, 4)));
      });
    }
  }

  void storePadding() {
    Value row = kernel_.rowPointer(op_, row_);
    for (int64_t i = width(op_); i < paddedWidth(op_); ++i)
      b_.store(scalar(0), b_.offset(row, 4 * i));
  }

  KernelContext &kernel_;
  KernelBuilder &b_;
  lm::AttentionOp op_;
  lm::KVCacheType type_;
  CachePage page_;
  int64_t keyLength_, valueLength_, lanes_;
  int64_t sharing_;        ///< query heads of a key/value head
  int64_t together_;       ///< of these, how many go through a page at once
  int64_t piecesTogether_; ///< vectors of a value that are added at once
  Value outputs_, weights_;
  Value row_, head_, position_, sequence_, first_;
};

} // namespace

void lamina::emitAttention(KernelContext &kernel) { AttentionKernel(kernel).emit(); }
