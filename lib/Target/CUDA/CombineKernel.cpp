//===- CombineKernel.cpp - merges partial results of attention ----------------------------------------===//
//
// A block is a head of a row, a thread an element of its value. Partial results merge as on the CPU, in
// ascending order.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CUDA/DeviceTail.h"
#include "lib/Target/CUDA/KernelGenerators.h"
#include "lib/Target/Kernels/AttentionRows.h"
#include "lib/Target/Kernels/PartialSlots.h"

#include <limits>

using namespace mlir;
using namespace lamina;

namespace {

class DeviceCombine {
public:
  explicit DeviceCombine(DeviceContext &kernel)
      : kernel_(kernel), b_(kernel.device), op_(kernel.ops<lm::AttentionCombineOp>().front()),
        heads_(op_.getHeads()), length_(width(op_) / heads_),
        slots_(kernel, op_.getPartials(), heads_, length_), row_(b_.div(kernel.begin, heads_)),
        head_(b_.rem(kernel.begin, heads_)) {}

  void emit(bool split) {
    Value out = kernel_.rowPointer(op_, row_);
    b_.forThreads(length_, [&](Value element) {
      Merged merged = split ? mergeRanges(element) : load(row_, element);
      Value factor = b_.divf(number(1.0), merged.sum);
      b_.store(b_.mulf(merged.value, factor),
               b_.offset(out, b_.mul(b_.add(b_.mul(head_, length_), element), 4)));
    });
    b_.branch(b_.equal(head_, b_.i64(0)), [&] { emitZeros(b_, out, width(op_), paddedWidth(op_)); });
  }

private:
  struct Merged {
    Value greatest, sum, value;
  };

  Value number(double value) { return b_.constant(b_.f32(0), value); }

  Merged load(Value slot, Value element) {
    PartialPlace place = slots_.place(slot, head_);
    return {b_.loadF32(place.maxima, 0), b_.loadF32(place.sums, 0),
            b_.loadF32(b_.offset(place.values, b_.mul(element, 4)), 0)};
  }

  Merged mergeRanges(Value element) {
    Value position = b_.loadIndex(kernel_.pointer(op_.getPositions()), row_);
    Value begin = attentionFirstRange(b_, position, op_.getWindow(), op_.getRange());
    Values none = {number(-double(std::numeric_limits<float>::max())), number(0.0), number(0.0)};
    Values all =
        b_.loop(begin, b_.add(b_.div(position, op_.getRange()), 1), 1, none, [&](Value range, ValueRange so) {
          Merged next = load(b_.add(b_.mul(row_, op_.getRanges()), range), element);
          PartialMerge merge(b_, so[0], next.greatest);
          return Values{merge.greatest(), merge.add(so[1], next.sum), merge.add(so[2], next.value)};
        });
    return {all[0], all[1], all[2]};
  }

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  lm::AttentionCombineOp op_;
  int64_t heads_, length_;
  PartialSlots slots_;
  Value row_, head_;
};

} // namespace

void lamina::emitDeviceAttentionCombine(DeviceContext &kernel, bool split) {
  DeviceCombine(kernel).emit(split);
}
