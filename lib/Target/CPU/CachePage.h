//===- CachePage.h - places in a paged cache ------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CPU_CACHEPAGE_H
#define LAMINA_LIB_TARGET_CPU_CACHEPAGE_H

#include "lib/Target/CPU/KernelContext.h"
#include "runtime/device/cpu/KernelABI.h"

#include "llvm/Support/MathExtras.h"

namespace lamina {

/// A page as plan.proto's Cache describes it: keys [head][key element][position], values
/// [head][position][value element, padded], all of one element type.
class CachePage {
public:
  CachePage(KernelContext &kernel, lm::KVCacheType type)
      : kernel_(kernel), b_(kernel.b), type_(type),
        number_(type.getElementType().isF16() ? PackedNumber::F16 : PackedNumber::F32),
        elementBytes_(number_ == PackedNumber::F16 ? 2 : 4),
        paddedValue_(llvm::alignTo(type.getValueLength(), LAMINA_ROW_PADDING)) {}

  PackedNumber number() const { return number_; }
  int64_t elementBytes() const { return elementBytes_; }
  int64_t bytes() const {
    int64_t elements = type_.getHeads() * LAMINA_KV_PAGE_TOKENS * (type_.getKeyLength() + paddedValue_);
    return llvm::alignTo(elements * elementBytes_, LAMINA_BUFFER_ALIGNMENT);
  }

  /// The page of `sequence` that holds positions 16·block and on.
  Value address(Value cache, Value blockTable, Value sequence, Value block) {
    Value entry = b_.add(b_.mul(sequence, kernel_.blockTableStride), block);
    return b_.offset(cache, b_.mul(b_.loadIndex(blockTable, entry), bytes()));
  }
  /// The first element of a head's keys: 16 positions for each element.
  Value keys(Value page, Value head) {
    return b_.offset(page, b_.mul(head, type_.getKeyLength() * keyBytes()));
  }
  /// A head's values of the page's first position.
  Value values(Value page, Value head) {
    int64_t allKeys = type_.getHeads() * type_.getKeyLength() * keyBytes();
    return b_.offset(b_.offset(page, allKeys), b_.mul(head, LAMINA_KV_PAGE_TOKENS * valueBytes()));
  }
  /// Bytes from one key element to the next, and from one position's values to the next.
  int64_t keyBytes() const { return LAMINA_KV_PAGE_TOKENS * elementBytes_; }
  int64_t valueBytes() const { return paddedValue_ * elementBytes_; }

private:
  KernelContext &kernel_;
  KernelBuilder &b_;
  lm::KVCacheType type_;
  PackedNumber number_;
  int64_t elementBytes_, paddedValue_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_CACHEPAGE_H
