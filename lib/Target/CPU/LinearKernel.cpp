//===- LinearKernel.cpp - products with weight matrices and what follows them -------------------------===//
//
// One or two lm.linear of one input, then elementwise operations on their results. Every form adds x[t,
// k]·w[n, k] for ascending k to one accumulator that starts at 0, lanes are rows of the matrix: the forms
// differ only in which accumulators advance together, so they agree to the last bit.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/ElementwiseTail.h"
#include "lib/Target/CPU/WeightDecoder.h"

#include <numeric>

using namespace mlir;
using namespace lamina;

namespace {

/// Elements of a row decoded at a time, and tokens they are used for before the next are, in products with
/// many tokens: 16 KiB of weights and 4 KiB of accumulators for each matrix, on the stack.
constexpr int64_t kPanelElements = 256;
constexpr int64_t kPanelTokens = 64;

constexpr int64_t kVectorBytes = 4 * kPackedRows;

class LinearKernel {
public:
  LinearKernel(KernelContext &kernel, TokenClass tokens)
      : kernel_(kernel), b_(kernel.b), tail_(kernel), linears_(kernel.ops<lm::LinearOp>()) {
    for (lm::LinearOp linear : linears_)
      decoders_.emplace_back(b_, linear.getWeight());
    tokensAtOnce_ = tokens == TokenClass::One ? 1 : 4;
    groupsAtOnce_ = tokens == TokenClass::One        ? b_.target().groupsAtOnce
                    : tokens == TokenClass::UpToFour ? b_.target().groupsOfFour
                                                     : 1;
    many_ = tokens == TokenClass::Many;
    if (!many_)
      return;
    panel_ = b_.scratch(kPanelElements * kVectorBytes);
    for (size_t i = 0; i < linears_.size(); ++i)
      sums_.push_back(b_.scratch(kPanelTokens * kVectorBytes));
  }

  void emit() {
    int64_t groups = decoders_[0].groups(), full = groups / kGroupsPerWorkgroup;
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
    int64_t together = count % groupsAtOnce_ == 0 ? groupsAtOnce_ : 1;
    b_.loop(count, together, [&](Value i) {
      Value group = b_.add(first, i);
      many_ ? emitMany(group) : emitFew(group, together);
    });
  }

  Value groupPointer(size_t linear, Value group) {
    return b_.offset(kernel_.pointer(linears_[linear].getWeight()),
                     b_.mul(group, decoders_[linear].groupBytes()));
  }

  void storeResults(const Point &point) {
    for (Value result : kernel_.results())
      tail_.storeResult(result, point);
  }

  //===--- Few tokens: weights go from the decoder straight into the products

  /// Accumulators [group][token] of one product.
  Values dot(size_t linear, Value group, int64_t together, ValueRange inputRows) {
    WeightDecoder &decoder = decoders_[linear];
    Values groups;
    for (int64_t g = 0; g < together; ++g)
      groups.push_back(groupPointer(linear, b_.add(group, g)));
    Values zeros(together * inputRows.size(), b_.constant(b_.f32(kPackedRows), 0.0));
    Value blocks = b_.i64(decoder.rowLength() / decoder.blockElements());
    return decoder.decode(groups, b_.i64(0), blocks, zeros,
                          [&](Value first, int64_t k, ValueRange weights, Values &sums) {
                            Value column = b_.mul(first, 4);
                            for (auto [t, row] : llvm::enumerate(inputRows)) {
                              Value x = b_.loadF32(b_.offset(b_.offset(row, column), 4 * k), 0);
                              x = b_.broadcast(x, kPackedRows);
                              for (int64_t g = 0; g < together; ++g) {
                                Value &sum = sums[g * inputRows.size() + t];
                                sum = b_.fma(weights[g], x, sum);
                              }
                            }
                          });
  }

  void emitFew(Value group, int64_t together) {
    Value last = b_.sub(kernel_.rows, b_.i64(1));
    Values rows, inputRows;
    for (int64_t t = 0; t < tokensAtOnce_; ++t) { // rows beyond the last repeat it
      rows.push_back(t == 0 ? b_.i64(0) : b_.min(b_.i64(t), last));
      inputRows.push_back(kernel_.rowPointer(linears_[0].getInput(), rows.back()));
    }
    SmallVector<Values> sums;
    for (size_t i = 0; i < linears_.size(); ++i)
      sums.push_back(dot(i, group, together, inputRows));
    for (int64_t g = 0; g < together; ++g)
      for (int64_t t = 0; t < tokensAtOnce_; ++t) {
        for (size_t i = 0; i < linears_.size(); ++i)
          tail_.define(linears_[i], sums[i][g * tokensAtOnce_ + t]);
        storeResults({rows[t], {}, b_.mul(b_.add(group, g), kPackedRows), kPackedRows});
      }
  }

  //===--- Many tokens: a panel of weights is decoded once and used for all tokens of a block

  void emitMany(Value group) {
    b_.loop(b_.i64(0), kernel_.rows, kPanelTokens, [&](Value firstToken) {
      Value count = b_.min(b_.sub(kernel_.rows, firstToken), b_.i64(kPanelTokens));
      for (size_t i = 0; i < linears_.size(); ++i)
        emitPanels(i, group, firstToken, count);
      b_.loop(b_.i64(0), count, 1, [&](Value t) {
        for (size_t i = 0; i < linears_.size(); ++i)
          tail_.define(linears_[i], b_.loadF32(sumPointer(i, t), kPackedRows));
        storeResults({b_.add(firstToken, t), {}, b_.mul(group, kPackedRows), kPackedRows});
      });
    });
  }

  Value sumPointer(size_t linear, Value token) {
    return b_.offset(sums_[linear], b_.mul(token, kVectorBytes));
  }

  void emitPanels(size_t linear, Value group, Value firstToken, Value count) {
    WeightDecoder &decoder = decoders_[linear];
    Value zero = b_.constant(b_.f32(kPackedRows), 0.0);
    b_.loop(b_.i64(0), count, 1, [&](Value t) { b_.store(zero, sumPointer(linear, t)); });
    Value weights = groupPointer(linear, group), rowLength = b_.i64(decoder.rowLength());
    b_.loop(b_.i64(0), rowLength, kPanelElements, [&](Value first) {
      Value elements = b_.min(b_.sub(rowLength, first), b_.i64(kPanelElements));
      Value beginBlock = b_.div(first, decoder.blockElements());
      Value endBlock = b_.div(b_.add(first, elements), decoder.blockElements());
      decoder.decode(weights, beginBlock, endBlock, {}, [&](Value at, int64_t k, ValueRange w, Values &) {
        b_.store(w[0],
                 b_.offset(b_.offset(panel_, b_.mul(b_.sub(at, first), kVectorBytes)), k * kVectorBytes));
      });
      emitTiles(linear, firstToken, count, first, elements);
    });
  }

  /// Adds the panel's products to the sums, `tileTokens` tokens at a time and the rest one by one.
  void emitTiles(size_t linear, Value firstToken, Value count, Value first, Value elements) {
    int64_t tile = b_.target().tileTokens;
    Value tiled = b_.mul(b_.div(count, tile), tile);
    auto tiles = [&](Value begin, Value end, int64_t size) {
      b_.loop(begin, end, size, [&](Value t) { emitTile(linear, firstToken, t, size, first, elements); });
    };
    tiles(b_.i64(0), tiled, tile);
    tiles(tiled, count, 1);
  }

  void emitTile(size_t linear, Value firstToken, Value token, int64_t size, Value first, Value elements) {
    Values rows, sums;
    for (int64_t t = 0; t < size; ++t) {
      Value row = kernel_.rowPointer(linears_[linear].getInput(), b_.add(b_.add(firstToken, token), t));
      rows.push_back(b_.offset(row, b_.mul(first, 4)));
      sums.push_back(b_.loadF32(sumPointer(linear, b_.add(token, t)), kPackedRows));
    }
    int64_t unroll = std::gcd(decoders_[linear].rowLength(), int64_t(4));
    sums = b_.loop(b_.i64(0), elements, unroll, sums, [&](Value k, ValueRange state) {
      Values next(state);
      Value weights = b_.offset(panel_, b_.mul(k, kVectorBytes)), column = b_.mul(k, 4);
      for (int64_t u = 0; u < unroll; ++u) {
        Value weight = b_.loadF32(b_.offset(weights, u * kVectorBytes), kPackedRows);
        for (int64_t t = 0; t < size; ++t) {
          Value x = b_.loadF32(b_.offset(b_.offset(rows[t], column), 4 * u), 0);
          next[t] = b_.fma(weight, b_.broadcast(x, kPackedRows), next[t]);
        }
      }
      return next;
    });
    for (int64_t t = 0; t < size; ++t)
      b_.store(sums[t], sumPointer(linear, b_.add(token, t)));
  }

  KernelContext &kernel_;
  KernelBuilder &b_;
  ElementwiseTail tail_;
  SmallVector<lm::LinearOp> linears_;
  std::vector<WeightDecoder> decoders_;
  int64_t tokensAtOnce_, groupsAtOnce_;
  bool many_;
  Value panel_;
  SmallVector<Value> sums_;
};

} // namespace

void lamina::emitLinear(KernelContext &kernel, TokenClass tokens) { LinearKernel(kernel, tokens).emit(); }
