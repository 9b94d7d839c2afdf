//===- EngineTest.h - an engine over the hand-written plan, wherever its workers are --------*- C++ -*-===//

#ifndef LAMINA_TEST_RUNTIME_EXECUTOR_ENGINETEST_H
#define LAMINA_TEST_RUNTIME_EXECUTOR_ENGINETEST_H

#include "TestPlan.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace lamina::test {

struct Workers {
  bool inProcess;
  Placement placement;

  std::string name() const;
};

/// Every placement, as processes or in this one.
std::vector<Workers> everyPlacement(bool inProcess);

/// On CPUs alone.
class EngineTest : public ::testing::TestWithParam<Workers> {
protected:
  void SetUp() override { useSimulator(); }
  plan::Plan plan() const { return makePlan(GetParam().placement); }
  absl::StatusOr<std::unique_ptr<Engine>> create(const plan::Plan &plan, bool trace = false,
                                                 int threads = 2) {
    return Engine::create(plan, artifact_.path(),
                          {.threadsPerWorker = threads, .inProcess = GetParam().inProcess, .trace = trace});
  }
  TestArtifact artifact_;
};

/// On every placement.
class PlacedEngineTest : public EngineTest {};

/// Where memory0 has a GPU.
class GpuMemoryTest : public EngineTest {};

} // namespace lamina::test

#endif // LAMINA_TEST_RUNTIME_EXECUTOR_ENGINETEST_H
