//===- Minifloat.cpp - encodings by their values --------------------------------------------------------===//

#include "lib/Import/ONNX/Minifloat.h"

#include <cmath>
#include <limits>

namespace lamina::onnx {

namespace {
/// Codes are sign, exponent, fraction; magnitudes up to `largest` are finite, in ascending order.
struct Format {
  int fractionBits = 0, bias = 0;
  uint8_t sign = 0x80, largest = 0, infinity = 0, nan = 0; // infinity 0: none
  bool isFinite = false; // there is neither infinity nor NaN; `nan` is what becomes of one
};

constexpr Format kE4M3FN{3, 7, 0x80, 0x7E, 0, 0x7F};
constexpr Format kE4M3FNUZ{3, 8, 0x80, 0x7F, 0, 0x80};
constexpr Format kE5M2{2, 15, 0x80, 0x7B, 0x7C, 0x7E};
constexpr Format kE5M2FNUZ{2, 16, 0x80, 0x7F, 0, 0x80};
constexpr Format kE2M1{1, 1, 0x08, 0x07, 0, 0x08, true};
constexpr Format kE2M3{3, 1, 0x20, 0x1F, 0, 0x20, true};
constexpr Format kE3M2{2, 3, 0x20, 0x1F, 0, 0x20, true};
constexpr Format kE8M0{0, 127, 0x00, 0xFE, 0, 0xFF};

const Format *formatOf(ElementType type) {
  switch (type) {
  case ElementType::Float8E4M3FN:
    return &kE4M3FN;
  case ElementType::Float8E4M3FNUZ:
    return &kE4M3FNUZ;
  case ElementType::Float8E5M2:
    return &kE5M2;
  case ElementType::Float8E5M2FNUZ:
    return &kE5M2FNUZ;
  case ElementType::Float4E2M1:
    return &kE2M1;
  case ElementType::Float6E2M3:
    return &kE2M3;
  case ElementType::Float6E3M2:
    return &kE3M2;
  case ElementType::Float8E8M0:
    return &kE8M0;
  default:
    return nullptr;
  }
}

double magnitude(const Format &format, uint8_t code) {
  int fraction = code & ((1 << format.fractionBits) - 1);
  int exponent = code >> format.fractionBits;
  if (&format == &kE8M0)
    return std::ldexp(1.0, exponent - format.bias);
  if (exponent == 0)
    return std::ldexp(fraction, 1 - format.bias - format.fractionBits);
  return std::ldexp((1 << format.fractionBits) + fraction, exponent - format.bias - format.fractionBits);
}

/// The code of the magnitude nearest to `value`, at most one above the largest, which stands for overflow.
uint8_t nearestMagnitude(const Format &format, double value) {
  int low = 0, high = format.largest + 1;
  while (high - low > 1) {
    int middle = (low + high) / 2;
    (magnitude(format, middle) <= value ? low : high) = middle;
  }
  double below = value - magnitude(format, low), above = magnitude(format, high) - value;
  return below > above || (below == above && (low & 1)) ? high : low;
}
} // namespace

bool isMinifloat(ElementType type) { return formatOf(type) != nullptr; }

double decodeMinifloat(ElementType type, uint8_t code) {
  const Format &format = *formatOf(type);
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  if (code == format.nan && !format.isFinite)
    return kNaN;
  uint8_t magnitudeCode = code & ~format.sign;
  double value = magnitude(format, magnitudeCode);
  if (magnitudeCode > format.largest)
    value =
        format.infinity && magnitudeCode == format.infinity ? std::numeric_limits<double>::infinity() : kNaN;
  return code & format.sign ? -value : value;
}

uint8_t encodeMinifloat(ElementType type, double value, bool saturate) {
  const Format &format = *formatOf(type);
  if (std::isnan(value))
    return format.nan;
  bool negativeZero = format.nan == 0x80; // what would be −0 is the NaN
  uint8_t sign = std::signbit(value) ? format.sign : 0;
  uint8_t code = nearestMagnitude(format, std::fabs(value));
  if (code > format.largest || std::isinf(value)) {
    if (saturate || format.isFinite)
      return format.largest | sign;
    return format.infinity ? format.infinity | sign : (format.nan == 0x80 ? 0x80 : format.nan | sign);
  }
  return code == 0 && negativeZero ? 0 : code | sign;
}

} // namespace lamina::onnx
