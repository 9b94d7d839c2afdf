//===- TileProducts.cpp - what tensor cores compute, on what the lanes of a warp have -----------------===//

#include "TileProducts.h"

#include "runtime/base/Float16.h"

#include <algorithm>
#include <bit>

namespace lamina::cudasim {
namespace {

constexpr int32_t kOfferOfB = 4;

/// Products of the signed bytes of two words.
int32_t dotBytes(int32_t a, int32_t b) {
  int32_t sum = 0;
  for (int32_t byte = 0; byte < 4; ++byte)
    sum += int8_t(a >> 8 * byte) * int8_t(b >> 8 * byte);
  return sum;
}

} // namespace

Offer offerBytes(const int32_t *a, const int32_t *b, int32_t depth) {
  int32_t halves = depth / 16;
  Offer offer{};
  std::copy_n(a, 2 * halves, offer.begin());
  std::copy_n(b, halves, offer.begin() + kOfferOfB);
  return offer;
}

void addByteProducts(const Offer *lanes, int32_t lane, int32_t *sums, int32_t depth) {
  int32_t halves = depth / 16;
  for (int32_t i = 0; i < 4; ++i) {
    int32_t rows = i / 2, row = lane / 4,
            column = 2 * (lane % 4) + i % 2; // the upper or the lower eight rows
    for (int32_t quarter = 0; quarter < 4; ++quarter)
      for (int32_t half = 0; half < halves; ++half)
        sums[i] += dotBytes(lanes[4 * row + quarter][size_t(2 * half + rows)],
                            lanes[4 * column + quarter][size_t(kOfferOfB + half)]);
  }
}

Offer offerFloats(const int32_t *a, const int32_t *b, bool bfloat) {
  Offer offer;
  for (size_t i = 0; i < offer.size(); ++i) { // two in each word
    auto bits = uint16_t((i < 8 ? a[i / 2] : b[i / 2 - 4]) >> 16 * (i % 2));
    offer[i] = std::bit_cast<int32_t>(bfloat ? bfloat16ToFloat(bits) : halfToFloat(bits));
  }
  return offer;
}

void addFloatProducts(const Offer *lanes, int32_t lane, float *sums) {
  for (int32_t i = 0; i < 4; ++i) {
    int32_t rows = i / 2, row = lane / 4, column = 2 * (lane % 4) + i % 2;
    double sum = sums[i];
    for (int32_t k = 0; k < 16; ++k) {
      int32_t owner = k % 8 / 2,
              place = k % 2 + k / 8 * 4; // in `a` the upper and the lower eight rows by turns
      const Offer &ofA = lanes[4 * row + owner], &ofB = lanes[4 * column + owner];
      sum += double(std::bit_cast<float>(ofA[size_t(place + 2 * rows)])) *
             std::bit_cast<float>(ofB[size_t(8 + place / 4 * 2 + place % 4)]);
    }
    sums[i] = float(sum);
  }
}

} // namespace lamina::cudasim
