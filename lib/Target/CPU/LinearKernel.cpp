//===- LinearKernel.cpp - products with weight matrices and what follows them -------------------------===//
//
// One or two lm.linear of one input, then elementwise operations on their results. The order of additions is
// that of lm.linear, lanes are rows of the matrix: the forms differ only in which accumulators advance
// together, so they agree to the last bit. Weights go from the decoder straight into the products of a tile
// of tokens, where decoding hides behind them; many tokens decode them again for each tile.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/ElementwiseTail.h"
#include "lib/Target/CPU/RowProduct.h"

using namespace mlir;
using namespace lamina;

namespace {

/// Input rows that all groups of a workgroup use before the next: what stays in a second-level cache.
constexpr int64_t kSharedInputBytes = 256 << 10;

class LinearKernel {
public:
  LinearKernel(KernelContext &kernel, TokenClass tokens)
      : kernel_(kernel), b_(kernel.b), tail_(kernel), linears_(kernel.ops<lm::LinearOp>()), tokens_(tokens) {
    for (lm::LinearOp linear : linears_)
      products_.emplace_back(b_, linear.getInput(), linear.getWeight());
  }

  void emit() {
    int64_t groups = products_[0].decoder().groups(), full = groups / kGroupsPerWorkgroup;
    Value fullEnd = b_.min(kernel_.end, b_.i64(full));
    b_.loop(kernel_.begin, fullEnd, 1, [&](Value workgroup) {
      emitGroups(b_.mul(workgroup, kGroupsPerWorkgroup), kGroupsPerWorkgroup);
    });
    if (groups % kGroupsPerWorkgroup != 0)
      b_.branch(b_.less(b_.i64(full), kernel_.end),
                [&] { emitGroups(b_.i64(full * kGroupsPerWorkgroup), groups % kGroupsPerWorkgroup); });
  }

private:
  /// `count` groups from `first` on, as many together as the target likes.
  void emitGroups(Value first, int64_t count) {
    if (tokens_ == TokenClass::Many)
      return emitMany(first, count);
    int64_t tokens = tokens_ == TokenClass::One ? 1 : 4;
    int64_t together = products_[0].groupsAtOnce(tokens);
    if (count % together != 0)
      together = 1;
    Value last = b_.sub(kernel_.rows, b_.i64(1));
    Values rows;
    for (int64_t t = 0; t < tokens; ++t) // rows beyond the last repeat it
      rows.push_back(t == 0 ? b_.i64(0) : b_.min(b_.i64(t), last));
    b_.loop(count, together, [&](Value i) { emitTile(b_.add(first, i), together, rows); });
  }

  void emitMany(Value firstGroup, int64_t count) {
    int64_t tile = products_[0].tileTokens();
    int64_t block = tile * std::max<int64_t>(kSharedInputBytes / (tile * rowBytes(input())), 1);
    b_.loop(b_.i64(0), kernel_.rows, block, [&](Value begin) {
      Value end = b_.min(kernel_.rows, b_.add(begin, block));
      b_.loop(count, 1, [&](Value i) {
        products_[0].forEachTile(begin, end, [&](Value first, int64_t size) {
          Values rows;
          for (int64_t t = 0; t < size; ++t)
            rows.push_back(b_.add(first, t));
          emitTile(b_.add(firstGroup, i), 1, rows);
        });
      });
    });
  }

  /// The results of `together` groups for some rows.
  void emitTile(Value group, int64_t together, ValueRange rows) {
    Values inputRows;
    for (Value row : rows)
      inputRows.push_back(kernel_.rowPointer(input(), row));
    SmallVector<Values> sums;
    for (size_t i = 0; i < linears_.size(); ++i) {
      Value weight = kernel_.pointer(linears_[i].getWeight());
      Values groups;
      for (int64_t g = 0; g < together; ++g)
        groups.push_back(b_.offset(weight, b_.mul(b_.add(group, g), products_[i].decoder().groupBytes())));
      sums.push_back(products_[i].dot(groups, inputRows));
    }
    for (int64_t g = 0; g < together; ++g)
      for (auto [t, row] : llvm::enumerate(rows)) {
        for (size_t i = 0; i < linears_.size(); ++i)
          tail_.define(linears_[i], sums[i][g * rows.size() + t]);
        for (Value result : kernel_.results())
          tail_.storeResult(result, {row, {}, b_.mul(b_.add(group, g), kPackedRows), kPackedRows});
      }
  }

  Value input() { return linears_[0].getInput(); }

  KernelContext &kernel_;
  KernelBuilder &b_;
  ElementwiseTail tail_;
  SmallVector<lm::LinearOp> linears_;
  std::vector<RowProduct> products_;
  TokenClass tokens_;
};

} // namespace

void lamina::emitLinear(KernelContext &kernel, TokenClass tokens) { LinearKernel(kernel, tokens).emit(); }
