//===- LinearKernel.cpp - products with weight matrices and what follows them -------------------------===//
//
// One or more lm.linear of one input, then elementwise operations on their results and rounding. A block has
// two groups of 16 rows, half of its threads each. Teams of threads share a row's steps (DeviceProduct); a
// warp folds what its teams have, and the block's warps are added in ascending order. Which additions stand
// behind an output follows from the weight alone: forms for more tokens do the same for several rows of the
// input.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CUDA/DeviceProduct.h"
#include "lib/Target/CUDA/DeviceTail.h"
#include "lib/Target/CUDA/KernelGenerators.h"
#include "lib/Target/Kernels/ElementwiseTail.h"
#include "lib/Target/Kernels/ProductParts.h"

using namespace mlir;
using namespace lamina;

namespace {

/// Tokens that go through a weight together when there are many: as registers allow.
int64_t tileTokens(const ProductPart &part) {
  auto input = cast<RankedTensorType>(lm::LinearOp(part.linears[0]).getInput().getType());
  return isa<lm::Q8Type>(input.getElementType()) ? 8 : 4;
}

static_assert(kGroupsPerBlock * kPackedRows == kWarp, "a warp finishes the outputs of a token");

/// Products of one input whose results meet, in the same rows of their weights, and what the kernel yields of
/// them.
class DeviceLinear {
public:
  DeviceLinear(DeviceContext &kernel, ArrayRef<Operation *> products, ArrayRef<Value> results)
      : kernel_(kernel), b_(kernel.device), tail_(kernel), ops_(products), results_(results),
        half_(b_.threads() / kGroupsPerBlock) {}

  /// Workgroup `pair`, for up to `tokens` tokens at once. `matrix` is which one of a stack of matrices.
  void place(Value pair, int64_t tokens, Value matrix = {}) {
    firstGroup_ = b_.mul(pair, kGroupsPerBlock);
    Value thread = b_.rem(b_.thread(), half_), group = b_.add(firstGroup_, b_.div(b_.thread(), half_));
    for (Operation *op : ops_) {
      Value weight = op->getOperands().back();
      DeviceProduct &product = products_.emplace_back(b_, op->getOperand(0), weight, thread, half_);
      const WeightDecoder &decoder = product.decoder();
      Value base = kernel_.pointer(weight);
      if (matrix)
        base = b_.offset(base, b_.mul(matrix, decoder.matrixBytes()));
      // An odd last group has its block alone.
      Value own = b_.min(group, b_.i64(decoder.groups() - 1));
      groups_.push_back(b_.offset(base, b_.mul(own, decoder.groupBytes())));
      partials_.push_back(b_.shared(tokens * b_.warps() * kPackedRows * 4));
    }
  }

  /// The rows of the step from `first` on, at most `tokens`.
  void emitTile(Value first, int64_t tokens) {
    Value last = b_.sub(kernel_.rows, b_.i64(1)), input = ops_[0]->getOperand(0);
    Values inputRows;
    for (int64_t t = 0; t < tokens; ++t) // rows beyond the last repeat it
      inputRows.push_back(kernel_.rowPointer(input, t == 0 ? first : b_.min(b_.add(first, t), last)));
    multiply(inputRows);
    Value count = b_.min(b_.i64(tokens), b_.sub(kernel_.rows, first));
    b_.loop(b_.warp(), count, b_.warps(), [&](Value t) { storeResults(b_.add(first, t), {}, t); });
    b_.barrier(); // the partial sums' places are used again
  }

  /// One row of an input, and its results.
  void emitRow(Value inputRow, Value row, Value slot) {
    multiply(inputRow);
    b_.branch(b_.equal(b_.warp(), b_.i64(0)), [&] { storeResults(row, slot, b_.i64(0)); });
  }

private:
  void multiply(ValueRange inputRows) {
    for (size_t i = 0; i < products_.size(); ++i)
      for (auto [t, sum] : llvm::enumerate(products_[i].addSteps(groups_[i], inputRows)))
        storePartial(i, t, sum);
    b_.barrier();
  }

  /// Of the token `t` of a tile, what a warp has of its group.
  Value partialPlace(size_t product, Value t, Value warp) {
    return b_.offset(partials_[product], b_.mul(b_.add(b_.mul(t, b_.warps()), warp), kPackedRows * 4));
  }

  /// Adds up what the lanes of a warp have, which hold the rows of a group several times.
  void storePartial(size_t product, int64_t t, Value sum) {
    int64_t lanes = products_[product].threadsOfTeam(), rows = products_[product].rowsEach();
    Value place =
        b_.offset(partialPlace(product, b_.i64(t), b_.warp()), b_.mul(b_.rem(b_.lane(), lanes), 4 * rows));
    auto add = [&](Value x, Value y) { return b_.addf(x, y); };
    for (int64_t r = 0; r < rows; ++r) // lanes of the same rows store the same
      b_.store(b_.foldWarp(b_.extract(sum, r), add, lanes), b_.offset(place, 4 * r));
  }

  /// The sum that a lane's output has of a product: its group's warps in ascending order.
  Value wholeSum(size_t product, Value t) {
    Value half = b_.div(b_.lane(), kPackedRows), row = b_.rem(b_.lane(), kPackedRows), sum;
    int64_t warps = b_.warps() / kGroupsPerBlock;
    for (int64_t w = 0; w < warps; ++w) {
      Value place = partialPlace(product, t, b_.add(b_.mul(half, warps), w));
      Value partial = b_.loadF32(b_.offset(place, b_.mul(row, 4)), 0);
      sum = sum ? b_.addf(sum, partial) : partial;
    }
    return sum;
  }

  /// A warp finishes a token, which is number `t` of the tile: a lane is an output.
  void storeResults(Value row, Value slot, Value t) {
    Value firstColumn = b_.mul(firstGroup_, kPackedRows);
    Point point{row, slot, b_.add(firstColumn, b_.lane()), 0};
    for (auto [i, op] : llvm::enumerate(ops_))
      tail_.define(op->getResult(0), wholeSum(i, t));
    for (Value result : results_)
      if (auto quantize = result.getDefiningOp<lm::QuantizeOp>())
        emitWarpBlock(b_, tail_.at(quantize.getInput(), point),
                      tail_.address(quantize, {row, slot, firstColumn, 0}));
      else
        b_.branch(b_.less(point.column, b_.i64(paddedWidth(result))),
                  [&] { tail_.storeResult(result, point); });
  }

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  ElementwiseTail tail_;
  SmallVector<Operation *> ops_;
  SmallVector<Value> results_;
  int64_t half_; ///< threads of a group
  std::vector<DeviceProduct> products_;
  Values groups_, partials_;
  Value firstGroup_;
};

/// Workgroup `own` of a part: for `tokens` tokens, or as many as the step has.
void emitPart(DeviceContext &kernel, const ProductPart &part, Value own, int64_t tokens, int64_t shares) {
  DeviceBuilder &b = kernel.device;
  SmallVector<Operation *> ops(part.linears.begin(), part.linears.end());
  int64_t pairs = part.workgroups(kGroupsPerBlock);
  auto few = [&](Value pair, int64_t count) {
    DeviceLinear linear(kernel, ops, part.results);
    linear.place(pair, count);
    linear.emitTile(b.i64(0), count);
  };
  if (tokens != 0)
    return few(own, tokens);
  Value pair = b.rem(own, pairs), share = b.div(own, pairs);
  auto many = [&] {
    DeviceLinear linear(kernel, ops, part.results);
    int64_t tile = tileTokens(part);
    linear.place(pair, tile);
    b.loop(b.mul(share, tile), kernel.rows, shares * tile, [&](Value first) { linear.emitTile(first, tile); });
  };
  if (kernel.rows == kernel.tokens)
    return many();
  b.branch(b.equal(kernel.rows, b.i64(1)), [&] { few(pair, 1); }, many);
}

} // namespace

void lamina::emitDeviceLinear(DeviceContext &kernel, int64_t tokens) {
  DeviceBuilder &b = kernel.device;
  int64_t shares = tokens != 0 || kernel.rows != kernel.tokens ? 1 : kTokenShares, before = 0;
  for (const ProductPart &part : productParts(kernel.body)) {
    int64_t end = before + part.workgroups(kGroupsPerBlock) * shares;
    Value own = b.sub(kernel.begin, b.i64(before)), no = b.constant(b.getI1Type(), int64_t(0));
    Value mine = b.select(b.less(own, b.i64(0)), no, b.less(kernel.begin, b.i64(end)));
    b.branch(mine, [&] { emitPart(kernel, part, own, tokens, shares); });
    before = end;
  }
}

/// A block is a row, one of its experts and a pair of groups.
void lamina::emitDeviceExpertLinear(DeviceContext &kernel) {
  DeviceBuilder &b = kernel.device;
  SmallVector<lm::ExpertLinearOp> linears = kernel.ops<lm::ExpertLinearOp>();
  lm::ExpertLinearOp first = linears.front();
  int64_t slots = width(first.getExperts());
  int64_t pairs = llvm::divideCeil(width(first.getResult()), kPackedRows * kGroupsPerBlock);
  Value choice = b.div(kernel.begin, pairs), row = b.div(choice, slots), slot = b.rem(choice, slots);
  auto type = cast<RankedTensorType>(first.getInput().getType());
  Value input = kernel.rowPointer(first.getInput(), row);
  if (type.getRank() == 3) // otherwise all experts of a token share its row
    input = b.offset(input, b.mul(slot, rowBytes(first.getInput()) / type.getDimSize(1)));
  SmallVector<Operation *> ops(linears.begin(), linears.end());
  SmallVector<Value> results(kernel.results());
  DeviceLinear linear(kernel, ops, results);
  linear.place(b.rem(kernel.begin, pairs), 1, b.loadIndex(kernel.rowPointer(first.getExperts(), row), slot));
  linear.emitRow(input, row, slot);
}
