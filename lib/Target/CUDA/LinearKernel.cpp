//===- LinearKernel.cpp - products with weight matrices and what follows them -------------------------===//
//
// One or more lm.linear of one input, then elementwise operations on their results and rounding. A block has some groups
// of 16 rows, equal shares of its threads each, and multiplies on ordinary units or on tensor cores:
//
//   DeviceProduct  teams of threads share a row's steps; a warp folds what its teams have
//   TileProduct    a warp has tiles of tokens: rounded activations of many tokens, weights of 16 bits in every form
//
// A group's warps are added in ascending order. Which additions stand behind an output follows from the weight alone,
// whatever the form.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CUDA/ByteTileProduct.h"
#include "lib/Target/CUDA/DeviceProduct.h"
#include "lib/Target/CUDA/DeviceTail.h"
#include "lib/Target/CUDA/HalfTileProduct.h"
#include "lib/Target/Kernels/ElementwiseTail.h"
#include "lib/Target/Kernels/ProductParts.h"

using namespace mlir;
using namespace lamina;

namespace {

/// Groups whose outputs of a token are finished by a warp.
constexpr int64_t kGroupsOfWarp = kWarp / kPackedRows;

/// Where a matrix has a group. Groups beyond the last repeat it.
Value groupAddress(KernelBuilder &b, const WeightDecoder &decoder, Value matrix, Value group) {
  Value existing = b.min(group, b.i64(decoder.groups() - 1));
  return b.offset(matrix, b.mul(existing, decoder.groupBytes()));
}

/// Products of one input whose results meet, in the same rows of their weights, and what the kernel yields of
/// them.
class DeviceLinear {
public:
  DeviceLinear(DeviceContext &kernel, ArrayRef<Operation *> products, ArrayRef<Value> results)
      : kernel_(kernel), b_(kernel.device), tail_(kernel), ops_(products), results_(results) {}

  /// Workgroup `own` of those that `form` makes. `matrix` is which one of a stack of matrices.
  void place(Value own, const ProductForm &form, Value matrix = {}) {
    form_ = form;
    firstGroup_ = b_.mul(own, form.groups);
    int64_t threads = b_.threads() / form.groups;
    Value group = b_.add(firstGroup_, b_.div(b_.thread(), threads));
    for (Operation *op : ops_) {
      Value input = op->getOperand(0), weight = op->getOperands().back();
      Product &product = products_.emplace_back();
      int64_t ofOneToken =
          b_.threads() / kOneToken.groups; // threads of a group, which all forms have teams of
      if (HalfTileProduct::multiplies(op))
        product.tiles = std::make_unique<HalfTileProduct>(kernel_, input, weight, form.tokens,
                                                          ofOneToken / kWarp, warpsOfGroup());
      else if (form.tiles)
        product.tiles = std::make_unique<ByteTileProduct>(kernel_, input, weight, form.tokens,
                                                          ofOneToken / kTeamOfCodes, warpsOfGroup());
      else
        product.numbers.emplace(b_, input, weight, b_.rem(b_.thread(), threads), threads);
      const WeightDecoder &decoder = product.tiles ? product.tiles->decoder() : product.numbers->decoder();
      Value base = kernel_.pointer(weight);
      if (matrix)
        base = b_.offset(base, b_.mul(matrix, decoder.matrixBytes()));
      groups_.push_back(groupAddress(b_, decoder, base, group));
      partials_.push_back(b_.shared(form.tokens * b_.warps() * kPackedRows * 4));
    }
  }

  /// The rows of the step from `first` on, at most as many as go together.
  void emitTile(Value first) {
    Values rows;
    for (size_t i = 0; i < products_.size(); ++i) {
      if (products_[i].tiles) {
        b_.shareInstead([&] { multiplyTiles(i, first); });
        continue;
      }
      if (rows.empty())
        rows = inputRows(first);
      multiply(i, rows);
    }
    b_.barrier();
    Value count = b_.min(b_.i64(form_.tokens), b_.sub(kernel_.rows, first));
    int64_t pairs = form_.groups / kGroupsOfWarp;
    b_.loop(b_.warp(), b_.mul(count, pairs), b_.warps(), [&](Value i) {
      Value t = b_.div(i, pairs);
      storeResults(b_.add(first, t), {}, t, b_.rem(i, pairs));
    });
    b_.barrier(); // the partial sums' places are used again
  }

  /// One row of an input, and its results.
  void emitRow(Value inputRow, Value row, Value slot) {
    for (size_t i = 0; i < products_.size(); ++i)
      multiply(i, inputRow);
    b_.barrier();
    b_.branch(b_.equal(b_.warp(), b_.i64(0)), [&] { storeResults(row, slot, b_.i64(0), b_.i64(0)); });
  }

private:
  int64_t warpsOfGroup() const { return b_.warps() / form_.groups; }

  Values inputRows(Value first) {
    Value last = b_.sub(kernel_.rows, b_.i64(1)), input = ops_[0]->getOperand(0);
    Values rows;
    for (int64_t t = 0; t < form_.tokens; ++t) // rows beyond the last repeat it
      rows.push_back(kernel_.rowPointer(input, t == 0 ? first : b_.min(b_.add(first, t), last)));
    return rows;
  }

  /// A warp alone in its group adds up what it would have as several.
  void multiplyTiles(size_t product, Value first) {
    TileProduct &tiles = *products_[product].tiles;
    auto store = [&](Value round, Value sum, Value row, Value token) {
      auto add = [&] {
        Value place = b_.offset(partialPlace(product, token, b_.warp()), b_.mul(row, 4)), own = sum;
        if (tiles.rounds() > 1)
          own = b_.select(b_.equal(round, b_.i64(0)), sum, b_.addf(b_.loadF32(place, 0), sum));
        b_.store(own, place);
      };
      form_.tokens % TileProduct::kTokens == 0 ? add() : b_.branch(b_.less(token, b_.i64(form_.tokens)), add);
    };
    tiles.multiply(groups_[product], b_.rem(b_.warp(), warpsOfGroup()), first, store);
  }

  void multiply(size_t product, ValueRange inputRows) {
    for (auto [t, sum] : llvm::enumerate(products_[product].numbers->addSteps(groups_[product], inputRows)))
      storePartial(product, t, sum);
  }

  /// Of the token `t` of a tile, what a warp has of its group.
  Value partialPlace(size_t product, Value t, Value warp) {
    return b_.offset(partials_[product], b_.mul(b_.add(b_.mul(t, b_.warps()), warp), kPackedRows * 4));
  }

  /// Adds up what the lanes of a warp have, which hold the rows of a group several times.
  void storePartial(size_t product, int64_t t, Value sum) {
    int64_t lanes = products_[product].numbers->threadsOfTeam(),
            rows = products_[product].numbers->rowsEach();
    Value place =
        b_.offset(partialPlace(product, b_.i64(t), b_.warp()), b_.mul(b_.rem(b_.lane(), lanes), 4 * rows));
    auto add = [&](Value x, Value y) { return b_.addf(x, y); };
    for (int64_t r = 0; r < rows; ++r) // lanes of the same rows store the same
      b_.store(b_.foldWarp(b_.extract(sum, r), add, lanes), b_.offset(place, 4 * r));
  }

  /// The sum that a lane's output has of a product: its group's warps in ascending order.
  Value wholeSum(size_t product, Value t, Value pair) {
    Value half = b_.div(b_.lane(), kPackedRows), row = b_.rem(b_.lane(), kPackedRows), sum;
    Value firstWarp = b_.mul(b_.add(b_.mul(pair, kGroupsOfWarp), half), warpsOfGroup());
    for (int64_t w = 0; w < warpsOfGroup(); ++w) {
      Value place = partialPlace(product, t, b_.add(firstWarp, w));
      Value partial = b_.loadF32(b_.offset(place, b_.mul(row, 4)), 0);
      sum = sum ? b_.addf(sum, partial) : partial;
    }
    return sum;
  }

  /// A warp finishes a pair of the block's groups for token number `t` of the tile: a lane is an output.
  void storeResults(Value row, Value slot, Value t, Value pair) {
    Value firstColumn = b_.mul(b_.add(firstGroup_, b_.mul(pair, kGroupsOfWarp)), kPackedRows);
    Point point{row, slot, b_.add(firstColumn, b_.lane()), 0};
    for (auto [i, op] : llvm::enumerate(ops_))
      tail_.define(op->getResult(0), wholeSum(i, t, pair));
    for (Value result : results_)
      if (auto quantize = result.getDefiningOp<lm::QuantizeOp>())
        b_.branch(b_.less(firstColumn, b_.i64(width(result))), [&] {
          emitWarpBlock(b_, tail_.at(quantize.getInput(), point),
                        tail_.address(quantize, {row, slot, firstColumn, 0}));
        });
      else
        b_.branch(b_.less(point.column, b_.i64(paddedWidth(result))),
                  [&] { tail_.storeResult(result, point); });
  }

  /// One of the two.
  struct Product {
    std::optional<DeviceProduct> numbers = {};
    std::unique_ptr<TileProduct> tiles = {};
  };

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  ElementwiseTail tail_;
  SmallVector<Operation *> ops_;
  SmallVector<Value> results_;
  ProductForm form_;
  std::vector<Product> products_;
  Values groups_, partials_;
  Value firstGroup_;
};

/// Workgroup `own` of a part: shares of the tokens are the slower index.
void emitPart(DeviceContext &kernel, const ProductPart &part, Value own, const ProductForm &form) {
  DeviceBuilder &b = kernel.device;
  SmallVector<Operation *> ops(part.linears.begin(), part.linears.end());
  int64_t workgroups = part.workgroups(form.groups);
  Value place = b.rem(own, workgroups), share = b.div(own, workgroups);
  auto multiply = [&](const ProductForm &shape) {
    DeviceLinear linear(kernel, ops, part.results);
    linear.place(place, shape);
    if (shape.maxTokens == shape.tokens)
      return linear.emitTile(b.i64(0));
    b.loop(b.mul(share, shape.tokens), kernel.rows, shape.shares * shape.tokens,
           [&](Value first) { linear.emitTile(first); });
  };
  if (kernel.rows == kernel.tokens)
    return multiply(form);
  // The plan does not choose by output rows.
  assert(form.groups == kOneToken.groups && "a single row has the same workgroups");
  b.branch(
      b.equal(kernel.rows, b.i64(1)), [&] { b.shareInstead([&] { multiply(kOneToken); }); },
      [&] { b.shareInstead([&] { multiply(form); }); });
}

} // namespace

/// A line for each thread, from the beginning of the block's groups on: where memory is what binds, all teams' first steps.
/// No branches, behind which LLVM might go on twice: a block that has nothing of a part asks for its nearest group.
void lamina::prefetchDeviceWeights(DeviceContext &kernel, const ProductForm &form) {
  constexpr int64_t kLineBytes = 128;
  DeviceBuilder &b = kernel.device;
  if (form.shares > 1) // for many tokens, which keep it busy for longer
    return;
  int64_t threads = b.threads() / form.groups, before = 0;
  Values lines; // of weights that meet
  for (const ProductPart &part : productParts(kernel.body)) {
    Value own = b.max(b.sub(kernel.begin, b.i64(before)), b.i64(0));
    Value group = b.add(b.mul(own, form.groups), b.div(b.thread(), threads));
    for (auto [i, op] : llvm::enumerate(part.linears)) {
      Value weight = lm::LinearOp(op).getWeight();
      WeightDecoder decoder(b, weight);
      Value place = b.min(b.mul(b.rem(b.thread(), threads), kLineBytes), b.i64(decoder.groupBytes() - 1));
      Value line = b.offset(groupAddress(b, decoder, kernel.pointer(weight), group), place);
      if (i == lines.size())
        lines.push_back(line);
      else
        lines[i] = b.select(b.less(kernel.begin, b.i64(before)), lines[i], line);
    }
    before += part.workgroups(form.groups);
  }
  for (Value line : lines)
    b.prefetchLine(line);
}

void lamina::emitDeviceLinear(DeviceContext &kernel, const ProductForm &form) {
  DeviceBuilder &b = kernel.device;
  int64_t before = 0;
  for (const ProductPart &part : productParts(kernel.body)) {
    int64_t end = before + part.workgroups(form.groups) * form.shares;
    Value own = b.sub(kernel.begin, b.i64(before)), no = b.constant(b.getI1Type(), int64_t(0));
    Value mine = b.select(b.less(own, b.i64(0)), no, b.less(kernel.begin, b.i64(end)));
    b.branch(mine, [&] { b.shareInstead([&] { emitPart(kernel, part, own, form); }); });
    before = end;
  }
}

/// A block is a row, one of its experts and a pair of groups.
void lamina::emitDeviceExpertLinear(DeviceContext &kernel) {
  DeviceBuilder &b = kernel.device;
  SmallVector<lm::ExpertLinearOp> linears = kernel.ops<lm::ExpertLinearOp>();
  lm::ExpertLinearOp first = linears.front();
  int64_t slots = width(first.getExperts());
  int64_t pairs = llvm::divideCeil(width(first.getResult()), kPackedRows * kOneToken.groups);
  Value choice = b.div(kernel.begin, pairs), row = b.div(choice, slots), slot = b.rem(choice, slots);
  auto type = cast<RankedTensorType>(first.getInput().getType());
  Value input = kernel.rowPointer(first.getInput(), row);
  if (type.getRank() == 3) // otherwise all experts of a token share its row
    input = b.offset(input, b.mul(slot, rowBytes(first.getInput()) / type.getDimSize(1)));
  SmallVector<Operation *> ops(linears.begin(), linears.end());
  SmallVector<Value> results(kernel.results());
  DeviceLinear linear(kernel, ops, results);
  linear.place(b.rem(kernel.begin, pairs), kOneToken,
               b.loadIndex(kernel.rowPointer(first.getExperts(), row), slot));
  linear.emitRow(input, row, slot);
}
