//===- CacheKernel.cpp - writes keys and values into their pages --------------------------------------===//
//
// A block is a token. Blocks of q8_0 are a warp's; elements that have no scale are a thread's each.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CUDA/KernelGenerators.h"
#include "lib/Target/Kernels/CachePage.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

namespace {

static_assert(CachePage::kBlock == kWarp);

class DeviceCacheAppend {
public:
  explicit DeviceCacheAppend(DeviceContext &kernel)
      : kernel_(kernel), b_(kernel.device), op_(kernel.ops<lm::CacheAppendOp>().front()),
        type_(cast<lm::KVCacheType>(op_.getCache().getType())), page_(kernel, type_) {}

  void emit() {
    Value row = kernel_.begin, position = b_.loadIndex(kernel_.pointer(op_.getPositions()), row);
    Value sequence = b_.loadIndex(kernel_.pointer(op_.getSequences()), row);
    Value page = page_.address(kernel_.pointer(op_.getCache()), kernel_.pointer(op_.getBlockTable()),
                               sequence, b_.div(position, LAMINA_KV_PAGE_TOKENS));
    Value slot = b_.rem(position, LAMINA_KV_PAGE_TOKENS);
    auto scaleOf = [&](Value scales) { return b_.offset(scales, b_.mul(slot, 2)); };
    append(kernel_.rowPointer(op_.getKey(), row), type_.getKeyLength(), [&](Value head, Value element) {
      Value keys = page_.keys(page, head);
      return Place{
          b_.offset(b_.offset(keys, b_.mul(element, page_.keyBytes())), b_.mul(slot, page_.elementBytes())),
          scaleOf(page_.keyScales(keys, b_.div(element, kWarp)))};
    });
    append(kernel_.rowPointer(op_.getValue(), row), type_.getValueLength(), [&](Value head, Value element) {
      Value values = page_.values(page, head);
      return Place{b_.offset(b_.offset(values, b_.mul(slot, page_.valueBytes())),
                             b_.mul(element, page_.elementBytes())),
                   scaleOf(page_.valueScales(values, b_.div(element, kWarp)))};
    });
  }

private:
  struct Place {
    Value element, scale;
  };

  /// Stores the heads of a row, each of `length` elements.
  void append(Value row, int64_t length, llvm::function_ref<Place(Value head, Value element)> place) {
    auto load = [&](Value index) { return b_.loadF32(b_.offset(row, b_.mul(index, 4)), 0); };
    auto placeOf = [&](Value index) { return place(b_.div(index, length), b_.rem(index, length)); };
    int64_t elements = type_.getHeads() * length;
    if (!page_.hasScales())
      return b_.forThreads(elements,
                           [&](Value index) { b_.store(page_.stored(load(index)), placeOf(index).element); });
    b_.forWarps(elements / kWarp, [&](Value block) {
      Value index = b_.add(b_.mul(block, kWarp), b_.lane());
      quantize(load(index), placeOf(index));
    });
  }

  /// A warp's block as GGML's q8_0 has it, but that codes are rounded to even: the scale is the greatest
  /// magnitude over 127. Where that is 0 codes mean nothing.
  void quantize(Value value, const Place &place) {
    Value magnitude = b_.bitcast(b_.bitAnd(b_.bitcast(value, b_.i32(0)), 0x7FFFFFFF), b_.f32(0));
    Value greatest = b_.maxWarp(magnitude), most = b_.constant(b_.f32(0), 127.0);
    b_.branch(b_.equal(b_.lane(), b_.i64(0)),
              [&] { b_.store(b_.toHalfBits(b_.divf(greatest, most)), place.scale); });
    // Adding 1.5·2^23 rounds and leaves the integer in the low bits.
    Value magic = b_.addf(b_.mulf(value, b_.divf(most, greatest)), b_.constant(b_.f32(0), 12582912.0));
    b_.store(arith::TruncIOp::create(b_, b_.getI8Type(), b_.bitcast(magic, b_.i32(0))), place.element);
  }

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  lm::CacheAppendOp op_;
  lm::KVCacheType type_;
  CachePage page_;
};

} // namespace

void lamina::emitDeviceCacheAppend(DeviceContext &kernel) { DeviceCacheAppend(kernel).emit(); }
