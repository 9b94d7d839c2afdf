//===- CachePage.h - places in a paged cache ------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_CACHEPAGE_H
#define LAMINA_LIB_TARGET_KERNELS_CACHEPAGE_H

#include "lib/Target/Kernels/KernelContext.h"
#include "runtime/device/KernelABI.h"

#include "llvm/Support/MathExtras.h"

namespace lamina {

/// A page as plan.proto's Cache describes it: keys [head][key element][position], values
/// [head][position][value element, padded], all of one element type. In a page of q8_0 the scales of a head's
/// keys follow those keys, and those of its values those values: [block of 32 elements][position], f16.
class CachePage {
public:
  CachePage(KernelContext &kernel, lm::KVCacheType type)
      : kernel_(kernel), b_(kernel.b), type_(type), number_(numberOf(type.getElementType())),
        elementBytes_(bytesOf(number_)),
        paddedValue_(llvm::alignTo(type.getValueLength(), LAMINA_ROW_PADDING)) {}

  PackedNumber number() const { return number_; }
  int64_t elementBytes() const { return elementBytes_; }
  /// Whether elements are integers that share a scale in blocks of kBlock.
  bool hasScales() const { return number_ == PackedNumber::I8; }
  static constexpr int64_t kBlock = lm::KVCacheType::kBlockElements;

  /// The page of `sequence` that holds positions 16·block and on.
  Value address(Value cache, Value blockTable, Value sequence, Value block) {
    Value entry = b_.add(b_.mul(sequence, kernel_.blockTableStride), block);
    return b_.offset(cache, b_.mul(b_.loadIndex(blockTable, entry), type_.getPageBytes()));
  }
  /// The first element of a head's keys: 16 positions for each element.
  Value keys(Value page, Value head) { return b_.offset(page, b_.mul(head, keyHeadBytes())); }
  /// A head's values of the page's first position.
  Value values(Value page, Value head) {
    return b_.offset(b_.offset(page, type_.getHeads() * keyHeadBytes()), b_.mul(head, valueHeadBytes()));
  }
  /// The scales of a block of key or value elements at a page's 16 positions; `keys` and `values` are a head's.
  Value keyScales(Value keys, Value block) {
    return b_.offset(b_.offset(keys, type_.getKeyLength() * keyBytes()), b_.mul(block, kScaleBytes));
  }
  Value valueScales(Value values, Value block) {
    return b_.offset(b_.offset(values, LAMINA_KV_PAGE_TOKENS * valueBytes()), b_.mul(block, kScaleBytes));
  }
  /// Bytes from one key element to the next, and from one position's values to the next.
  int64_t keyBytes() const { return LAMINA_KV_PAGE_TOKENS * elementBytes_; }
  int64_t valueBytes() const { return paddedValue_ * elementBytes_; }

  /// Stored elements as f32, without their scale.
  Value load(Value pointer, int64_t lanes) {
    Value number = b_.loadNumber(number_, pointer, lanes);
    return hasScales() ? b_.intToFloat(number) : number;
  }

  /// f32 elements as they are stored, where they have no scale.
  Value stored(Value value) {
    return number_ == PackedNumber::F16      ? b_.toHalfBits(value)
           : number_ == PackedNumber::BF16   ? b_.toBfloatBits(value)
           : number_ == PackedNumber::F8E4M3 ? b_.toE4M3Bits(value)
                                             : value;
  }

private:
  static constexpr int64_t kScaleBytes = 2 * LAMINA_KV_PAGE_TOKENS;

  static PackedNumber numberOf(mlir::Type element) {
    return element.isF32()                              ? PackedNumber::F32
           : element.isF16()                            ? PackedNumber::F16
           : element.isBF16()                           ? PackedNumber::BF16
           : llvm::isa<mlir::Float8E4M3FNType>(element) ? PackedNumber::F8E4M3
                                                        : PackedNumber::I8;
  }
  static int64_t bytesOf(PackedNumber number) {
    return number == PackedNumber::F32                                   ? 4
           : number == PackedNumber::F16 || number == PackedNumber::BF16 ? 2
                                                                         : 1;
  }
  int64_t scaleBytes(int64_t elements) const { return hasScales() ? elements / kBlock * kScaleBytes : 0; }
  int64_t keyHeadBytes() const {
    return type_.getKeyLength() * keyBytes() + scaleBytes(type_.getKeyLength());
  }
  int64_t valueHeadBytes() const { return LAMINA_KV_PAGE_TOKENS * valueBytes() + scaleBytes(paddedValue_); }

  KernelContext &kernel_;
  KernelBuilder &b_;
  lm::KVCacheType type_;
  PackedNumber number_;
  int64_t elementBytes_, paddedValue_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_CACHEPAGE_H
