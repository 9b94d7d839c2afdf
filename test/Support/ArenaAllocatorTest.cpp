//===- ArenaAllocatorTest.cpp ---------------------------------------------------------------------------------===//

#include "lib/Support/ArenaAllocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace lamina;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

TEST(ArenaAllocator, BuffersOfDifferentTimesShareMemory) {
  ArenaLayout layout = layOutArena({{100, 0, 1}, {100, 2, 3}, {100, 4, 5}}, 64);
  EXPECT_THAT(layout.offsets, ElementsAre(0, 0, 0));
  EXPECT_EQ(layout.bytes, 128u);
}

TEST(ArenaAllocator, TouchingIntervalsDoNotShare) {
  ArenaLayout layout = layOutArena({{64, 0, 2}, {64, 2, 3}}, 64);
  EXPECT_NE(layout.offsets[0], layout.offsets[1]);
  EXPECT_EQ(layout.bytes, 128u);
}

TEST(ArenaAllocator, OffsetsAreAligned) {
  for (uint64_t offset : layOutArena({{1, 0, 9}, {65, 0, 9}, {130, 0, 9}}, 64).offsets)
    EXPECT_EQ(offset % 64, 0u);
}

TEST(ArenaAllocator, NothingNeedsNothing) { EXPECT_EQ(layOutArena({}, 64).bytes, 0u); }

TEST(ArenaAllocator, FindsOverlaps) {
  EXPECT_THAT(findOverlaps({{64, 0, 1}, {64, 1, 2}}, {0, 32}), ElementsAre(std::pair<size_t, size_t>(0, 1)));
  EXPECT_THAT(findOverlaps({{64, 0, 1}, {64, 2, 3}}, {0, 0}), IsEmpty());
  EXPECT_THAT(findOverlaps({{64, 0, 200}, {64, 150, 150}}, {0, 0}),
              ElementsAre(std::pair<size_t, size_t>(0, 1)));
}

/// Random programs: never an overlap, never below the bound, and not far above it.
TEST(ArenaAllocator, RandomLifetimes) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<ArenaBuffer> buffers(1 + random() % 200);
    for (ArenaBuffer &buffer : buffers) {
      buffer.bytes = 64 * (1 + random() % 100);
      buffer.firstUse = random() % 300;
      buffer.lastUse = buffer.firstUse + random() % (random() % 10 == 0 ? 300 : 8);
    }
    ArenaLayout layout = layOutArena(buffers, 64);
    EXPECT_THAT(findOverlaps(buffers, layout.offsets), IsEmpty());
    EXPECT_GE(layout.bytes, arenaLowerBound(buffers));
    EXPECT_LE(layout.bytes, 2 * arenaLowerBound(buffers));
  }
}

/// A chain of layers needs a layer's worth of memory, however many there are.
TEST(ArenaAllocator, ChainsDoNotGrow) {
  auto arenaOf = [](uint64_t layers) {
    std::vector<ArenaBuffer> buffers;
    for (uint64_t layer = 0; layer < layers; ++layer)
      for (uint64_t step = 0; step < 10; ++step)
        buffers.push_back(
            {step == 0 ? 4096u : 1024u, 10 * layer + step, 10 * layer + step + (step == 0 ? 10 : 1)});
    return layOutArena(buffers, 64).bytes;
  };
  EXPECT_EQ(arenaOf(8), arenaOf(800));
}

} // namespace
