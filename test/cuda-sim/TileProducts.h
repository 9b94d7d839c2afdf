//===- TileProducts.h - what tensor cores compute, on what the lanes of a warp have ---------*- C++ -*-===//

#ifndef LAMINA_TEST_CUDASIM_TILEPRODUCTS_H
#define LAMINA_TEST_CUDASIM_TILEPRODUCTS_H

#include <array>
#include <cstdint>

namespace lamina::cudasim {

/// What a lane gives to its warp: a word; its words of two tiles, `a` and `b` one after the other; or the
/// numbers in them, as f32.
using Offer = std::array<int32_t, 12>;

/// What a lane gives to a product, and what it adds to its sums once all have given: `lanes` are those of its
/// warp.
Offer offerBytes(const int32_t *a, const int32_t *b, int32_t depth);
void addByteProducts(const Offer *lanes, int32_t lane, int32_t *sums, int32_t depth);
Offer offerFloats(const int32_t *a, const int32_t *b, bool bfloat);
void addFloatProducts(const Offer *lanes, int32_t lane, float *sums);

} // namespace lamina::cudasim

#endif // LAMINA_TEST_CUDASIM_TILEPRODUCTS_H
