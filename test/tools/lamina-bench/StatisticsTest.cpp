//===- StatisticsTest.cpp - samples, and lists of numbers ---------------------------------------------===//

#include "tools/lamina-bench/Statistics.h"
#include "tools/lamina-bench/Ranges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina::bench {
namespace {

using testing::ElementsAre;

TEST(Statistics, DividesByOneLessThanTheSample) {
  std::vector<double> values = {2, 4, 4, 4, 5, 5, 7, 9};
  EXPECT_DOUBLE_EQ(mean(values), 5);
  EXPECT_NEAR(standardDeviation(values), 2.13809, 1e-5);
  EXPECT_DOUBLE_EQ(median(values), 4.5);
  EXPECT_DOUBLE_EQ(median({3, 1, 2}), 2);
}

TEST(Statistics, NeedsNoSample) {
  EXPECT_EQ(mean({}), 0);
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(standardDeviation(std::vector<double>{7}), 0);
}

TEST(Statistics, KeepsSmallSpreadsOfLargeTimes) {
  // A sum of squares of nanoseconds would lose it.
  std::vector<double> times = {4e12 + 1, 4e12 + 2, 4e12 + 3};
  EXPECT_DOUBLE_EQ(standardDeviation(times), 1);
}

TEST(Statistics, CountsTokensOfASecond) {
  std::vector<uint64_t> times = {500000000, 2000000000};
  EXPECT_THAT(tokensPerSecond(100, times), ElementsAre(200, 50));
}

TEST(Ranges, AreAsInLlamaBench) {
  EXPECT_THAT(*parseRanges("128"), ElementsAre(128));
  EXPECT_THAT(*parseRanges("0,512,128"), ElementsAre(0, 512, 128));
  EXPECT_THAT(*parseRanges("1-4"), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(*parseRanges("128-512+128"), ElementsAre(128, 256, 384, 512));
  EXPECT_THAT(*parseRanges("1-32*2,7"), ElementsAre(1, 2, 4, 8, 16, 32, 7));
}

TEST(Ranges, RefuseWhatIsNone) {
  for (const char *text :
       {"", ",", "1,", "a", "-1", "1-", "4-1", "1-4*1", "1-4+0", "0-4*2", "1 2", "99999999999", "1.5", "+1"})
    EXPECT_FALSE(parseRanges(text)) << text;
  EXPECT_EQ(parseRanges("1-10000")->size(), 10000u);
  for (const char *text : {"1-10001", "1-10000,1", "1-16777216"})
    EXPECT_FALSE(parseRanges(text)) << text;
}

} // namespace
} // namespace lamina::bench
