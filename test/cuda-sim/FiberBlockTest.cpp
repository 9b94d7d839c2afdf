//===- FiberBlockTest.cpp - barriers and shuffles of simulated threads, and what is refused -----------===//

#include "TestGrid.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <csetjmp>
#include <thread>
#include <vector>

namespace lamina::cudasim {
namespace {

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

TEST(FiberBlock, ABlockThatBeginsEarlyGetsAsFarAsTheWait) {
  auto waiting = [](void *const *parameters) {
    auto *counts = static_cast<int32_t *>(parameters[0]);
    lamina_sim_barrier();
    ++counts[0];
    lamina_sim_grid_wait();
    lamina_sim_barrier();
    ++counts[1 + lamina_sim_block_id()];
  };
  int32_t counts[4] = {};
  void *parameters[] = {counts};
  {
    GridRun run({"test", waiting, parameters, 3, 64, 0, true});
    run.begin(2);
    EXPECT_EQ(counts[0], 64);
    EXPECT_EQ(counts[3], 0);
    runGrid({"another", [](void *const *p) { static_cast<int32_t *>(p[0])[0] = -1; }, parameters, 1, 64, 0});
    EXPECT_EQ(counts[0], -1);
    run.finish();
    EXPECT_EQ(counts[0], -1 + 2 * 64);
    for (int i = 1; i < 4; ++i)
      EXPECT_EQ(counts[i], 64);
  }
  GridRun({"test", waiting, parameters, 3, 64, 0, true}).begin(0); // never finished
  run(waiting, counts, 3, 64);
  EXPECT_EQ(counts[1], 2 * 64);
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

TEST(FiberBlock, BytesArePermutedAsPTXDoes) {
  constexpr int32_t low = 0x33221100, high = int32_t(0x80665544);
  EXPECT_EQ(lamina_sim_permute(low, high, 0x3210), low);
  EXPECT_EQ(lamina_sim_permute(low, high, 0x7654), high);
  EXPECT_EQ(lamina_sim_permute(low, high, 0x0725), 0x00802255);
  EXPECT_EQ(uint32_t(lamina_sim_permute(low, high, 0xF8FE)), 0xFF00FF00u); // signs of bytes 7, 0, 7, 6
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
  EXPECT_DEATH(run(diverge, nullptr, 1, 32),
               "thread 8 waits in a shuffle that thread 0 does not reach: it waits in a "
               "product of tiles .24 of 32 threads got there.");
}

TEST(FiberBlockDeathTest, ProductOfADepthThatThereIsNot) {
  auto deep = [](void *const *) {
    int32_t words[4] = {};
    lamina_sim_mma_s8(words, words, words, 64);
  };
  EXPECT_DEATH(run(deep, nullptr, 1, 32), "multiplies tiles of depth 64");
}

TEST(FiberBlockDeathTest, ReturnWithoutTheWaitThatWasPromised) {
  auto some = [](void *const *) {
    if (thread() < 40)
      lamina_sim_grid_wait();
  };
  EXPECT_DEATH(runGrid({"test", some, nullptr, 1, 64, 0, true}),
               "kernel test, block 0: thread (40|63) returns without having waited for the grids before");
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
