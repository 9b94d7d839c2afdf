//===- EngineInProcess.cpp - the engine's tests with workers that are threads of this process -----------===//

#include "EngineTest.h"

#include <algorithm>
#include <atomic>
#include <filesystem>

namespace lamina::test {

INSTANTIATE_TEST_SUITE_P(InProcess, EngineTest, ::testing::Values(Workers{true, {}}),
                         [](const auto &info) { return info.param.name(); });
INSTANTIATE_TEST_SUITE_P(InProcess, PlacedEngineTest, ::testing::ValuesIn(everyPlacement(true)),
                         [](const auto &info) { return info.param.name(); });
INSTANTIATE_TEST_SUITE_P(InProcess, GpuMemoryTest,
                         ::testing::Values(Workers{true, {false, true}}, Workers{true, {true, true}}),
                         [](const auto &info) { return info.param.name(); });

namespace {

size_t threadsOfThisProcess() {
  size_t threads = 0;
  for ([[maybe_unused]] const auto &task : std::filesystem::directory_iterator("/proc/self/task"))
    ++threads;
  return threads;
}

TEST(EngineInProcess, WorkersOnCpusHaveTheSameThreads) {
  TestArtifact artifact;
  auto threadsWith = [&](int threads) {
    auto engine =
        Engine::create(makePlan(), artifact.path(), {.threadsPerWorker = threads, .inProcess = true});
    EXPECT_TRUE(engine.ok()) << engine.status();
    for (const WorkerInfo &worker : (*engine)->workers())
      EXPECT_TRUE(worker.device.ends_with(std::to_string(threads) + " threads")) << worker.device;
    return threadsOfThisProcess();
  };
  size_t two = threadsWith(2);
  EXPECT_EQ(threadsWith(5), two + 3);
}

/// Two workers of one driver wait, one for the other and that for a GPU.
TEST(EngineInProcess, SeveralWorkersOfADriverWaitAtOnce) {
  useSimulator();
  plan::Plan plan = makePlan({.memoryOnCuda = true});
  plan::Worker &relay = *plan.add_workers();
  relay = plan.workers(0);
  relay.set_name("relay0");
  relay.mutable_buffers(Logits)->set_name("spare");
  relay.clear_kernels();
  relay.clear_program();
  plan::Transfer &back = *plan.add_transfers();
  back = plan.transfers(SendOut);
  back.set_label("relayed out");
  back.set_source(2);
  *back.mutable_source_buffers() = back.destination_buffers();
  plan.mutable_transfers(SendOut)->set_destination(2);
  relay.add_program()->mutable_recv()->set_transfer(SendOut);
  relay.add_program()->mutable_wait()->set_transfer(SendOut);
  relay.add_program()->mutable_send()->set_transfer(3);
  for (plan::Instruction &instruction : *plan.mutable_workers(0)->mutable_program())
    if (instruction.has_recv())
      instruction.mutable_recv()->set_transfer(3);
    else if (instruction.has_wait())
      instruction.mutable_wait()->set_transfer(3);
  TestArtifact artifact;
  auto engine = Engine::create(plan, artifact.path(), {.threadsPerWorker = 2, .inProcess = true});
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::vector<int> ids;
  uint64_t fastest = UINT64_MAX;
  for (int i = 0; i < 20; ++i) {
    ids.push_back(i);
    StepTimings timings;
    ASSERT_TRUE((*engine)->step(fillBatch(**engine, {{i, i, 0}}), &timings).ok());
    EXPECT_EQ((*engine)->logits(0)[0], expectedLogit(ids));
    fastest = std::min(fastest, timings.wallNanoseconds);
  }
  EXPECT_LT(fastest, 40'000'000u) << "the driver slept although there was something to do";
}

/// As many instructions as take seconds.
plan::Plan longPlan() {
  plan::Plan plan = makePlan();
  auto &program = *plan.mutable_workers(1)->mutable_program();
  plan::Instruction send = program[program.size() - 1], attention = program[program.size() - 2];
  program.RemoveLast();
  for (int i = 0; i < 200; ++i)
    *program.Add() = attention;
  *program.Add() = send;
  return plan;
}

TEST(EngineInProcess, AnInterruptEndsAStepBetweenInstructions) {
  static std::atomic<bool> interrupted;
  interrupted = false; // not while loading
  TestArtifact artifact;
  auto engine = Engine::create(longPlan(), artifact.path(),
                               {.threadsPerWorker = 2, .inProcess = true, .trace = true, .interrupted = [] {
                                  return interrupted.load();
                                }});
  ASSERT_TRUE(engine.ok()) << engine.status();
  interrupted = true;
  absl::Status status = (*engine)->step(fillBatch(**engine, {{kSlowToken, 0, 0}}));
  EXPECT_EQ(status, absl::CancelledError("interrupted"));
  EXPECT_EQ((*engine)->step(fillBatch(**engine, {{1, 1, 0}})), status) << "the interrupt is final";
  std::vector<TraceEvent> events = (*engine)->trace();
  auto ofMemory = [](const TraceEvent &event) { return event.worker == 1; };
  EXPECT_LT(std::count_if(events.begin(), events.end(), ofMemory), 150) << "the step ran to its end";
}

} // namespace
} // namespace lamina::test
