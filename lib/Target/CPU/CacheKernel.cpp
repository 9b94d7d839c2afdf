//===- CacheKernel.cpp - writes keys and values into their pages --------------------------------------===//

#include "lib/Target/CPU/KernelGenerators.h"
#include "lib/Target/Kernels/CachePage.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace lamina;

namespace {

/// A workgroup is a token. Its keys are scattered: the 16 positions of a page lie side by side for each
/// element.
class CacheAppendKernel {
public:
  explicit CacheAppendKernel(KernelContext &kernel)
      : kernel_(kernel), b_(kernel.b), op_(kernel.ops<lm::CacheAppendOp>().front()),
        type_(cast<lm::KVCacheType>(op_.getCache().getType())), page_(kernel, type_) {}

  void emit() {
    b_.loop(kernel_.begin, kernel_.end, 1, [&](Value row) {
      Value position = b_.loadIndex(kernel_.pointer(op_.getPositions()), row);
      Value sequence = b_.loadIndex(kernel_.pointer(op_.getSequences()), row);
      Value page = page_.address(kernel_.pointer(op_.getCache()), kernel_.pointer(op_.getBlockTable()),
                                 sequence, b_.div(position, LAMINA_KV_PAGE_TOKENS));
      Value slot = b_.rem(position, LAMINA_KV_PAGE_TOKENS);
      b_.loop(type_.getHeads(), 1, [&](Value head) {
        storeKeys(row, head, page_.keys(page, head), slot);
        storeValues(row, head, page_.values(page, head), slot);
      });
    });
  }

private:
  Value headPointer(Value source, Value row, Value head, int64_t length) {
    return b_.offset(kernel_.rowPointer(source, row), b_.mul(head, 4 * length));
  }

  /// Calls `store` with vectors of stored elements, in order. Blocks of q8_0 leave their scales at `scales`.
  void forStored(Value pointer, int64_t length, llvm::function_ref<Value(Value block)> scales,
                 llvm::function_ref<void(Value element, Value stored)> store) {
    if (page_.hasScales())
      return b_.loop(length / CachePage::kBlock, 1, [&](Value block) {
        Value first = b_.mul(block, CachePage::kBlock);
        Values codes = quantize(b_.offset(pointer, b_.mul(first, 4)), scales(block));
        for (auto [part, stored] : llvm::enumerate(codes))
          store(b_.add(first, int64_t(part) * kPackedRows), stored);
      });
    int64_t lanes = lanesFor(length);
    b_.loop(length, lanes, [&](Value element) {
      store(element, page_.stored(b_.loadF32(b_.offset(pointer, b_.mul(element, 4)), lanes)));
    });
  }

  /// A block as GGML's q8_0 has it, but that codes are rounded to even: the scale is the greatest magnitude
  /// over 127. Where that is 0 codes mean nothing.
  Values quantize(Value pointer, Value scale) {
    Values values, codes;
    Value greatest;
    for (int64_t i = 0; i < CachePage::kBlock / kPackedRows; ++i) {
      values.push_back(b_.loadF32(b_.offset(pointer, 4 * i * kPackedRows), kPackedRows));
      Value magnitude = b_.bitcast(b_.bitAnd(b_.bitcast(values.back(), b_.i32(kPackedRows)), 0x7FFFFFFF),
                                   values.back().getType());
      greatest = greatest ? b_.maxf(greatest, magnitude) : magnitude;
    }
    greatest = b_.maxLanes(greatest);
    Value most = b_.constant(b_.f32(0), 127.0);
    b_.store(b_.toHalfBits(b_.divf(greatest, most)), scale);
    Value factor = b_.broadcast(b_.divf(most, greatest), kPackedRows);
    for (Value value : values) { // adding 1.5·2^23 rounds and leaves the integer in the low bits
      Value magic = b_.addf(b_.mulf(value, factor), b_.constant(value.getType(), 12582912.0));
      codes.push_back(arith::TruncIOp::create(b_, b_.vectorOf(b_.getI8Type(), kPackedRows),
                                              b_.bitcast(magic, b_.i32(kPackedRows))));
    }
    return codes;
  }

  Value scalePlace(Value scales, Value slot) { return b_.offset(scales, b_.mul(slot, 2)); }

  void storeKeys(Value row, Value head, Value out, Value slot) {
    int64_t length = type_.getKeyLength();
    auto scales = [&](Value block) { return scalePlace(page_.keyScales(out, block), slot); };
    forStored(headPointer(op_.getKey(), row, head, length), length, scales, [&](Value element, Value stored) {
      Value place =
          b_.offset(b_.offset(out, b_.mul(element, page_.keyBytes())), b_.mul(slot, page_.elementBytes()));
      for (int64_t i = 0; i < cast<VectorType>(stored.getType()).getNumElements(); ++i)
        b_.store(b_.extract(stored, i), b_.offset(place, i * page_.keyBytes()));
    });
  }

  void storeValues(Value row, Value head, Value out, Value slot) {
    int64_t length = type_.getValueLength();
    auto scales = [&](Value block) { return scalePlace(page_.valueScales(out, block), slot); };
    forStored(headPointer(op_.getValue(), row, head, length), length, scales,
              [&](Value element, Value stored) {
                Value place = b_.offset(out, b_.mul(slot, page_.valueBytes()));
                b_.store(stored, b_.offset(place, b_.mul(element, page_.elementBytes())));
              });
  }

  KernelContext &kernel_;
  KernelBuilder &b_;
  lm::CacheAppendOp op_;
  lm::KVCacheType type_;
  CachePage page_;
};

} // namespace

void lamina::emitCacheAppend(KernelContext &kernel) { CacheAppendKernel(kernel).emit(); }
