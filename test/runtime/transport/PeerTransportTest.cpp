//===- PeerTransportTest.cpp - rings between the GPUs of two processes --------------------------------===//
//
// In a program of its own, which never opens the driver: what it forks must be able to.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "QueuedEnd.h"

#include "runtime/transport/SharedSegment.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace lamina::test {
namespace {

constexpr uint64_t kSteps = 50;

/// As between the workers of an engine: none begins a step before the others have finished the one before.
class Steps {
public:
  void finish(uint32_t worker, uint64_t step) {
    words_[worker].store(uint32_t(step));
    for (uint32_t seen; (seen = words_[1 - worker].load()) < step;)
      words_[1 - worker].waitWhile(seen, 0, 0);
  }

private:
  SharedSegment segment_ = std::move(*SharedSegment::create(4096, "a test"));
  SharedWaitWord *words_ = reinterpret_cast<SharedWaitWord *>(segment_.data());
};

absl::Status runEnd(SharedMemoryLinks &links, uint32_t worker, Steps &steps, bool direct) {
  End end(links, worker, true);
  absl::Status status = end.transport->connect();
  std::string want =
      "transfers to memory0 go through the host's memory: the GPU cannot reach another's memory: ";
  if (std::string note = end.transport->connectionNote();
      direct || worker == 1 ? !note.empty() : !note.starts_with(want))
    return absl::InternalError("unexpected note: " + note);
  for (uint64_t step = 1; step <= kSteps; ++step) {
    int64_t rows = int64_t(step * 7 % (kMaxRows + 1));
    if (status.ok())
      status = worker == 0 ? end.send(step, rows) : end.receive(step, rows);
    steps.finish(worker, step);
  }
  return status;
}

struct Machine {
  const char *devices, *name;
  bool peers, direct;
};

class PeerTransport : public ::testing::TestWithParam<Machine> {};

/// Sends more than the ring holds, which nobody takes, and leaves some time after.
absl::Status abandonStep(SharedMemoryLinks &links) {
  End source(links, 0, true);
  LAMINA_RETURN_IF_ERROR(source.transport->connect());
  source.transport->beginStep(1);
  for (int i = 0; i < 5; ++i)
    LAMINA_RETURN_IF_ERROR(source.transport->send(kBig, kMaxRows));
  source.abort.store(1);
  if (source.transport->endStep().code() != absl::StatusCode::kCancelled)
    return absl::InternalError("the step was not cancelled");
  usleep(100'000);
  source.transport->abandonStep();
  return absl::OkStatus();
}

/// Runs in a process of its own, whose exit status is 0 if it succeeds.
pid_t start(const std::function<absl::Status()> &run) {
  pid_t process = fork();
  if (process != 0)
    return process;
  absl::Status status = run();
  if (!status.ok())
    fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  _exit(!status.ok());
}

/// As waitpid says it.
int endOf(pid_t process) {
  int status = -1;
  waitpid(process, &status, 0);
  return status;
}

/// Runs both workers; whether they succeed.
void runProcesses(const std::function<absl::Status(uint32_t worker)> &run) {
  pid_t first = start([&] { return run(0); }), second = start([&] { return run(1); });
  EXPECT_EQ(endOf(first), 0);
  EXPECT_EQ(endOf(second), 0);
}

INSTANTIATE_TEST_SUITE_P(Machines, PeerTransport,
                         ::testing::Values(Machine{"1", "OneGpu", true, true},
                                           Machine{"2", "TwoGpus", true, true},
                                           Machine{"2", "TwoGpusThatAreNoPeers", false, false},
                                           Machine{"1", "OneGpuIsItsOwnPeer", false, true}),
                         [](const auto &info) { return info.param.name; });

TEST_P(PeerTransport, ProcessesCopyFromGpuToGpuWhereTheyCan) {
  auto links = makeLinks(9000, true);
  Steps steps;
  runProcesses([&](uint32_t worker) {
    setenv("LAMINA_CUDA_SIM_DEVICES", GetParam().devices, 1);
    if (!GetParam().peers)
      setenv("LAMINA_CUDA_SIM_NO_PEERS", "1", 1);
    return runEnd(*links, worker, steps, GetParam().direct);
  });
  EXPECT_EQ(hostRingIsUnused(*links), GetParam().direct);
  EXPECT_GT(links->counters(kBig).bytesReceived.load(), 0u);
}

/// The simulator aborts a process that frees memory which another has open.
TEST(PeerTransportByHand, ARingIsFreedOnceItsSourceHasLeft) {
  auto links = makeLinks(8192, true);
  runProcesses([&](uint32_t worker) {
    if (worker == 0)
      return abandonStep(*links);
    End destination(*links, 1, true);
    return destination.transport->connect();
  });
}

TEST(PeerTransportByHand, ADestinationThatDiedAfterItsOfferIsNotReached) {
  auto links = makeLinks(8192, true);
  pid_t destination = start([&] { return End(*links, 1, true).transport->connect(); });
  links->channels()[0].state->offered.waitWhile(0, 0, 0);
  kill(destination, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(endOf(destination))) << "it waits for an answer";
  EXPECT_EQ(endOf(start([&] {
              End source(*links, 0, true);
              LAMINA_RETURN_IF_ERROR(source.transport->connect());
              return source.transport->connectionNote().empty() ? absl::InternalError("the dead was reached")
                                                                : absl::OkStatus();
            })),
            0);
}

/// The ring is kept for a while, since it might be in use.
TEST(PeerTransportByHand, ASourceThatDiedAfterItsAnswerIsNotWaitedForForEver) {
  auto links = makeLinks(8192, true);
  pid_t source = start([&] {
    End end(*links, 0, true);
    absl::Status status = end.transport->connect();
    raise(SIGKILL);
    return status;
  });
  EXPECT_EQ(endOf(start([&] { return End(*links, 1, true).transport->connect(); })), 0);
  EXPECT_TRUE(WIFSIGNALED(endOf(source)));
}

TEST(PeerTransportByHand, WhoWaitsForAPeerThatNeverComesCanBeStopped) {
  for (uint32_t worker : {0u, 1u}) {
    auto links = makeLinks(8192, true);
    EXPECT_EQ(endOf(start([&] {
                End end(*links, worker, true);
                std::thread stopper([&] {
                  usleep(20'000);
                  end.abort.store(1);
                });
                absl::Status status = end.transport->connect();
                stopper.join();
                return absl::IsCancelled(status) ? absl::OkStatus()
                                                 : absl::InternalError("it was not cancelled");
              })),
              0);
  }
}

} // namespace
} // namespace lamina::test
