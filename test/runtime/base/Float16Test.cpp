//===- Float16Test.cpp: every half, every bfloat16, and rounding at every border ------------------------===//

#include "runtime/base/Float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lamina {
namespace {

uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }

// The definition of binary16, slowly.
double halfByDefinition(uint16_t half) {
  int exponent = (half >> 10) & 31;
  int fraction = half & 1023;
  double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

bool isHalfNan(uint16_t half) { return (half & 0x7FFF) > 0x7C00; }

TEST(Float16, EveryHalf) {
  for (uint32_t i = 0; i < 65536; ++i) {
    uint16_t half = static_cast<uint16_t>(i);
    float value = halfToFloat(half);
    if (isHalfNan(half)) {
      EXPECT_EQ(bitsOf(value), ((i & 0x8000) << 16) | 0x7FC00000 | ((i & 0x3FF) << 13));
      EXPECT_EQ(floatToHalf(value), half | 0x0200);
      continue;
    }
    if ((half & 0x7FFF) == 0x7C00)
      EXPECT_EQ(value, half & 0x8000 ? -INFINITY : INFINITY);
    else
      EXPECT_EQ(bitsOf(value), bitsOf(static_cast<float>(halfByDefinition(half)))) << i;
    EXPECT_EQ(floatToHalf(value), half);
  }
}

// Between each two neighbours: the midpoint goes to the even one, its f32 neighbours to the nearer one.
TEST(Float16, RoundsToNearestEven) {
  for (uint16_t low = 0; low < 0x7C00; ++low) {
    uint16_t high = static_cast<uint16_t>(low + 1);
    double top = high == 0x7C00 ? 65536.0 : halfByDefinition(high);
    float middle = static_cast<float>((halfByDefinition(low) + top) / 2);
    uint16_t even = low & 1 ? high : low;
    EXPECT_EQ(floatToHalf(middle), even);
    EXPECT_EQ(floatToHalf(-middle), even | 0x8000);
    EXPECT_EQ(floatToHalf(std::nextafter(middle, 0.0f)), low);
    EXPECT_EQ(floatToHalf(std::nextafter(middle, INFINITY)), high);
  }
  EXPECT_EQ(floatToHalf(std::numeric_limits<float>::max()), 0x7C00);
  EXPECT_EQ(floatToHalf(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(floatToHalf(std::bit_cast<float>(0xFF800001u)), 0xFE00);
}

TEST(Bfloat16, EveryValueAndRounding) {
  for (uint32_t i = 0; i < 65536; ++i) {
    uint16_t value = static_cast<uint16_t>(i);
    EXPECT_EQ(bitsOf(bfloat16ToFloat(value)), i << 16);
    bool nan = (i & 0x7FFF) > 0x7F80;
    EXPECT_EQ(floatToBfloat16(bfloat16ToFloat(value)), nan ? value | 0x40 : value);
    if (nan || (i & 0x7FFF) == 0x7F80)
      continue;
    EXPECT_EQ(floatToBfloat16(std::bit_cast<float>(i << 16 | 0x7FFF)), value);
    EXPECT_EQ(floatToBfloat16(std::bit_cast<float>(i << 16 | 0x8000)), value + (i & 1));
    EXPECT_EQ(floatToBfloat16(std::bit_cast<float>(i << 16 | 0x8001)), value + 1);
  }
}

double e4m3ByDefinition(int magnitude) {
  int exponent = magnitude >> 3, fraction = magnitude & 7;
  return exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
}

TEST(E4M3, EveryValueAndRounding) {
  for (uint8_t i = 0; i < 0x7F; ++i) {
    float value = static_cast<float>(e4m3ByDefinition(i));
    EXPECT_EQ(bitsOf(e4m3ToFloat(i)), bitsOf(value)) << int(i);
    EXPECT_EQ(bitsOf(e4m3ToFloat(i | 0x80)), bitsOf(-value)) << int(i);
    EXPECT_EQ(floatToE4M3(value), i);
    EXPECT_EQ(floatToE4M3(-value), i | 0x80);
    if (i == 0x7E)
      continue;
    float middle = static_cast<float>((e4m3ByDefinition(i) + e4m3ByDefinition(i + 1)) / 2);
    EXPECT_EQ(floatToE4M3(middle), i + (i & 1));
    EXPECT_EQ(floatToE4M3(std::nextafter(middle, 0.0f)), i);
    EXPECT_EQ(floatToE4M3(std::nextafter(middle, INFINITY)), i + 1);
  }
  EXPECT_EQ(floatToE4M3(464.1f), 0x7E);
  EXPECT_EQ(floatToE4M3(-INFINITY), 0xFE);
  EXPECT_EQ(floatToE4M3(NAN) & 0x7F, 0x7F);
  EXPECT_TRUE(std::isnan(e4m3ToFloat(0x7F)));
  EXPECT_TRUE(std::isnan(e4m3ToFloat(0xFF)));
}

TEST(BlockScales, EveryE8m0) {
  for (int e = 0; e < 256; ++e)
    EXPECT_EQ(e8m0HalfToFloat(static_cast<uint8_t>(e)), static_cast<float>(std::ldexp(1.0, e - 128))) << e;
}

TEST(BlockScales, EveryUe4m3) {
  for (int i = 0; i < 256; ++i) {
    int exponent = (i >> 3) & 15, fraction = i & 7;
    double value = exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
    EXPECT_EQ(ue4m3HalfToFloat(static_cast<uint8_t>(i)), i == 0x7F ? 0.0f : static_cast<float>(value / 2))
        << i;
  }
}

} // namespace
} // namespace lamina
