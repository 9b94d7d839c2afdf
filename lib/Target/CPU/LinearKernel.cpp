//===- LinearKernel.cpp - products with weight matrices and what follows them -------------------------===//
//
// One or more lm.linear of one input, then elementwise operations on their results and rounding. The order of
// additions is that of lm.linear, lanes are rows of the matrix: the forms differ only in which accumulators
// advance together, so they agree to the last bit. Weights go from the decoder straight into the products of
// a tile of tokens, where decoding hides behind them; many tokens decode them again for each tile.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/KernelGenerators.h"
#include "lib/Target/CPU/RowProduct.h"
#include "lib/Target/Kernels/ElementwiseTail.h"
#include "lib/Target/Kernels/ProductParts.h"
#include "runtime/device/KernelABI.h"

using namespace mlir;
using namespace lamina;

namespace {

/// Input rows that all groups of a workgroup use before the next: what stays in a second-level cache.
constexpr int64_t kSharedInputBytes = 256 << 10;

/// One part of a kernel.
class LinearKernel {
public:
  LinearKernel(KernelContext &kernel, const ProductPart &part, TokenClass tokens)
      : kernel_(kernel), b_(kernel.b), tail_(kernel), part_(part), linears_(part.linears), tokens_(tokens) {
    for (lm::LinearOp linear : linears_)
      products_.emplace_back(b_, linear.getInput(), linear.getWeight());
    if (llvm::any_of(part.results, [](Value result) { return isa<lm::QuantizeOp>(result.getDefiningOp()); }))
      groupsOfResult_ = LAMINA_QUANTIZED_BLOCK_ELEMENTS / kPackedRows;
  }

  /// Workgroups [begin, end) of the part; those beyond it are others'.
  void emit(Value begin, Value end) {
    bool byteTiles = tokens_ == TokenClass::Many && !products_.empty() && products_[0].usesByteTiles();
    if (byteTiles)
      ByteTiles::setUp(b_);
    emitWorkgroups(begin, end);
    if (byteTiles)
      ByteTiles::free(b_);
  }

private:
  void emitWorkgroups(Value begin, Value end) {
    int64_t groups = part_.groups(), full = groups / kGroupsPerWorkgroup;
    b_.loop(b_.max(begin, b_.i64(0)), b_.min(end, b_.i64(full)), 1, [&](Value workgroup) {
      emitGroups(b_.mul(workgroup, kGroupsPerWorkgroup), kGroupsPerWorkgroup);
    });
    if (groups % kGroupsPerWorkgroup != 0)
      b_.loop(b_.max(begin, b_.i64(full)), b_.min(end, b_.i64(full + 1)), 1, [&](Value workgroup) {
        emitGroups(b_.mul(workgroup, kGroupsPerWorkgroup), groups % kGroupsPerWorkgroup);
      });
  }

  /// `count` groups from `first` on, as many together as the target likes.
  void emitGroups(Value first, int64_t count) {
    if (tokens_ == TokenClass::Many || (tokens_ == TokenClass::UpToFour && products_[0].tileTokens() < 4))
      return emitMany(first, count);
    int64_t tokens = tokens_ == TokenClass::One ? 1 : 4;
    int64_t together = std::max(products_[0].groupsAtOnce(tokens), groupsOfResult_);
    if (count % together != 0)
      together = groupsOfResult_;
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
      b_.loop(count, groupsOfResult_, [&](Value i) {
        products_[0].forEachTile(begin, end, [&](Value first, int64_t size) {
          Values rows;
          for (int64_t t = 0; t < size; ++t)
            rows.push_back(b_.add(first, t));
          emitTile(b_.add(firstGroup, i), groupsOfResult_, rows);
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
    for (auto [t, row] : llvm::enumerate(rows))
      for (int64_t g = 0; g < together; g += groupsOfResult_)
        storeResults(sums, g, t, rows.size(), {row, {}, b_.mul(b_.add(group, g), kPackedRows), kPackedRows});
  }

  /// What the sums of token `t`, one of `tokens`, give for as many groups from `g` on as a result takes.
  void storeResults(ArrayRef<Values> sums, int64_t g, int64_t t, int64_t tokens, const Point &first) {
    SmallVector<Values> halves(part_.results.size()); // of what is rounded
    for (int64_t i = 0; i < groupsOfResult_; ++i) {
      Point point{first.row, {}, b_.add(first.column, i * kPackedRows), kPackedRows};
      for (auto [linear, sum] : llvm::zip(linears_, sums))
        tail_.define(linear, sum[(g + i) * tokens + t]);
      for (auto [result, elements] : llvm::zip(part_.results, halves))
        if (auto quantize = result.getDefiningOp<lm::QuantizeOp>())
          elements.push_back(tail_.at(quantize.getInput(), point));
        else
          tail_.storeResult(result, point);
    }
    for (auto [result, elements] : llvm::zip(part_.results, halves))
      if (auto quantize = result.getDefiningOp<lm::QuantizeOp>())
        tail_.storeBlock(quantize, first, elements[0], elements[1]);
  }

  Value input() { return linears_[0].getInput(); }

  KernelContext &kernel_;
  KernelBuilder &b_;
  ElementwiseTail tail_;
  const ProductPart &part_;
  SmallVector<lm::LinearOp> linears_;
  std::vector<RowProduct> products_;
  int64_t groupsOfResult_ = 1; ///< needed together: a block of what is rounded is wider than a group
  TokenClass tokens_;
};

} // namespace

void lamina::emitLinear(KernelContext &kernel, TokenClass tokens) {
  int64_t before = 0; // workgroups of earlier parts
  for (const ProductPart &part : productParts(kernel.body)) {
    KernelBuilder &b = kernel.b;
    LinearKernel(kernel, part, tokens)
        .emit(b.sub(kernel.begin, b.i64(before)), b.sub(kernel.end, b.i64(before)));
    before += part.workgroups(kGroupsPerWorkgroup);
  }
}
