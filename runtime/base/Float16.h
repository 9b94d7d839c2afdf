//===- Float16.h - small floating-point encodings ---------------------------------------------*- C++ -*-===//
//
// Bit-exact conversions between f32 and the small encodings of model files. All functions are pure. From and
// to f16 and bf16 they give what the processor's instructions (vcvtph2ps, vcvtps2ph, vcvtneps2bf16 with
// subnormals kept) give: rounding to nearest, ties to even; too large becomes infinity; a NaN stays a quiet
// NaN with its upper payload bits.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_BASE_FLOAT16_H
#define LAMINA_RUNTIME_BASE_FLOAT16_H

#include <bit>
#include <cstdint>

namespace lamina {

/// IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits.
inline float halfToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t magnitude = half & 0x7FFF;
  if (magnitude >= 0x7C00) {
    uint32_t fraction = (magnitude & 0x3FF) << 13;
    return std::bit_cast<float>(sign | 0x7F800000 | fraction | (fraction ? 0x00400000 : 0));
  }
  if (magnitude >= 0x0400)
    return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000));
  // Zero and subnormals: an integer multiple of 2^-24, exact in f32.
  float value = static_cast<float>(magnitude) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
}

inline uint16_t floatToHalf(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000)
    return static_cast<uint16_t>(sign | 0x7E00 | ((magnitude >> 13) & 0x3FF));
  // 65520 lies half way between the largest half and the next step, so it and all above round to infinity.
  if (magnitude >= 0x477FF000)
    return static_cast<uint16_t>(sign | 0x7C00);
  if (magnitude >= 0x38800000) {
    uint32_t odd = (magnitude >> 13) & 1;
    return static_cast<uint16_t>(sign | ((magnitude - 0x38000000 + 0x0FFF + odd) >> 13));
  }
  // At exponent 2^-1 the unit in the last place of f32 is 2^-24, the step of f16's subnormals: the addition
  // rounds.
  float shifted = std::bit_cast<float>(magnitude) + 0.5f;
  return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3F000000));
}

/// bfloat16: the upper half of an f32. Exact; a signalling NaN stays one.
inline float bfloat16ToFloat(uint16_t value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

inline uint16_t floatToBfloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000)
    return static_cast<uint16_t>((bits >> 16) | 0x0040);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

/// OCP E4M3 without infinities: 1 sign, 4 exponent bits (bias 7), 3 fraction bits; all but the sign set is NaN.
inline float e4m3ToFloat(uint8_t value) {
  if ((value & 0x7F) == 0x7F)
    return std::bit_cast<float>(static_cast<uint32_t>(value & 0x80) << 24 | 0x7FC00000);
  uint32_t exponent = (value >> 3) & 15, fraction = value & 7;
  float magnitude = exponent == 0 ? static_cast<float>(fraction) * 0x1p-9f
                                  : std::bit_cast<float>((exponent + 127 - 7) << 23 | fraction << 20);
  return value & 0x80 ? -magnitude : magnitude;
}

/// To nearest, ties to even; what is too large, infinity too, becomes 448, the greatest number there is.
inline uint8_t floatToE4M3(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7FFFFFFF;
  uint8_t sign = static_cast<uint8_t>((bits >> 24) & 0x80);
  if (magnitude > 0x7F800000)
    return sign | 0x7F;
  if (magnitude >= 0x43E00000) // 448
    return sign | 0x7E;
  if (magnitude < 0x3C800000) { // 2^-6: below it a multiple of 2^-9, which is the last place of 2^14
    float shifted = std::bit_cast<float>(magnitude) + 0x1p14f;
    return static_cast<uint8_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x46800000));
  }
  return static_cast<uint8_t>(sign | ((magnitude - 0x3C000000 + 0x7FFFF + ((magnitude >> 20) & 1)) >> 20));
}

/// Half of what the OCP scale type E8M0 means: 2^(e - 128). MXFP4 blocks use it with doubled E2M1 values,
/// which are integers. As in ggml, e = 255 (NaN in the OCP text) is not special and gives 2^127.
inline float e8m0HalfToFloat(uint8_t e) {
  uint32_t bits = e < 2 ? 0x00200000u << e : static_cast<uint32_t>(e - 1) << 23;
  return std::bit_cast<float>(bits);
}

/// Half of an unsigned E4M3 number (bias 7): the scale of NVFP4 blocks, used with doubled E2M1 values. As in
/// ggml, the top bit is ignored, but 0x7F alone (NaN in the OCP text) means 0.
inline float ue4m3HalfToFloat(uint8_t value) {
  uint32_t exponent = (value >> 3) & 15;
  uint32_t fraction = value & 7;
  if (value == 0x7F)
    return 0.0f;
  if (exponent == 0)
    return static_cast<float>(fraction) * 0x1p-10f;
  return std::bit_cast<float>(((exponent + 127 - 7 - 1) << 23) | (fraction << 20));
}

} // namespace lamina

#endif // LAMINA_RUNTIME_BASE_FLOAT16_H
