//===- PeerTransportTest.cpp - rings between the GPUs of two processes --------------------------------===//
//
// In a program of its own, which never opens the driver: what it forks must be able to.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "QueuedEnd.h"

#include "runtime/transport/SharedSegment.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
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

absl::Status runEnd(SharedMemoryLinks &links, uint32_t worker, Steps &steps) {
  End end(links, worker, true);
  absl::Status status = end.transport->connect();
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

INSTANTIATE_TEST_SUITE_P(Machines, PeerTransport,
                         ::testing::Values(Machine{"1", "OneGpu", true, true},
                                           Machine{"2", "TwoGpus", true, true},
                                           Machine{"2", "TwoGpusThatAreNoPeers", false, false},
                                           Machine{"1", "OneGpuIsItsOwnPeer", false, true}),
                         [](const auto &info) { return info.param.name; });

TEST_P(PeerTransport, ProcessesCopyFromGpuToGpuWhereTheyCan) {
  auto links = makeLinks(9000, true);
  Steps steps;
  pid_t processes[2];
  for (uint32_t worker = 0; worker < 2; ++worker)
    if ((processes[worker] = fork()) == 0) {
      setenv("LAMINA_CUDA_SIM_DEVICES", GetParam().devices, 1);
      if (!GetParam().peers)
        setenv("LAMINA_CUDA_SIM_NO_PEERS", "1", 1);
      absl::Status status = runEnd(*links, worker, steps);
      if (!status.ok())
        fprintf(stderr, "worker %u: %s\n", worker, std::string(status.message()).c_str());
      _exit(!status.ok());
    }
  for (pid_t process : processes) {
    int status = -1;
    waitpid(process, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(hostRingIsUnused(*links), GetParam().direct);
  EXPECT_GT(links->counters(kBig).bytesReceived.load(), 0u);
}

} // namespace
} // namespace lamina::test
