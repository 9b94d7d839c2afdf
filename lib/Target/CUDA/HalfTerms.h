//===- HalfTerms.h - f32 numbers as terms of 16 bits ---------------------------------------------*- C++ -*-===//
//
// Tensor cores multiply numbers of 16 bits. A factor in f32 is taken apart into terms of the other factor's type, so
// that next to nothing of it is lost:
//
//   BF16  three terms, whose sum is the number
//   F16   two terms of the number times a power of two that brings the largest of some numbers to 2^14: 22 bits of a
//         number, or what of it is above 2^-39 of the largest
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_HALFTERMS_H
#define LAMINA_LIB_TARGET_CUDA_HALFTERMS_H

#include "lib/Target/CUDA/DeviceBuilder.h"

namespace lamina {

class HalfTerms {
public:
  /// `number` is F16 or BF16.
  HalfTerms(DeviceBuilder &builder, PackedNumber number) : b_(builder), number_(number) {}

  PackedNumber number() const { return number_; }
  int64_t count() const { return hasScale() ? 2 : 3; }
  /// Whether numbers need a power of two.
  bool hasScale() const { return number_ == PackedNumber::F16; }

  /// A word of the next terms of two numbers, which are taken from them.
  Value take(Value &first, Value &second);
  /// The exponent, in its place, that powers of two follow from: no number's is above it.
  Value exponentOf(ValueRange numbers);
  /// The power of two that numbers are multiplied by, and its inverse.
  Value power(Value exponent);
  Value inverse(Value exponent);

private:
  DeviceBuilder &b_;
  PackedNumber number_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_HALFTERMS_H
