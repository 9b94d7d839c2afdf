//===- TileProductsTest.cpp - tile products of simulated lanes against matrices -----------------------===//

#include "TestGrid.h"

#include "runtime/base/Float16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

namespace lamina::cudasim {
namespace {

/// Where PTX ISA says that a lane has the elements of mma.m16n8k16 and m16n8k32 on bytes: row and column of the i-th
/// byte of `a`, of the i-th byte of `b` and of the i-th sum.
struct Place {
  int32_t row, column;
};
Place placeInA(int32_t lane, int32_t i) {
  return {lane / 4 + (i % 8 < 4 ? 0 : 8), lane % 4 * 4 + i % 4 + (i < 8 ? 0 : 16)};
}
Place placeInB(int32_t lane, int32_t i) { return {lane % 4 * 4 + i % 4 + (i < 4 ? 0 : 16), lane / 4}; }
Place placeInSums(int32_t lane, int32_t i) { return {lane / 4 + (i < 2 ? 0 : 8), lane % 4 * 2 + i % 2}; }

/// Matrices of bytes and their product, as anybody would compute it.
struct TileProduct {
  int32_t depth;
  int8_t a[16][32], b[32][8];
  int32_t sums[16][8], expected[16][8];

  explicit TileProduct(int32_t depth) : depth(depth) {
    std::mt19937 random{unsigned(depth)};
    auto byte = [&] { return random() % 8 == 0 ? int8_t(-128) : int8_t(random()); };
    for (int32_t k = 0; k < 32; ++k) {
      for (int32_t row = 0; row < 16; ++row)
        a[row][k] = byte();
      for (int32_t column = 0; column < 8; ++column)
        b[k][column] = byte();
    }
    for (int32_t row = 0; row < 16; ++row)
      for (int32_t column = 0; column < 8; ++column) {
        expected[row][column] = sums[row][column] = int32_t(random() % 100000);
        for (int32_t k = 0; k < depth; ++k)
          expected[row][column] += a[row][k] * b[k][column];
      }
  }
};

TEST(TileProducts, TilesAreMultipliedAsTheirLanesHaveThem) {
  auto multiply = [](void *const *parameters) {
    auto &tiles = *static_cast<TileProduct *>(parameters[0]);
    int8_t a[16], b[8];
    int32_t words[4], columns[2], sums[4];
    for (int32_t i = 0; i < tiles.depth / 2; ++i)
      a[i] = tiles.a[placeInA(thread(), i).row][placeInA(thread(), i).column];
    for (int32_t i = 0; i < tiles.depth / 4; ++i)
      b[i] = tiles.b[placeInB(thread(), i).row][placeInB(thread(), i).column];
    std::memcpy(words, a, sizeof a);
    std::memcpy(columns, b, sizeof b);
    for (int32_t i = 0; i < 4; ++i)
      sums[i] = tiles.sums[placeInSums(thread(), i).row][placeInSums(thread(), i).column];
    lamina_sim_mma_s8(words, columns, sums, tiles.depth);
    for (int32_t i = 0; i < 4; ++i)
      tiles.sums[placeInSums(thread(), i).row][placeInSums(thread(), i).column] = sums[i];
  };
  for (int32_t depth : {16, 32}) {
    TileProduct tiles(depth);
    run(multiply, &tiles, 1, 32);
    EXPECT_EQ(std::memcmp(tiles.sums, tiles.expected, sizeof tiles.sums), 0) << depth;
  }
}

/// The same of 16-bit floats: where a lane has the i-th number of `a` and of `b`.
Place halfPlaceInA(int32_t lane, int32_t i) {
  return {lane / 4 + (i / 2 % 2 == 0 ? 0 : 8), lane % 4 * 2 + i % 2 + (i < 4 ? 0 : 8)};
}
Place halfPlaceInB(int32_t lane, int32_t i) { return {lane % 4 * 2 + i % 2 + (i < 2 ? 0 : 8), lane / 4}; }

struct FloatTileProduct {
  bool bfloat;
  float a[16][16], b[16][8], sums[16][8];
  double expected[16][8];

  /// Small multiples of 1/8, which both types have exactly and of which no sum is rounded.
  explicit FloatTileProduct(bool bfloat) : bfloat(bfloat) {
    std::mt19937 random{unsigned(bfloat)};
    auto number = [&] { return float(int32_t(random() % 255) - 127) / 8; };
    for (int32_t k = 0; k < 16; ++k) {
      for (int32_t row = 0; row < 16; ++row)
        a[row][k] = number();
      for (int32_t column = 0; column < 8; ++column)
        b[k][column] = number();
    }
    for (int32_t row = 0; row < 16; ++row)
      for (int32_t column = 0; column < 8; ++column) {
        expected[row][column] = sums[row][column] = number();
        for (int32_t k = 0; k < 16; ++k)
          expected[row][column] += double(a[row][k]) * b[k][column];
      }
  }
  uint16_t bits(float value) const { return bfloat ? floatToBfloat16(value) : floatToHalf(value); }
};

TEST(TileProducts, TilesOfFloatsAreMultipliedAsTheirLanesHaveThem) {
  auto multiply = [](void *const *parameters) {
    auto &tiles = *static_cast<FloatTileProduct *>(parameters[0]);
    uint16_t a[8], b[4];
    int32_t words[4], columns[2];
    float sums[4];
    for (int32_t i = 0; i < 8; ++i)
      a[i] = tiles.bits(tiles.a[halfPlaceInA(thread(), i).row][halfPlaceInA(thread(), i).column]);
    for (int32_t i = 0; i < 4; ++i)
      b[i] = tiles.bits(tiles.b[halfPlaceInB(thread(), i).row][halfPlaceInB(thread(), i).column]);
    std::memcpy(words, a, sizeof a);
    std::memcpy(columns, b, sizeof b);
    for (int32_t i = 0; i < 4; ++i)
      sums[i] = tiles.sums[placeInSums(thread(), i).row][placeInSums(thread(), i).column];
    lamina_sim_mma_f32(words, columns, sums, tiles.bfloat);
    for (int32_t i = 0; i < 4; ++i)
      tiles.sums[placeInSums(thread(), i).row][placeInSums(thread(), i).column] = sums[i];
  };
  for (bool bfloat : {false, true}) {
    FloatTileProduct tiles(bfloat);
    run(multiply, &tiles, 1, 32);
    for (int32_t row = 0; row < 16; ++row)
      for (int32_t column = 0; column < 8; ++column)
        EXPECT_EQ(tiles.sums[row][column], tiles.expected[row][column]) << row << " " << column;
  }
}

} // namespace
} // namespace lamina::cudasim
