//===- PageAllocatorTest.cpp --------------------------------------------------------------------------===//

#include "runtime/kvcache/PageAllocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace lamina {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr int64_t kStride = 4;

struct PageAllocatorTest : ::testing::Test {
  std::vector<int32_t> table = std::vector<int32_t>(3 * kStride, 77);
  PageAllocator pages{6, table, kStride, 60};

  int32_t entry(int sequence, int64_t page) { return table[size_t(sequence * kStride + page)]; }
};

TEST_F(PageAllocatorTest, StartsEmpty) {
  EXPECT_THAT(table, Each(-1));
  EXPECT_EQ(pages.totalPages(), 6);
  EXPECT_EQ(pages.freePages(), 6);
  EXPECT_EQ(pages.freeSequences(), 3);
}

TEST_F(PageAllocatorTest, ReservesWholePages) {
  int sequence = *pages.openSequence();
  EXPECT_EQ(sequence, 0);
  EXPECT_EQ(pages.pagesNeeded(sequence, 17), 2);
  ASSERT_TRUE(pages.reserve(sequence, 0).ok());
  EXPECT_EQ(pages.freePages(), 6);
  ASSERT_TRUE(pages.reserve(sequence, 1).ok());
  EXPECT_EQ(pages.freePages(), 5);
  ASSERT_TRUE(pages.reserve(sequence, 16).ok());
  EXPECT_EQ(pages.freePages(), 5) << "position 16 still fits the first page";
  int32_t first = entry(0, 0);
  ASSERT_TRUE(pages.reserve(sequence, 17).ok());
  EXPECT_EQ(pages.freePages(), 4);
  EXPECT_EQ(entry(0, 0), first) << "pages that hold tokens must not move";
  EXPECT_NE(entry(0, 1), first);
  EXPECT_EQ(entry(0, 2), -1);
  ASSERT_TRUE(pages.reserve(sequence, 3).ok()) << "reserving less than is held is no error";
  EXPECT_EQ(pages.freePages(), 4);
}

TEST_F(PageAllocatorTest, FullCacheSaysHowManyPagesAreMissingAndTakesNone) {
  int first = *pages.openSequence(), second = *pages.openSequence();
  ASSERT_TRUE(pages.reserve(first, 60).ok());
  absl::Status status = pages.reserve(second, 49);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("2 more of its 6 pages of 16 tokens are needed"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("larger kv_pages"));
  EXPECT_EQ(pages.freePages(), 2);
  EXPECT_EQ(entry(1, 0), -1);
  ASSERT_TRUE(pages.closeSequence(first).ok());
  EXPECT_TRUE(pages.reserve(second, 49).ok());
}

TEST_F(PageAllocatorTest, ContextIsBounded) {
  int sequence = *pages.openSequence();
  absl::Status status = pages.reserve(sequence, 61);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(status.message()), HasSubstr("61 tokens does not fit the context of 60"));
  EXPECT_EQ(pages.reserve(sequence, -1).code(), absl::StatusCode::kOutOfRange);
  std::vector<int32_t> small(2);
  EXPECT_EQ(PageAllocator(9, small, 2, 60).maxContext(), 32) << "the table has no room for more";
}

TEST_F(PageAllocatorTest, SlotsAreBounded) {
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(*pages.openSequence(), i);
  EXPECT_THAT(std::string(pages.openSequence().status().message()),
              HasSubstr("all 3 sequence slots are in use"));
  ASSERT_TRUE(pages.closeSequence(1).ok());
  EXPECT_EQ(*pages.openSequence(), 1);
}

TEST_F(PageAllocatorTest, TruncateGivesBackPages) {
  int sequence = *pages.openSequence();
  ASSERT_TRUE(pages.reserve(sequence, 60).ok());
  ASSERT_TRUE(pages.truncate(sequence, 17).ok());
  EXPECT_EQ(pages.freePages(), 4);
  EXPECT_NE(entry(0, 1), -1);
  EXPECT_EQ(entry(0, 2), -1);
}

TEST_F(PageAllocatorTest, ClosedSlotsAreRefused) {
  for (int sequence : {-1, 0, 3}) {
    EXPECT_EQ(pages.reserve(sequence, 1).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(pages.truncate(sequence, 1).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(pages.closeSequence(sequence).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(PageAllocatorStress, NoPageIsHeldTwice) {
  std::vector<int32_t> table(8 * 16);
  PageAllocator pages(50, table, 16, 256);
  std::mt19937 random(1);
  std::vector<bool> open(8, false);
  for (int i = 0; i < 20000; ++i) {
    int slot = int(random() % 8);
    if (!open[size_t(slot)])
      open[size_t(*pages.openSequence())] = true;
    else if (random() % 8 == 0)
      open[size_t(slot)] = !pages.closeSequence(slot).ok();
    else if (random() % 4 == 0)
      ASSERT_TRUE(pages.truncate(slot, int64_t(random() % 257)).ok());
    else
      (void)pages.reserve(slot, int64_t(random() % 257));
    std::multiset<int32_t> held;
    for (int32_t page : table)
      if (page >= 0)
        held.insert(page);
    ASSERT_EQ(int64_t(held.size()), 50 - pages.freePages());
    ASSERT_EQ(std::set<int32_t>(held.begin(), held.end()).size(), held.size());
  }
}

} // namespace
} // namespace lamina
