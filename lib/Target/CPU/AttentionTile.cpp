//===- AttentionTile.cpp - queries that go through a cache together -----------------------------------===//

#include "lib/Target/CPU/AttentionTile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <limits>

using namespace mlir;
using namespace lamina;

namespace {

constexpr int64_t kPositions = LAMINA_KV_PAGE_TOKENS; // of a page: the lanes of scores
constexpr int64_t kMaxQueries = 8;
constexpr double kLog2e = 1.4426950408889634;
static_assert(kPositions == kPackedRows && LAMINA_ATTENTION_BLOCK % kPositions == 0);

/// The largest divisor of `number` up to `most`.
int64_t divisorUpTo(int64_t number, int64_t most) {
  int64_t divisor = std::max<int64_t>(std::min(number, most), 1);
  while (number % divisor != 0)
    --divisor;
  return divisor;
}

} // namespace

//===--- Shape -------------------------------------------------------------------------------------------===//

int64_t AttentionTile::headsTogether(const TargetInfo &target, lm::OnlineAttentionOp op) {
  return divisorUpTo(op.getQueryHeads() / op.getCache().getType().getHeads(),
                     std::min<int64_t>(target.attentionChains, kMaxQueries));
}

int64_t AttentionTile::rowsTogether(const TargetInfo &target, lm::OnlineAttentionOp op) {
  int64_t room = std::min<int64_t>(target.attentionChains, kMaxQueries) / headsTogether(target, op);
  return llvm::bit_floor(uint64_t(room));
}

int64_t AttentionTile::memoryBytes(lm::OnlineAttentionOp op) {
  lm::KVCacheType type = op.getCache().getType();
  int64_t numbers =
      type.getKeyLength() + llvm::alignTo(type.getValueLength(), kPositions) + 2 * kBlock + 2 * kPositions;
  return 4 * kMaxQueries * numbers;
}

/// On targets whose additions broadcast from memory two additions of one number broadcast it twice rather than
/// keep it in a register, and LLVM must not see that it is the same number.
static std::array<Value, 2> twice(KernelBuilder &b, Value memory) {
  return {memory, b.target().foldsBroadcasts ? b.opaque(memory) : memory};
}

AttentionTile::Memory::Memory(KernelBuilder &b, lm::OnlineAttentionOp op, int64_t queries) {
  lm::KVCacheType type = op.getCache().getType();
  auto numbers = [&](int64_t count) { return b.scratch(4 * count); };
  this->queries = twice(b, numbers(queries * type.getKeyLength()));
  scores = twice(b, numbers(queries * LAMINA_ATTENTION_BLOCK));
  weights = twice(b, numbers(queries * LAMINA_ATTENTION_BLOCK)); // multiplied by the scales of values
  values = numbers(queries * llvm::alignTo(type.getValueLength(), kPositions));
  sums = numbers(queries * kPositions);
  laneMaxima = numbers(queries * kPositions);
  for (Value *memory : {&maxima, &rescale, &first, &last})
    *memory = numbers(kPositions);
}

AttentionTile::AttentionTile(KernelContext &kernel, lm::OnlineAttentionOp op, int64_t rows,
                             const Memory &memory)
    : kernel_(kernel), b_(kernel.b), op_(op), type_(op.getCache().getType()), page_(kernel, type_),
      memory_(memory), rows_(rows), heads_(headsTogether(kernel.b.target(), op)),
      keyLength_(type_.getKeyLength()), valueLength_(type_.getValueLength()), lanes_(lanesFor(valueLength_)) {
  int64_t chains = std::max<int64_t>(b_.target().attentionChains / queries(), 1);
  vectors_ = divisorUpTo(kBlock / kPage, chains);
  pieces_ = divisorUpTo((page_.hasScales() ? CachePage::kBlock : valueLength_) / lanes_, chains);
}

//===--- A range -----------------------------------------------------------------------------------------===//

void AttentionTile::open(Value row, Value count, Value head, Value queryHead) {
  Value positions = kernel_.pointer(op_.getPositions());
  position_.clear();
  first_.clear();
  queryRow_.clear();
  for (int64_t r = 0; r < rows_; ++r) {
    Value own = r == 0 ? row : b_.add(row, b_.min(b_.i64(r), b_.add(count, -1)));
    queryRow_.push_back(own);
    position_.push_back(b_.loadIndex(positions, own));
    first_.push_back(b_.i64(0));
    if (op_.getWindow())
      first_.back() = b_.max(first_.back(), b_.add(position_.back(), 1 - int64_t(*op_.getWindow())));
  }
  sequence_ = b_.loadIndex(kernel_.pointer(op_.getSequences()), row);
  head_ = head;
  lastPage_ = b_.div(position_.back(), kPage);
  float scale = op_.getScale().convertToFloat();
  double factor = op_.getSoftCap() ? double(scale) / op_.getSoftCap()->convertToFloat() : scale * kLog2e;
  int64_t lanes = lanesFor(keyLength_);
  auto storePosition = [&](Value position, Value memory, int64_t query) {
    b_.store(arith::TruncIOp::create(b_, b_.getI32Type(), position), number(memory, query));
  };
  for (int64_t q = 0; q < queries(); ++q) {
    storePosition(first_[rowOf(q)], memory_.first, q);
    storePosition(position_[rowOf(q)], memory_.last, q);
    Value from = b_.offset(kernel_.rowPointer(op_.getQuery(), queryRow_[rowOf(q)]),
                           b_.mul(b_.add(queryHead, q % heads_), 4 * keyLength_));
    Value to = b_.offset(memory_.queries[0], 4 * q * keyLength_);
    b_.loop(keyLength_, lanes, [&](Value element) {
      Value query = b_.loadF32(b_.offset(from, b_.mul(element, 4)), lanes);
      b_.store(b_.mulf(query, b_.constant(query.getType(), factor)), b_.offset(to, b_.mul(element, 4)));
    });
  }
}

PartialPlace AttentionTile::partial(int64_t row) {
  int64_t query = row * heads_, stride = 4 * llvm::alignTo(valueLength_, kPositions);
  // Where maxima of lanes were in a block there are sums of all lanes when a range ends.
  return {b_.offset(memory_.values, query * stride), number(memory_.maxima, query),
          number(memory_.laneMaxima, query), stride};
}

void AttentionTile::emitRange(Value range, bool headsFollow) {
  emitEmptyPartial(b_, partial(0), queries(), valueLength_);
  for (int64_t q = 0; q < queries(); ++q)
    b_.store(b_.constant(b_.f32(kPositions), 0.0), number(memory_.sums, q * kPositions));
  Value from = b_.mul(range, op_.getRange());
  Value begin = b_.div(b_.max(from, first_.front()), kBlock);
  Value last = b_.min(b_.add(from, op_.getRange() - 1), position_.back());
  Value end = b_.add(b_.div(last, kBlock), 1);
  b_.loop(begin, end, 1, [&](Value block) { emitBlock(block, begin, end, headsFollow); });
  for (int64_t q = 0; q < queries(); ++q)
    b_.store(b_.sumLanes(b_.loadF32(number(memory_.sums, q * kPositions), kPositions)),
             number(memory_.laneMaxima, q));
}

/// The block that comes `blocks` blocks later. After the last one of a range the next head begins where this one
/// began, after the last head the next range.
AttentionTile::Ahead AttentionTile::blockAhead(Value block, Value begin, Value end, int64_t blocks,
                                               bool headsFollow) {
  constexpr int64_t kPages = kBlock / kPage;
  Ahead next{b_.i64(blocks * kPages), head_};
  if (!headsFollow)
    return next;
  Value sameHead = b_.less(b_.add(block, blocks), end);
  Value another = b_.less(b_.add(head_, 1), b_.i64(type_.getHeads()));
  Value back = b_.sub(next.pages, b_.mul(b_.sub(end, begin), kPages));
  next.pages = b_.select(sameHead, next.pages, b_.select(another, back, next.pages));
  next.head = b_.select(sameHead, head_, b_.select(another, b_.add(head_, 1), b_.i64(0)));
  return next;
}

void AttentionTile::emitBlock(Value block, Value begin, Value end, bool headsFollow) {
  Block at;
  at.firstPosition = b_.mul(block, kBlock);
  at.begin = b_.max(first_.front(), at.firstPosition);
  at.end = b_.min(b_.add(position_.back(), 1), b_.add(at.firstPosition, kBlock));
  for (int64_t blocks : {1, 2})
    at.ahead.push_back(blockAhead(block, begin, end, blocks, headsFollow));
  Value tileBegin = b_.div(b_.sub(at.begin, at.firstPosition), vectors_ * kPage);
  Value tileEnd = b_.add(b_.div(b_.sub(b_.add(at.end, -1), at.firstPosition), vectors_ * kPage), 1);
  b_.loop(tileBegin, tileEnd, 1, [&](Value tile) { emitScores(at, tile); });
  maskScores(at);
  foldMaxima();
  emitWeights();
  emitValues(at);
}

//===--- Softmax -----------------------------------------------------------------------------------------===//

Value AttentionTile::finish(Value score) {
  if (!op_.getSoftCap())
    return score;
  double cap = double(op_.getSoftCap()->convertToFloat()) * kLog2e;
  return b_.mulf(b_.tanh(score), b_.constant(score.getType(), cap));
}

/// Finishes scores: -infinity where a query does not attend. Finds the greatest of each lane.
void AttentionTile::maskScores(const Block &block) {
  Type places = b_.i32(kPositions);
  Value begin = arith::TruncIOp::create(b_, b_.getI32Type(), block.firstPosition);
  Value firstPlaces = b_.add(b_.broadcast(begin, kPositions), b_.iota(kPositions));
  Value infinity = b_.constant(b_.f32(kPositions), -std::numeric_limits<double>::infinity());
  b_.loop(queries(), 1, [&](Value query) {
    auto position = [&](Value memory) {
      return b_.broadcast(b_.load(b_.getI32Type(), b_.offset(memory, b_.mul(query, 4))), kPositions);
    };
    Value first = position(memory_.first), last = position(memory_.last), greatest;
    Value scores = b_.offset(memory_.scores[0], b_.mul(query, 4 * kBlock));
    for (int64_t v = 0; v < kBlock / kPositions; ++v) {
      Value place = number(scores, v * kPositions);
      Value positions = b_.add(firstPlaces, b_.constant(places, v * kPositions));
      Value score = b_.select(b_.less(last, positions), infinity, finish(b_.loadF32(place, kPositions)));
      if (op_.getWindow())
        score = b_.select(b_.less(positions, first), infinity, score);
      b_.store(score, place);
      greatest = greatest ? b_.maxf(greatest, score) : score;
    }
    b_.store(greatest, b_.offset(memory_.laneMaxima, b_.mul(query, 4 * kPositions)));
  });
}

/// The greatest scores so far, and by what is to be multiplied what was added up below the old ones.
void AttentionTile::foldMaxima() {
  Values lanes;
  for (int64_t q = 0; q < int64_t(llvm::PowerOf2Ceil(uint64_t(queries()))); ++q)
    lanes.push_back(
        b_.loadF32(number(memory_.laneMaxima, std::min(q, queries() - 1) * kPositions), kPositions));
  Value before = b_.loadF32(memory_.maxima, int64_t(lanes.size()));
  Value greatest = b_.maxf(b_.maxOfEach(lanes), before);
  b_.store(greatest, memory_.maxima);
  b_.store(b_.exp2(b_.subf(before, greatest)), memory_.rescale);
}

/// Scores become weights.
void AttentionTile::emitWeights() {
  b_.loop(queries(), 1, [&](Value query) {
    auto ofQuery = [&](Value memory) {
      return b_.broadcast(b_.loadF32(b_.offset(memory, b_.mul(query, 4)), 0), kPositions);
    };
    Value greatest = ofQuery(memory_.maxima), sum;
    Value scores = b_.offset(memory_.scores[0], b_.mul(query, 4 * kBlock));
    for (int64_t v = 0; v < kBlock / kPositions; ++v) {
      Value place = number(scores, v * kPositions);
      Value weight = b_.exp2(b_.subf(b_.loadF32(place, kPositions), greatest));
      b_.store(weight, place);
      sum = sum ? b_.addf(sum, weight) : weight;
    }
    Value sums = b_.offset(memory_.sums, b_.mul(query, 4 * kPositions));
    b_.store(b_.fma(b_.loadF32(sums, kPositions), ofQuery(memory_.rescale), sum), sums);
  });
}
