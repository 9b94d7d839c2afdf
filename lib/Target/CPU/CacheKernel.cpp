//===- CacheKernel.cpp - writes keys and values into their pages --------------------------------------===//

#include "lib/Target/CPU/CachePage.h"

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
        storeKeys(row, head, b_.offset(page_.keys(page, head), b_.mul(slot, page_.elementBytes())));
        storeValues(row, head, b_.offset(page_.values(page, head), b_.mul(slot, page_.valueBytes())));
      });
    });
  }

private:
  Value headPointer(Value source, Value row, Value head, int64_t length) {
    return b_.offset(kernel_.rowPointer(source, row), b_.mul(head, 4 * length));
  }

  Value loadStored(Value pointer, Value element, int64_t lanes) {
    Value value = b_.loadF32(b_.offset(pointer, b_.mul(element, 4)), lanes);
    return page_.number() == PackedNumber::F16 ? b_.toHalfBits(value) : value;
  }

  void storeKeys(Value row, Value head, Value out) {
    Value keys = headPointer(op_.getKey(), row, head, type_.getKeyLength());
    int64_t lanes = lanesFor(type_.getKeyLength());
    b_.loop(type_.getKeyLength(), lanes, [&](Value element) {
      Value stored = loadStored(keys, element, lanes);
      Value place = b_.offset(out, b_.mul(element, page_.keyBytes()));
      for (int64_t i = 0; i < lanes; ++i)
        b_.store(b_.extract(stored, i), b_.offset(place, i * page_.keyBytes()));
    });
  }

  void storeValues(Value row, Value head, Value out) {
    Value values = headPointer(op_.getValue(), row, head, type_.getValueLength());
    int64_t lanes = lanesFor(type_.getValueLength());
    b_.loop(type_.getValueLength(), lanes, [&](Value element) {
      b_.store(loadStored(values, element, lanes), b_.offset(out, b_.mul(element, page_.elementBytes())));
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
