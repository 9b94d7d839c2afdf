//===- TraceTest.cpp - a trace that has lost its beginning ----------------------------------------------===//

#include "tools/common/Trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <set>

namespace lamina {
namespace {

/// Of steps 4 to 6: one of the first worker and two of the second in each.
std::vector<TraceEvent> threeSteps() {
  std::vector<TraceEvent> events;
  for (uint64_t step = 4; step < 7; ++step)
    for (int worker : {0, 1, 1}) {
      TraceEvent &event = events.emplace_back();
      event.worker = worker;
      event.step = step;
    }
  return events;
}

TEST(FirstWholeStep, IsTheSecondThatATraceWithoutRoomStillHolds) {
  EXPECT_EQ(firstWholeStep({}, 6), 1u);
  EXPECT_EQ(firstWholeStep(threeSteps(), 7), 1u);
  EXPECT_EQ(firstWholeStep(threeSteps(), 6), 5u);
}

TEST(WriteTrace, LeavesOutStepsThatAreNotWholeAndSaysSo) {
  std::string path = testing::TempDir() + "lamina-trace.json";
  testing::internal::CaptureStderr();
  ASSERT_TRUE(writeTrace(std::vector<WorkerInfo>(2), threeSteps(), 6, path).ok());
  EXPECT_THAT(
      testing::internal::GetCapturedStderr(),
      testing::HasSubstr("warning: only the last 2 steps are in '" + path + "': the trace holds no more"));
  std::ifstream file(path);
  std::multiset<int> steps;
  nlohmann::json trace = nlohmann::json::parse(file, nullptr, false);
  for (const auto &event : trace["traceEvents"])
    if (event["ph"] == "X")
      steps.insert(event["args"]["step"].get<int>());
  EXPECT_EQ(steps, (std::multiset<int>{5, 5, 5, 6, 6, 6}));
  std::remove(path.c_str());
}

} // namespace
} // namespace lamina
