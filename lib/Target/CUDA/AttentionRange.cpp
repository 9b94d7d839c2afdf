//===- AttentionRange.cpp - queries against a range of positions, by a block --------------------------===//

#include "lib/Target/CUDA/ScalarAttention.h"
#include "lib/Target/CUDA/TileAttention.h"

#include <limits>

using namespace mlir;
using namespace lamina;

AttentionRange::AttentionRange(DeviceContext &kernel, lm::OnlineAttentionOp op, int64_t heads,
                               int64_t queries, int64_t elements)
    : kernel_(kernel), b_(kernel.device), op_(op), type_(op.getCache().getType()), page_(kernel, type_),
      slots_(kernel, op.getResult(), op.getQueryHeads(), type_.getValueLength()),
      keyLength_(type_.getKeyLength()), valueLength_(type_.getValueLength()), heads_(heads),
      queries_(queries), elements_(elements) {
  if (op.getCached())
    cached_.emplace(kernel, op.getCached(), op.getQueryHeads(), valueLength_);
}

int64_t AttentionRange::headsTogether(lm::OnlineAttentionOp op, int64_t most) {
  int64_t sharing = int64_t(op.getQueryHeads()) / op.getCache().getType().getHeads();
  int64_t heads = std::min(sharing, most);
  while (sharing % heads != 0)
    --heads;
  return heads;
}

int64_t lamina::mostAttentionRows(lm::OnlineAttentionOp op) {
  return TileAttention::takes(op.getCache().getType()) ? TileAttention::mostRows(op) : 1;
}

std::unique_ptr<AttentionRange> lamina::makeAttentionRange(DeviceContext &kernel, lm::OnlineAttentionOp op,
                                                           int64_t rows) {
  if (TileAttention::takes(op.getCache().getType()))
    return std::make_unique<TileAttention>(kernel, op, rows);
  return std::make_unique<ScalarAttention>(kernel, op);
}

//===--- Partial results ------------------------------------------------------------------------------===//

AttentionRange::Partial AttentionRange::empty() {
  return {Values(queries_, number(-double(std::numeric_limits<float>::max()))), Values(queries_, number(0.0)),
          Values(queries_ * elements_, number(0.0))};
}

AttentionRange::Partial AttentionRange::merge(const Partial &into, const Partial &from) {
  Partial merged;
  for (int64_t q = 0; q < queries_; ++q) {
    PartialMerge merge(b_, into.maxima[q], from.maxima[q]);
    merged.maxima.push_back(merge.greatest());
    merged.sums.push_back(merge.add(into.sums[q], from.sums[q]));
    for (int64_t i = q * elements_; i < (q + 1) * elements_; ++i)
      merged.values.push_back(merge.add(into.values[i], from.values[i]));
  }
  return merged;
}

Values AttentionRange::flat(const Partial &partial) {
  Values all = partial.maxima;
  llvm::append_range(all, partial.sums);
  llvm::append_range(all, partial.values);
  return all;
}

AttentionRange::Partial AttentionRange::unflat(ValueRange all) const {
  return {Values(all.take_front(queries_)), Values(all.slice(queries_, queries_)),
          Values(all.drop_front(2 * queries_))};
}

//===--- Queries and positions -------------------------------------------------------------------------===//

double AttentionRange::queryFactor() {
  float scale = op_.getScale().convertToFloat();
  return op_.getSoftCap() ? double(scale) / op_.getSoftCap()->convertToFloat() : scale * kLog2e;
}

Value AttentionRange::firstPosition(Value position) {
  Value zero = b_.i64(0);
  return op_.getWindow() ? b_.max(zero, b_.add(position, 1 - int64_t(*op_.getWindow()))) : zero;
}

/// Pages after the sequence's last one are that one: what is read there is masked.
Value AttentionRange::pageAddress(Value sequence, Value page, Value last) {
  return page_.address(kernel_.pointer(op_.getCache()), kernel_.pointer(op_.getBlockTable()), sequence,
                       b_.min(page, b_.div(last, kPage)));
}

Value AttentionRange::finish(Value product, Value position, Value first, Value last) {
  if (op_.getSoftCap())
    product = b_.mulf(b_.tanh(product), number(double(op_.getSoftCap()->convertToFloat()) * kLog2e));
  Value infinity = number(-std::numeric_limits<double>::infinity());
  Value score = b_.select(b_.less(last, position), infinity, product);
  return op_.getWindow() ? b_.select(b_.less(position, first), infinity, score) : score;
}
