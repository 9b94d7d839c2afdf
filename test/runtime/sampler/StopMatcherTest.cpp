//===- StopMatcherTest.cpp ------------------------------------------------------------------------------===//

#include "runtime/sampler/StopMatcher.h"

#include <gtest/gtest.h>

namespace lamina {
namespace {

TEST(StopMatcher, HoldsBackWhatMayBecomeAStopString) {
  StopMatcher matcher({"<end>"});
  EXPECT_EQ(matcher.push("a<"), "a");
  EXPECT_EQ(matcher.push("en"), "");
  EXPECT_EQ(matcher.push("d"), "");
  EXPECT_FALSE(matcher.stopped());
  EXPECT_EQ(matcher.push(">b"), "");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.stopString(), "<end>");
  EXPECT_EQ(matcher.push("more"), "");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, ReleasesWhatDidNotBecomeOne) {
  StopMatcher matcher({"aab"});
  EXPECT_EQ(matcher.push("aa"), "");
  EXPECT_EQ(matcher.push("a"), "a");
  EXPECT_EQ(matcher.push("c"), "aac");
  EXPECT_EQ(matcher.push("xa"), "x");
  EXPECT_EQ(matcher.finish(), "a");
  EXPECT_FALSE(matcher.stopped());
}

TEST(StopMatcher, TheFirstPlaceWinsThenTheFirstEnd) {
  StopMatcher first({"cd", "bcx", "b"});
  EXPECT_EQ(first.push("abcd"), "a");
  EXPECT_EQ(first.stopString(), "b");

  StopMatcher earlier({"bcd", "c"});
  EXPECT_EQ(earlier.push("abc"), "a");
  EXPECT_EQ(earlier.push("d"), "");
  EXPECT_EQ(earlier.stopString(), "bcd");

  StopMatcher later({"bcd", "c"});
  EXPECT_EQ(later.push("abc"), "a");
  EXPECT_EQ(later.push("x"), "b");
  EXPECT_EQ(later.stopString(), "c");
}

TEST(StopMatcher, TheEndOfTheTextDecides) {
  StopMatcher matcher({"abc", "b"});
  EXPECT_EQ(matcher.push("xab"), "x");
  EXPECT_EQ(matcher.finish(), "a");
  EXPECT_EQ(matcher.stopString(), "b");
}

TEST(StopMatcher, NothingToStopAt) {
  StopMatcher matcher({""});
  EXPECT_EQ(matcher.push("abc"), "abc");
  EXPECT_EQ(matcher.push(""), "");
  EXPECT_FALSE(matcher.stopped());
}

TEST(StopMatcher, EverySplitShowsTheSameText) {
  std::string text = "one stSTtop two STOP three";
  for (size_t first = 0; first <= text.size(); ++first)
    for (size_t second = first; second <= text.size(); ++second) {
      StopMatcher matcher({"STOP", "three"});
      std::string shown = matcher.push(text.substr(0, first));
      shown += matcher.push(text.substr(first, second - first));
      shown += matcher.push(text.substr(second));
      EXPECT_EQ(shown, "one stSTtop two ");
      EXPECT_EQ(matcher.stopString(), "STOP");
    }
}

} // namespace
} // namespace lamina
