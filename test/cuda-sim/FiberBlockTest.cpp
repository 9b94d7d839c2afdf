//===- FiberBlockTest.cpp - barriers and shuffles of simulated threads, and what is refused -----------===//

#include "FiberBlock.h"

#include "runtime/base/Float16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <csetjmp>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace lamina::cudasim {
namespace {

/// Runs `kernel` with `result` as its one parameter.
void run(LaminaSimulatedKernel kernel, void *result, int32_t blocks, int32_t threads,
         uint32_t sharedBytes = 0) {
  void *parameters[] = {result};
  runGrid({"test", kernel, parameters, blocks, threads, sharedBytes});
}

int32_t thread() { return lamina_sim_thread_id(); }

TEST(FiberBlock, EveryThreadOfEveryBlockRunsOnce) {
  std::vector<int32_t> counts(5 * 96);
  run([](void *const *p) { ++static_cast<int32_t *>(p[0])[lamina_sim_block_id() * 96 + thread()]; },
      counts.data(), 5, 96);
  EXPECT_EQ(counts, std::vector<int32_t>(5 * 96, 1));
  run([](void *const *) { FAIL() << "no block"; }, nullptr, 0, 32);
}

/// Both neighbours' values pass through shared memory, so threads that run in order hide no missing barrier.
void addNeighbours(void *const *parameters) {
  int32_t *shared = static_cast<int32_t *>(lamina_sim_shared());
  int32_t self = thread(), value = self;
  for (int round = 0; round < 3; ++round) {
    shared[self] = value;
    lamina_sim_barrier();
    value += shared[(self + 1) % 128] + shared[(self + 127) % 128];
    lamina_sim_barrier();
  }
  static_cast<int32_t *>(parameters[0])[lamina_sim_block_id() * 128 + self] = value;
}

TEST(FiberBlock, BarriersSeparatePhases) {
  std::vector<int32_t> got(4 * 128), expected(128);
  run(addNeighbours, got.data(), 4, 128, 512);
  for (int32_t i = 0; i < 128; ++i)
    expected[size_t(i)] = i;
  for (int round = 0; round < 3; ++round) {
    std::vector<int32_t> before = expected;
    for (size_t i = 0; i < 128; ++i)
      expected[i] += before[(i + 1) % 128] + before[(i + 127) % 128];
  }
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(got[i], expected[i % 128]) << i;
}

TEST(FiberBlock, AMissingBarrierShows) {
  auto racing = [](void *const *parameters) {
    int32_t *shared = static_cast<int32_t *>(lamina_sim_shared());
    shared[thread()] = thread();
    static_cast<int32_t *>(parameters[0])[lamina_sim_block_id() * 32 + thread()] = shared[thread() / 2];
  };
  std::vector<int32_t> got(64);
  run(racing, got.data(), 2, 32, 128);
  bool right = true;
  for (int32_t i = 0; i < 64; ++i)
    right &= got[size_t(i)] == i % 32 / 2;
  EXPECT_FALSE(right);
}

TEST(FiberBlock, ShufflesExchangeWithinAWarp) {
  auto sumWarp = [](void *const *parameters) {
    float sum = float(thread());
    for (int32_t distance = 16; distance > 0; distance /= 2)
      sum += std::bit_cast<float>(lamina_sim_shuffle(std::bit_cast<int32_t>(sum), thread() % 32 ^ distance));
    static_cast<float *>(parameters[0])[thread()] = sum;
  };
  std::vector<float> got(64);
  run(sumWarp, got.data(), 1, 64);
  for (int i = 0; i < 64; ++i)
    EXPECT_EQ(got[size_t(i)], i < 32 ? 496.0f : 496.0f + 32 * 32);
}

TEST(FiberBlock, WarpsShuffleAtTheirOwnPace) {
  auto rotate = [](void *const *parameters) {
    int32_t value = thread();
    for (int32_t i = 0; i < 1 + thread() / 32; ++i)
      value = lamina_sim_shuffle(value, (thread() + 1) % 32);
    lamina_sim_barrier();
    static_cast<int32_t *>(parameters[0])[thread()] = value;
  };
  std::vector<int32_t> got(128);
  run(rotate, got.data(), 1, 128);
  for (int32_t i = 0; i < 128; ++i)
    EXPECT_EQ(got[size_t(i)], i / 32 * 32 + (i + 1 + i / 32) % 32);
}

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

TEST(FiberBlock, TilesAreMultipliedAsTheirLanesHaveThem) {
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

TEST(FiberBlock, TilesOfFloatsAreMultipliedAsTheirLanesHaveThem) {
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

TEST(FiberBlock, SharedMemoryBeginsAsNaNsInEveryBlock) {
  auto look = [](void *const *parameters) {
    float *shared = static_cast<float *>(lamina_sim_shared());
    *static_cast<int32_t *>(parameters[0]) += std::isnan(shared[thread()]);
    lamina_sim_barrier();
    shared[thread()] = 0;
  };
  int32_t found = 0;
  run(look, &found, 3, 64, 256);
  EXPECT_EQ(found, 3 * 64);
}

TEST(FiberBlock, SeveralThreadsRunGridsOfTheirOwn) {
  std::vector<int32_t> got[2];
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    got[i].resize(4 * 128);
    threads[i] = std::thread([&result = got[i]] {
      for (int repeat = 0; repeat < 50; ++repeat)
        run(addNeighbours, result.data(), 4, 128, 512);
    });
  }
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(got[0], got[1]);
}

TEST(FiberBlock, AKernelMayBeLeftByALongJump) {
  static jmp_buf out;
  if (setjmp(out) == 0)
    run([](void *const *) { thread() == 40 ? longjmp(out, 1) : lamina_sim_barrier(); }, nullptr, 2, 64);
  std::vector<int32_t> got(4 * 128);
  run(addNeighbours, got.data(), 4, 128, 512);
  EXPECT_NE(got[5], 0);
}

TEST(FiberBlockDeathTest, BarrierThatNotEveryThreadReaches) {
  auto diverge = [](void *const *) {
    if (thread() != 40)
      lamina_sim_barrier();
  };
  EXPECT_DEATH(run(diverge, nullptr, 1, 64),
               "cuda-sim: kernel test, block 0: thread 0 waits at a barrier that thread 40 does not reach: "
               "it has returned .63 of 64 threads got there.");
}

TEST(FiberBlockDeathTest, ShuffleThatNotEveryLaneCalls) {
  auto diverge = [](void *const *) {
    if (thread() % 32 < 16)
      lamina_sim_shuffle(1, 0);
    else
      lamina_sim_barrier();
  };
  EXPECT_DEATH(run(diverge, nullptr, 1, 32),
               "thread 0 waits in a shuffle that thread 16 does not reach: it waits at a barrier .16 of 32");
}

TEST(FiberBlockDeathTest, ProductThatNotEveryLaneCalls) {
  auto diverge = [](void *const *) {
    int32_t words[4] = {};
    if (thread() < 8)
      lamina_sim_mma_s8(words, words, words, 32);
    else
      lamina_sim_shuffle(1, 0);
  };
  EXPECT_DEATH(run(diverge, nullptr, 1, 32), "thread 8 waits in a shuffle that thread 0 does not reach: it waits in a "
                                             "product of tiles .24 of 32 threads got there.");
}

TEST(FiberBlockDeathTest, ProductOfADepthThatThereIsNot) {
  auto deep = [](void *const *) {
    int32_t words[4] = {};
    lamina_sim_mma_s8(words, words, words, 64);
  };
  EXPECT_DEATH(run(deep, nullptr, 1, 32), "multiplies tiles of depth 64");
}

TEST(FiberBlockDeathTest, LaneThatThereIsNot) {
  EXPECT_DEATH(run([](void *const *) { lamina_sim_shuffle(1, 32); }, nullptr, 1, 32),
               "shuffles with lane 32");
}

TEST(FiberBlockDeathTest, BeyondSharedMemory) {
  auto beyond = [](void *const *) { static_cast<char *>(lamina_sim_shared())[256] = 1; };
  EXPECT_DEATH(run(beyond, nullptr, 1, 32, 256), "");
}

TEST(FiberBlockDeathTest, LaunchesOutsideTheLimits) {
  auto nothing = [](void *const *) {};
  EXPECT_DEATH(run(nothing, nullptr, 1, 48), "48 threads in a block, expected a multiple of 32 up to 1024");
  EXPECT_DEATH(run(nothing, nullptr, 1, 1056), "1056 threads");
  EXPECT_DEATH(run(nothing, nullptr, 1, 32, 232449), "232449 bytes of shared memory, there are 232448");
}

} // namespace
} // namespace lamina::cudasim
