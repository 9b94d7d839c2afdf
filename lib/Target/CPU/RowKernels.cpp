//===- RowKernels.cpp - kernels that work on one row after another ------------------------------------===//
//
// Norms, rotations, gathers, sums of experts, chains of elementwise operations and the rounding of what
// these give. A workgroup is a row.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/KernelGenerators.h"
#include "lib/Target/Kernels/ElementwiseTail.h"

#include "runtime/device/KernelABI.h"

using namespace mlir;
using namespace lamina;

namespace {

/// The length of the groups of a row that a kernel works on one after another: a head where there are heads.
int64_t groupLength(KernelContext &kernel) {
  int64_t length = width(kernel.results()[0]);
  for (auto norm : kernel.ops<lm::RMSNormOp>())
    length = std::min(length, width(norm.getWeight()));
  for (auto rotary : kernel.ops<lm::RotaryEmbeddingOp>())
    length = std::min(length, int64_t(rotary.getHeadLength()));
  return length;
}

class RowKernel {
public:
  explicit RowKernel(KernelContext &kernel)
      : kernel_(kernel), b_(kernel.b), tail_(kernel), width_(width(kernel.results()[0])),
        group_(groupLength(kernel)) {}

  void emit() {
    b_.loop(kernel_.begin, kernel_.end, 1, [&](Value row) {
      row_ = row;
      if (cast<RankedTensorType>(kernel_.results()[0].getType()).getRank() == 3)
        return roundSlots();
      for (auto norm : kernel_.ops<lm::RMSNormOp>())
        if (width(norm.getWeight()) == width_)
          tail_.setNormFactor(norm, normFactor(norm, b_.i64(0), paddedWidth(norm.getInput())));
      for (auto norm : kernel_.ops<lm::LayerNormOp>())
        findStatistics(norm);
      if (group_ == width_)
        return emitGroup(b_.i64(0), wholeRow() ? paddedWidth(kernel_.results()[0]) : width_);
      b_.loop(width_, group_, [&](Value column) { emitGroup(column, group_); });
    });
  }

private:
  /// Whether the padding comes out as zeros by itself when it is computed along with the row.
  bool wholeRow() { return kernel_.ops<lm::RotaryEmbeddingOp>().empty(); }

  /// 1 / sqrt(mean(x²) + epsilon) over `length` elements from `begin` on, those beyond the norm's group being
  /// zeros.
  Value normFactor(lm::RMSNormOp norm, Value begin, int64_t length) {
    int64_t lanes = lanesFor(length);
    Value sum = sumOver(length, [&](Value i, Value sum) {
      Value x = tail_.at(norm.getInput(), {row_, {}, b_.add(begin, i), lanes});
      return b_.fma(x, x, sum);
    });
    return reciprocalRoot(divide(sum, width(norm.getWeight())), norm.getEpsilon());
  }

  /// Mean and deviation in two passes, the second one over what the first has centred.
  void findStatistics(lm::LayerNormOp norm) {
    int64_t lanes = lanesFor(width_);
    auto input = [&](Value i) { return tail_.at(norm.getInput(), {row_, {}, i, lanes}); };
    Value mean = divide(sumOver(width_, [&](Value i, Value sum) { return b_.addf(sum, input(i)); }), width_);
    Value squares = sumOver(width_, [&](Value i, Value sum) {
      Value centred = b_.subf(input(i), b_.broadcast(mean, lanes));
      return b_.fma(centred, centred, sum);
    });
    tail_.setMean(norm, mean);
    tail_.setNormFactor(norm, reciprocalRoot(divide(squares, width_), norm.getEpsilon()));
  }

  /// Folds the elements of a row, as many at once as divide `length`, and then the lanes.
  Value sumOver(int64_t length, llvm::function_ref<Value(Value index, Value sum)> add) {
    int64_t lanes = lanesFor(length);
    Values sum = b_.loop(b_.i64(0), b_.i64(length), lanes, b_.constant(b_.f32(lanes), 0.0),
                         [&](Value i, ValueRange state) { return Values{add(i, state[0])}; });
    return b_.sumLanes(sum[0]);
  }

  Value divide(Value sum, int64_t count) { return b_.divf(sum, b_.constant(b_.f32(0), double(count))); }

  /// 1 / sqrt(x + epsilon)
  Value reciprocalRoot(Value x, const llvm::APFloat &epsilon) {
    Value variance = b_.addf(x, b_.constant(b_.f32(0), epsilon.convertToDouble()));
    return b_.divf(b_.constant(b_.f32(0), 1.0), b_.sqrt(variance));
  }

  void emitGroup(Value begin, int64_t length) {
    for (auto norm : kernel_.ops<lm::RMSNormOp>())
      if (width(norm.getWeight()) != width_)
        tail_.setNormFactor(norm, normFactor(norm, begin, width(norm.getWeight())));
    for (Value result : kernel_.results()) {
      if (auto rotary = result.getDefiningOp<lm::RotaryEmbeddingOp>())
        rotate(rotary, begin);
      else if (auto quantize = result.getDefiningOp<lm::QuantizeOp>())
        round(quantize, {});
      else
        store(result, result, begin, length);
    }
  }

  /// Stores `length` elements of `source` where `result` is bound; rows with heads are padded after the last
  /// head.
  void store(Value source, Value result, Value begin, int64_t length) {
    int64_t lanes = lanesFor(length);
    b_.loop(length, lanes, [&](Value i) {
      Point point{row_, {}, b_.add(begin, i), lanes};
      b_.store(tail_.at(source, point), tail_.address(result, point));
    });
    if (length < paddedWidth(result) && width_ != paddedWidth(result))
      tail_.storePadding(result, row_, {});
  }

  void round(lm::QuantizeOp quantize, Value slot) {
    b_.loop(width_, LAMINA_QUANTIZED_BLOCK_ELEMENTS,
            [&](Value column) { tail_.storeBlock(quantize, {row_, slot, column, 0}); });
  }

  /// The rows of all chosen experts of a token.
  void roundSlots() {
    auto quantize = kernel_.ops<lm::QuantizeOp>().front();
    b_.loop(quantize.getResult().getType().getDimSize(1), 1, [&](Value slot) { round(quantize, slot); });
  }

  void rotate(lm::RotaryEmbeddingOp rotary, Value begin) {
    int64_t half = width(rotary.getTable()) / 2, lanes = lanesFor(half);
    b_.loop(half, lanes, [&](Value i) {
      Point first{row_, {}, b_.add(begin, i), lanes};
      Point second{row_, {}, b_.add(first.column, half), lanes};
      Value cosine = tail_.at(rotary.getTable(), {row_, {}, i, lanes});
      Value sine = tail_.at(rotary.getTable(), {row_, {}, b_.add(i, half), lanes});
      Value a = tail_.at(rotary.getInput(), first), c = tail_.at(rotary.getInput(), second);
      b_.store(b_.subf(b_.mulf(a, cosine), b_.mulf(c, sine)), tail_.address(rotary, first));
      b_.store(b_.addf(b_.mulf(c, cosine), b_.mulf(a, sine)), tail_.address(rotary, second));
    });
    int64_t rest = rotary.getHeadLength() - 2 * half;
    if (rest != 0)
      store(rotary.getInput(), rotary, b_.add(begin, 2 * half), rest);
    else if (width_ != paddedWidth(rotary))
      tail_.storePadding(rotary, row_, {});
  }

  KernelContext &kernel_;
  KernelBuilder &b_;
  ElementwiseTail tail_;
  int64_t width_, group_;
  Value row_;
};

} // namespace

void lamina::emitRows(KernelContext &kernel) { RowKernel(kernel).emit(); }
