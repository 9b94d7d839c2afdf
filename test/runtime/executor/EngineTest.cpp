//===- EngineTest.cpp - two workers run a hand-written plan, in this process and as processes --------------===//

#include "EngineTest.h"

#include "runtime/base/Affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <unistd.h>

namespace lamina::test {

std::string Workers::name() const {
  auto device = [](bool cuda) { return cuda ? "Cuda" : "Cpu"; };
  return std::string(device(placement.computeOnCuda)) + device(placement.memoryOnCuda);
}

std::vector<Workers> everyPlacement(bool inProcess) {
  std::vector<Workers> placements;
  for (int i = 0; i < 4; ++i)
    placements.push_back({inProcess, {.computeOnCuda = i % 2 != 0, .memoryOnCuda = i / 2 != 0}});
  return placements;
}

namespace {

using ::testing::HasSubstr;

TEST_P(PlacedEngineTest, OneToken) {
  auto engine = create(plan());
  ASSERT_TRUE(engine.ok()) << engine.status();
  ASSERT_TRUE((*engine)->step(fillBatch(**engine, {{5, 0, 0}})).ok());
  EXPECT_EQ((*engine)->logits(0)[0], expectedLogit({5}));
  EXPECT_EQ((*engine)->logitsStride(), kVocab);
}

TEST_P(PlacedEngineTest, RaggedStepsOfSeveralSequences) {
  auto engine = create(plan());
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::mt19937 random(7);
  std::map<int, std::vector<int>> sequences;
  for (int round = 0; round < 60; ++round) {
    std::vector<Token> tokens;
    std::vector<float> expected;
    int size = round % 7 == 0 ? 1 : 1 + int(random() % kMaxTokens);
    for (int i = 0; i < size; ++i) {
      int sequence = int(random() % 4);
      std::vector<int> &ids = sequences[sequence];
      if (ids.size() == kMaxContext)
        continue;
      ids.push_back(int(random() % kSlowToken));
      tokens.push_back({ids.back(), int(ids.size()) - 1, sequence});
      expected.push_back(expectedLogit(ids));
    }
    if (tokens.empty())
      break;
    ASSERT_TRUE((*engine)->step(fillBatch(**engine, tokens)).ok());
    for (size_t row = 0; row < expected.size(); ++row)
      ASSERT_EQ((*engine)->logits(int64_t(row))[0], expected[row]) << "step " << round << " row " << row;
    float variant = tokens.size() == 1 ? 1.0f : 2.0f;
    ASSERT_EQ((*engine)->logits(0)[kVocab - 1], variant);
  }
}

TEST_P(PlacedEngineTest, OutputRowsPickRows) {
  auto engine = create(plan());
  ASSERT_TRUE(engine.ok()) << engine.status();
  LaminaStep step = fillBatch(**engine, {{1, 0, 0}, {2, 1, 0}, {3, 0, 1}});
  (*engine)->batch().outputRows[0] = 2;
  step.outputRows = 1;
  step.blockTableStride = 0;
  ASSERT_TRUE((*engine)->step(step).ok());
  EXPECT_EQ((*engine)->logits(0)[0], expectedLogit({3}));
  step.outputRows = 0;
  EXPECT_TRUE((*engine)->step(step).ok());
}

TEST_P(PlacedEngineTest, CandidatesComeInsteadOfLogits) {
  auto engine = create(withCandidates(plan()));
  ASSERT_TRUE(engine.ok()) << engine.status();
  LaminaStep step = fillBatch(**engine, {{1, 0, 0}, {2, 1, 0}, {3, 0, 1}});
  ASSERT_TRUE((*engine)->step(step).ok());
  EXPECT_EQ((*engine)->logits(2)[0], expectedLogit({3}));
  std::vector<float> row((*engine)->logits(2), (*engine)->logits(2) + kVocab);
  step.candidates = 5;
  ASSERT_TRUE((*engine)->step(step).ok());
  Candidates candidates = (*engine)->candidates(2);
  ASSERT_EQ(candidates.ids.size(), 5u);
  for (size_t j = 0; j < 5; ++j) {
    std::vector<float>::iterator largest = std::max_element(row.begin(), row.end());
    EXPECT_EQ(candidates.ids[j], largest - row.begin()) << j;
    EXPECT_EQ(candidates.logits[j], *largest) << j;
    *largest = -1e30f;
  }
  // What a GPU is not asked for stays there.
  step = fillBatch(**engine, {{7, 0, 2}});
  step.candidates = 1;
  ASSERT_TRUE((*engine)->step(step).ok());
  bool stays = GetParam().placement.computeOnCuda;
  EXPECT_EQ((*engine)->logits(0)[0], expectedLogit({stays ? 1 : 7}));
  step.candidates = kCandidates + 1;
  EXPECT_THAT(std::string((*engine)->step(step).message()),
              HasSubstr("a step asks for 0 to 16 candidates, got 17"));
}

TEST_P(PlacedEngineTest, CandidatesThatNobodyOffersAreRefused) {
  auto engine = create(plan());
  ASSERT_TRUE(engine.ok()) << engine.status();
  LaminaStep step = fillBatch(**engine, {{1, 0, 0}});
  step.candidates = 1;
  EXPECT_THAT(std::string((*engine)->step(step).message()),
              HasSubstr("a step asks for 0 to 0 candidates, got 1"));
}

TEST_P(PlacedEngineTest, CountsBytesAndTime) {
  auto engine = create(plan());
  ASSERT_TRUE(engine.ok()) << engine.status();
  StepTimings timings;
  ASSERT_TRUE((*engine)->step(fillBatch(**engine, {{1, 0, 0}, {2, 1, 0}}), &timings).ok());
  ASSERT_TRUE((*engine)->step(fillBatch(**engine, {{kSlowToken, 2, 0}}), &timings).ok());
  EXPECT_THAT((*engine)->transferBytes(), ::testing::ElementsAre(3 * 64, 3 * 128, 3 * 64));
  std::vector<WorkerInfo> workers = (*engine)->workers();
  ASSERT_EQ(workers.size(), 2u);
  EXPECT_EQ(workers[0].name, "compute0");
  EXPECT_EQ(workers[0].deviceClass, "compute");
  EXPECT_EQ(workers[0].bytesSent, 3u * 192);
  EXPECT_EQ(workers[0].bytesReceived, 3u * 64);
  EXPECT_EQ(workers[1].bytesSent, 3u * 64);
  EXPECT_EQ(workers[1].bytesReceived, 3u * 192);
  EXPECT_THAT(workers[1].device,
              HasSubstr(GetParam().placement.memoryOnCuda ? "cuda sim, simulated GPU" : "2 threads"));
  EXPECT_EQ(workers[0].pid == getpid(), GetParam().inProcess);
  EXPECT_EQ(workers[0].pid == workers[1].pid, GetParam().inProcess);
  ASSERT_EQ(timings.workers.size(), 2u);
  for (int i = 0; i < 2; ++i) {
    EXPECT_GT(timings.workers[size_t(i)].busyNanoseconds, 0u);
    EXPECT_LE(timings.workers[size_t(i)].busyNanoseconds + timings.workers[size_t(i)].waitNanoseconds,
              timings.wallNanoseconds);
    EXPECT_GT(workers[size_t(i)].busyFraction, 0.0);
    EXPECT_LE(workers[size_t(i)].busyFraction, 1.0);
  }
  if (!GetParam().placement.computeOnCuda) // a GPU waits by itself
    EXPECT_GT(timings.workers[0].waitNanoseconds, 2'000'000u) << "compute0 waits while memory0 works";
  EXPECT_GT(timings.workers[1].busyNanoseconds, 40'000'000u);
}

TEST_P(PlacedEngineTest, TraceHoldsEveryInstructionInOrder) {
  auto engine = create(plan(), /*trace=*/true);
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_TRUE((*engine)->trace().empty());
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE((*engine)->step(fillBatch(**engine, {{1, i, 0}})).ok());
  std::vector<TraceEvent> events = (*engine)->trace();
  ASSERT_EQ(events.size(), 3u * (6 + 7));
  EXPECT_EQ(events[0].label, "blk.0.project");
  EXPECT_EQ(events[0].kind, TraceEvent::Kind::Dispatch);
  EXPECT_EQ(events[1].label, "blk.0 q");
  EXPECT_EQ(events[1].kind, TraceEvent::Kind::Send);
  EXPECT_EQ(events[4].kind, TraceEvent::Kind::Wait);
  EXPECT_EQ(events[6].step, 2u);
  EXPECT_EQ(events.back().worker, 1);
  EXPECT_EQ(events.back().label, "blk.0 out");
  uint64_t before = 0;
  for (const TraceEvent &event : events) {
    if (event.worker == 1 && event.step == 1 && event.kind == TraceEvent::Kind::Recv)
      before = 0;
    EXPECT_GE(event.beginNanoseconds, before);
    EXPECT_GE(event.endNanoseconds, event.beginNanoseconds);
    before = event.endNanoseconds;
  }
}

TEST_P(PlacedEngineTest, TraceShowsWhenWorkRanAndNotWhenItWasHandedOver) {
  auto engine = create(plan(), /*trace=*/true);
  ASSERT_TRUE(engine.ok()) << engine.status();
  ASSERT_TRUE((*engine)->step(fillBatch(**engine, {{kSlowToken, 0, 0}})).ok());
  auto nanoseconds = [&](const std::string &label, TraceEvent::Kind kind) {
    uint64_t sum = 0;
    for (const TraceEvent &event : (*engine)->trace())
      if (event.label == label && event.kind == kind)
        sum += event.endNanoseconds - event.beginNanoseconds;
    return sum;
  };
  EXPECT_GT(nanoseconds("blk.0.attention", TraceEvent::Kind::Dispatch), 40'000'000u);
  EXPECT_GT(nanoseconds("blk.0 out", TraceEvent::Kind::Wait), 2'000'000u) << "compute0 waits meanwhile";
}

/// The other worker waits for a result that never comes, on its GPU too.
TEST_P(GpuMemoryTest, AFailingKernelIsNamedAndEndsTheRun) {
  auto engine = create(plan());
  ASSERT_TRUE(engine.ok()) << engine.status();
  ASSERT_TRUE((*engine)->step(fillBatch(**engine, {{1, 0, 0}})).ok());
  absl::Status status = (*engine)->step(fillBatch(**engine, {{kCrashToken, 1, 0}}));
  // Workers of one process share the GPU's context: what one breaks is broken for all, and any may be the
  // first to tell.
  if (GetParam().inProcess && GetParam().placement.computeOnCuda)
    EXPECT_THAT(std::string(status.message()), HasSubstr("CUDA_ERROR_ILLEGAL_ADDRESS"));
  else
    EXPECT_EQ(status.message(),
              "worker memory0: the GPU failed during the 2 kernels from test_append to test_attend: "
              "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered");
  EXPECT_EQ((*engine)->step(fillBatch(**engine, {{1, 1, 0}})), status) << "the failure is final";
}

TEST_P(PlacedEngineTest, BadBatchIsRefusedAndTheEngineStaysUsable) {
  auto engine = create(plan());
  ASSERT_TRUE(engine.ok()) << engine.status();
  auto refused = [&](std::vector<Token> tokens, const char *message) {
    absl::Status status = (*engine)->step(fillBatch(**engine, tokens));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  };
  refused({}, "1 to 40 tokens, got 0");
  refused({{1, 0, 0}, {32, 1, 0}}, "token id 32 of row 1 of the batch is outside 0 to 31");
  refused({{-1, 0, 0}}, "token id -1");
  refused({{1, 100, 0}}, "position 100");
  refused({{1, 0, 4}}, "sequence slot 4");
  LaminaStep step = fillBatch(**engine, {{1, 0, 0}});
  (*engine)->batch().blockTable[0] = 28;
  EXPECT_THAT(std::string((*engine)->step(step).message()), HasSubstr("cache page 28"));
  // Attention reads the pages before the token's own as well.
  step = fillBatch(**engine, {{1, 40, 1}});
  (*engine)->batch().blockTable[size_t((*engine)->batch().blockTableStride) + 1] = -1;
  EXPECT_THAT(std::string((*engine)->step(step).message()),
              HasSubstr("cache page -1 of position 16 of sequence slot 1 is outside 0 to 27"));
  (*engine)->batch().blockTable[size_t((*engine)->batch().blockTableStride) + 1] = 28;
  EXPECT_THAT(std::string((*engine)->step(step).message()), HasSubstr("cache page 28 of position 16"));
  (*engine)->batch().blockTable[size_t((*engine)->batch().blockTableStride) + 1] = 1;
  (*engine)->batch().blockTable[size_t((*engine)->batch().blockTableStride) + 3] = -1; // nobody reads it
  EXPECT_TRUE((*engine)->step(step).ok());
  step = fillBatch(**engine, {{1, 0, 0}});
  (*engine)->batch().outputRows[0] = 1;
  EXPECT_THAT(std::string((*engine)->step(step).message()), HasSubstr("asks for row 1 of a batch of 1"));
  step.outputRows = 41;
  EXPECT_THAT(std::string((*engine)->step(step).message()), HasSubstr("0 to 40 output rows"));
  step = fillBatch(**engine, {{1, 0, 0}});
  step.sequences = 5;
  EXPECT_THAT(std::string((*engine)->step(step).message()), HasSubstr("1 to 4 sequences"));
  step.sequences = 1;
  step.blockTableStride = 3;
  EXPECT_THAT(std::string((*engine)->step(step).message()),
              HasSubstr("7 entries per sequence, the step says 3"));
  ASSERT_TRUE((*engine)->step(fillBatch(**engine, {{5, 0, 0}})).ok());
  EXPECT_EQ((*engine)->logits(0)[0], expectedLogit({5}));
}

TEST_P(EngineTest, LoadErrorsNameTheWorker) {
  auto fails = [&](const plan::Plan &plan, std::vector<const char *> parts) {
    auto engine = create(plan);
    ASSERT_FALSE(engine.ok());
    for (const char *part : parts)
      EXPECT_THAT(std::string(engine.status().message()), HasSubstr(part));
  };
  plan::Plan plan = makePlan();
  plan.mutable_workers(1)->mutable_kernels(1)->mutable_variants(0)->set_symbol("no_such_kernel");
  fails(plan, {"worker memory0: ", "kernels.so has no kernel no_such_kernel"});
  plan = makePlan();
  plan.mutable_workers(1)->mutable_code(0)->set_target("riscv64");
  fails(
      plan,
      {"worker memory0: no code object runs on this machine: the artifact has riscv64, this machine runs "});
  plan = makePlan();
  plan.mutable_workers(0)->set_weights_bytes(4096);
  fails(plan, {"worker compute0: ", "compute0.bin has 128 bytes, the plan needs 4096"});
  plan = makePlan();
  plan.mutable_workers(0)->set_weights_file("weights/absent.bin");
  fails(plan, {"worker compute0: cannot open weights file ", "absent.bin: No such file"});
  plan = makePlan();
  plan.mutable_workers(1)->mutable_code(0)->set_file("weights/compute0.bin");
  fails(plan, {"worker memory0: cannot load code object"});
  plan = makePlan();
  plan.mutable_classes(1)->set_device("abacus");
  fails(plan, {"worker memory0: this runtime has no device of kind \"abacus\""});
  plan = makePlan();
  plan.mutable_workers(1)->set_arena_bytes(uint64_t(1) << 46);
  plan.mutable_workers(1)->mutable_caches(0)->set_page_bytes(uint64_t(1) << 41);
  fails(plan, {"worker memory0: cannot reserve",
               "; lift the limit on this process's memory, or compile the model for fewer tokens"});
}

TEST_P(EngineTest, OfSeveralFailingWorkersTheFirstIsNamed) {
  plan::Plan plan = makePlan();
  for (plan::Worker &worker : *plan.mutable_workers())
    worker.mutable_code(0)->set_target("riscv64");
  for (int repeat = 0; repeat < 20; ++repeat)
    EXPECT_THAT(std::string(create(plan).status().message()), HasSubstr("worker compute0: no code object"));
}

TEST_P(EngineTest, BrokenPlanIsRefusedBeforeAnythingStarts) {
  plan::Plan plan = makePlan();
  plan.mutable_transfers(SendQ)->set_bytes_per_row(1);
  EXPECT_THAT(std::string(create(plan).status().message()), HasSubstr("the plan is broken"));
}

/// The CPUs of the threads of a process that have just one to be on; sanitizers add threads that may go anywhere.
std::vector<int> pinnedCpus(int pid) {
  std::vector<int> cpus;
  for (const auto &task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    cpu_set_t set;
    CPU_ZERO(&set);
    EXPECT_EQ(sched_getaffinity(std::stoi(task.path().filename()), sizeof(set), &set), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&set) == 1; ++cpu)
      if (CPU_ISSET(cpu, &set))
        cpus.push_back(cpu);
  }
  std::sort(cpus.begin(), cpus.end());
  return cpus;
}

TEST(EngineCpus, ThreadsShareCpusWithTheirLikeOrGoAnywhere) {
  EXPECT_EQ(cpusOfThreads(3, std::vector{1, 4, 5}), (std::vector{1, 4, 5}));
  EXPECT_EQ(cpusOfThreads(4, std::vector{1, 4}), (std::vector{1, 4, 1, 4}));
  EXPECT_THAT(cpusOfThreads(1, std::vector{1, 4}), ::testing::IsEmpty()) << "fewer threads than CPUs";
  EXPECT_THAT(cpusOfThreads(3, std::vector{1, 4}), ::testing::IsEmpty()) << "thread 2 would meet thread 0";
  EXPECT_THAT(cpusOfThreads(2, {}), ::testing::IsEmpty()) << "the system does not say";
}

TEST(EngineCpus, WorkersThatNeedEveryCpuShareThemEvenly) {
  std::vector<int> available = availableCpus();
  ASSERT_FALSE(available.empty());
  TestArtifact artifact;
  auto engine = Engine::create(makePlan(), artifact.path(), {.threadsPerWorker = int(available.size())});
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const WorkerInfo &worker : (*engine)->workers())
    EXPECT_EQ(pinnedCpus(worker.pid), available) << worker.name;
  EXPECT_EQ(availableCpus(), available) << "the front end stays free";
}

TEST_P(EngineTest, AnyNumberOfThreads) {
  for (int threads : {0, 1, 5}) {
    auto engine = create(makePlan(), false, threads);
    ASSERT_TRUE(engine.ok()) << engine.status();
    std::vector<Token> tokens;
    std::vector<int> ids;
    for (int i = 0; i < kMaxTokens; ++i) {
      ids.push_back(i % kSlowToken);
      tokens.push_back({ids.back(), i, 0});
    }
    for (int repeat = 0; repeat < 20; ++repeat) {
      ASSERT_TRUE((*engine)->step(fillBatch(**engine, tokens)).ok());
      EXPECT_EQ((*engine)->logits(kMaxTokens - 1)[0], expectedLogit(ids));
    }
  }
  EXPECT_THAT(std::string(create(makePlan(), false, 100000).status().message()), HasSubstr("100000 threads"));
}

} // namespace
} // namespace lamina::test
