//===- EngineDeathTest.cpp - workers and front ends that die ------------------------------------------===//

#include "EngineTest.h"

#include "runtime/base/Clock.h"

#include "absl/strings/str_cat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace lamina::test {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSecond = 1'000'000'000;
/// Longer than the busiest machine needs; only what hangs takes longer.
constexpr uint64_t kHang = 30 * kSecond;

class EngineDeathTest : public ::testing::TestWithParam<Workers> {
protected:
  void SetUp() override {
    useSimulator();
    start();
  }
  void start() {
    auto engine = Engine::create(plan(), artifact_.path(), {.threadsPerWorker = 2});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = std::move(*engine);
  }
  plan::Plan plan() const { return makePlan(GetParam().placement); }
  int pid(size_t worker) { return engine_->workers()[worker].pid; }

  TestArtifact artifact_;
  std::unique_ptr<Engine> engine_;
};

INSTANTIATE_TEST_SUITE_P(Processes, EngineDeathTest, ::testing::ValuesIn(everyPlacement(false)),
                         [](const auto &info) { return info.param.name(); });

bool exists(int pid) { return kill(pid, 0) == 0; }

bool diesWithin(int pid, uint64_t nanoseconds) {
  for (uint64_t deadline = monotonicNanoseconds() + nanoseconds; monotonicNanoseconds() < deadline;
       usleep(2000))
    if (!exists(pid))
      return true;
  return false;
}

TEST_P(EngineDeathTest, KilledBetweenSteps) {
  ASSERT_TRUE(engine_->step(fillBatch(*engine_, {{1, 0, 0}})).ok());
  int victim = pid(1), other = pid(0);
  kill(victim, SIGKILL);
  uint64_t begin = monotonicNanoseconds();
  absl::Status status = engine_->step(fillBatch(*engine_, {{1, 1, 0}}));
  EXPECT_LT(monotonicNanoseconds() - begin, kHang);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::string(status.message()),
            absl::StrCat("worker memory0 (pid ", victim, ") was killed by signal 9 (Killed)"));
  EXPECT_EQ(engine_->step(fillBatch(*engine_, {{1, 1, 0}})), status) << "the failure must be final";
  EXPECT_FALSE(exists(victim)) << "a zombie is left";
  EXPECT_FALSE(exists(other)) << "the survivor is left";
}

TEST_P(EngineDeathTest, KilledWithinAStep) {
  int victim = pid(1), other = pid(0);
  std::thread killer([victim] {
    usleep(100'000);
    kill(victim, SIGKILL);
  });
  uint64_t begin = monotonicNanoseconds();
  absl::Status status = engine_->step(fillBatch(*engine_, {{kHangToken, 0, 0}}));
  EXPECT_LT(monotonicNanoseconds() - begin, kHang);
  killer.join();
  EXPECT_THAT(std::string(status.message()), HasSubstr("worker memory0 (pid"));
  EXPECT_FALSE(exists(other));
}

TEST_P(EngineDeathTest, PeerOfADeadWorkerIsKilledThoughItIsBusy) {
  int victim = pid(0);
  std::thread killer([victim] {
    usleep(100'000);
    kill(victim, SIGKILL);
  });
  uint64_t begin = monotonicNanoseconds();
  absl::Status status = engine_->step(fillBatch(*engine_, {{kHangToken, 0, 0}}));
  EXPECT_LT(monotonicNanoseconds() - begin, kHang);
  killer.join();
  EXPECT_THAT(std::string(status.message()), HasSubstr("worker compute0 (pid"));
}

TEST_P(EngineDeathTest, CrashingKernelIsReported) {
  absl::Status status = engine_->step(fillBatch(*engine_, {{kCrashToken, 0, 0}}));
  if (GetParam().placement.memoryOnCuda)
    EXPECT_EQ(status.message(),
              "worker memory0: the GPU failed during the 2 kernels from test_append to test_attend: "
              "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered");
  else // a sanitizer turns the signal into an exit of its own
    EXPECT_THAT(std::string(status.message()),
                ::testing::AnyOf(HasSubstr("was killed by signal 11"), HasSubstr("exited with status")));
}

/// Weights that go to a GPU are not in the file any more.
TEST_P(EngineDeathTest, AWeightsFileThatIsCutOffIsReported) {
  if (GetParam().placement.computeOnCuda)
    return;
  ASSERT_TRUE(engine_->step(fillBatch(*engine_, {{1, 0, 0}})).ok());
  std::filesystem::resize_file(artifact_.path() + "/weights/compute0.bin", 0);
  absl::Status status = engine_->step(fillBatch(*engine_, {{1, 1, 0}}));
  EXPECT_THAT(
      std::string(status.message()),
      ::testing::AnyOf(
          HasSubstr("was killed by signal 7 (Bus error): most likely a file of the artifact was cut off "
                    "while it was in use, or its disk failed"),
          HasSubstr("exited with status"))); // under a sanitizer
}

TEST_P(EngineDeathTest, InterruptLeavesWorkersAlone) {
  kill(pid(0), SIGINT);
  kill(pid(1), SIGINT);
  ASSERT_TRUE(engine_->step(fillBatch(*engine_, {{5, 0, 0}})).ok());
  EXPECT_EQ(engine_->logits(0)[0], expectedLogit({5}));
}

TEST_P(EngineDeathTest, AnInterruptEndsALongStep) {
  static bool interrupted; // not while loading
  interrupted = false;
  auto engine = Engine::create(plan(), artifact_.path(),
                               {.threadsPerWorker = 2, .interrupted = [] { return interrupted; }});
  ASSERT_TRUE(engine.ok()) << engine.status();
  interrupted = true;
  uint64_t begin = monotonicNanoseconds();
  absl::Status status = (*engine)->step(fillBatch(**engine, {{kHangToken, 0, 0}}));
  EXPECT_LT(monotonicNanoseconds() - begin, kHang);
  EXPECT_EQ(status, absl::CancelledError("interrupted"));
}

TEST_P(EngineDeathTest, DestroyingLeavesNoProcess) {
  int first = pid(0), second = pid(1);
  engine_.reset();
  EXPECT_FALSE(exists(first));
  EXPECT_FALSE(exists(second));
  errno = 0;
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD) << "a child is left";
}

/// Those that do not leave are killed after a second; on a busy machine so is now and then one that would have left.
TEST_P(EngineDeathTest, WorkersLeaveWhenTheyAreTold) {
  uint64_t fastest = kHang;
  for (int i = 0; i < 10 && fastest >= kSecond; ++i) {
    start();
    uint64_t begin = monotonicNanoseconds();
    engine_.reset();
    fastest = std::min(fastest, monotonicNanoseconds() - begin);
  }
  EXPECT_LT(fastest, kSecond) << "workers had to be killed";
}

TEST(EngineOrphanTest, KilledFrontEndTakesItsWorkersAlong) {
  TestArtifact artifact;
  // Orphans come to us, so that dead ones can be told from living ones wherever init does not reap.
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  int channel[2];
  ASSERT_EQ(pipe(channel), 0);
  pid_t frontEnd = fork();
  if (frontEnd == 0) {
    auto engine = Engine::create(makePlan(), artifact.path(), {.threadsPerWorker = 2});
    if (!engine.ok() || !(*engine)->step(fillBatch(**engine, {{5, 0, 0}})).ok())
      _exit(1);
    std::vector<WorkerInfo> infos = (*engine)->workers();
    int pids[2] = {infos[0].pid, infos[1].pid};
    if (write(channel[1], pids, sizeof(pids)) != sizeof(pids)) // at once: a pipe does not split it
      _exit(1);
    kill(getpid(), SIGKILL);
  }
  int workers[2] = {0, 0};
  close(channel[1]);
  ASSERT_EQ(read(channel[0], workers, sizeof(workers)), ssize_t(sizeof(workers)));
  close(channel[0]);
  int status = 0;
  ASSERT_EQ(waitpid(frontEnd, &status, 0), frontEnd);
  ASSERT_TRUE(WIFSIGNALED(status));
  for (int worker : workers) {
    pid_t reaped = 0;
    for (int i = 0; i < 15'000 && reaped == 0; ++i, usleep(2000))
      reaped = waitpid(worker, &status, WNOHANG);
    EXPECT_EQ(reaped, worker) << "an orphan is left";
    EXPECT_TRUE(diesWithin(worker, kHang));
  }
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

} // namespace
} // namespace lamina::test
