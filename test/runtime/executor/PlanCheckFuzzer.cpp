//===- PlanCheckFuzzer.cpp - a plan from anywhere is refused or can be sized --------------------------===//
//
// The input is merged into the hand-written plan, so that a few bytes reach deep into a plan that is
// otherwise right.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "TestPlan.h"
#include "runtime/executor/ChannelSizing.h"
#include "runtime/executor/PlanCheck.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lamina::plan::Plan patch;
  if (!patch.ParseFromArray(data, int(size)))
    return 0;
  lamina::plan::Plan plan = lamina::test::makePlan();
  plan.MergeFrom(patch);
  if (lamina::checkPlan(plan).ok() && !lamina::sizeChannels(plan).ok())
    abort();
  (void)lamina::checkPlan(patch);
  return 0;
}
