//===- RoundTripBenchmark.cpp - what the machinery around kernels costs -------------------------------===//
//
// Not a test: prints the median and the 90th percentile of
//   round trip   a row sent to another process, which answers with a row (q → out without attention)
//   step         a step of the hand-written plan of two worker processes, seen by the front end
//   dispatch     an empty kernel with many workgroups on a pool of threads
//
//===--------------------------------------------------------------------------------------------------------===//

#include "TestPlan.h"
#include "runtime/base/Affinity.h"
#include "runtime/base/Clock.h"
#include "runtime/device/cpu/CpuDevice.h"
#include "runtime/transport/SharedMemoryTransport.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

using namespace lamina;

namespace {

constexpr int kRepeats = 20000;

template <typename Body> void measure(const char *name, Body body) {
  std::vector<uint64_t> samples(kRepeats);
  for (uint64_t &sample : samples) {
    uint64_t begin = monotonicNanoseconds();
    body();
    sample = monotonicNanoseconds() - begin;
  }
  std::sort(samples.begin(), samples.end());
  printf("%-28s median %6.2f us   p90 %6.2f us\n", name, double(samples[kRepeats / 2]) / 1e3,
         double(samples[kRepeats * 9 / 10]) / 1e3);
}

void measureRoundTrip(const char *name, uint64_t rowBytes, uint64_t spin, bool sameCpu) {
  auto links =
      SharedMemoryLinks::create({"first", "second"}, {{0, 1, rowBytes, "q"}, {1, 0, rowBytes, "out"}},
                                {{0, 1, 2, 2 * rowBytes}, {1, 0, 2, 2 * rowBytes}});
  auto device = CpuDevice::create(1, 0);
  std::atomic<uint32_t> abort{0};
  std::vector<std::byte> buffer(rowBytes);
  uint32_t self = 0;
  std::vector<int> cpus = availableCpus();
  pid_t child = fork();
  if (child == 0)
    self = 1;
  if (!cpus.empty())
    stayOnCpu(self == 0 || sameCpu ? cpus.front() : cpus.back());
  auto endpoint = (*links)->endpoint(self, **device, abort, spin);
  bool ok = endpoint->bind(0, {{buffer.data(), rowBytes}}).ok() &&
            endpoint->bind(1, {{buffer.data(), rowBytes}}).ok();
  uint64_t step = 0;
  auto exchange = [&](uint32_t out, uint32_t in) {
    endpoint->beginStep(++step);
    ok &= self == 1 || endpoint->send(out, 1).ok();
    ok &= endpoint->recv(in, 1).ok() && endpoint->wait(in).ok();
    ok &= self == 0 || endpoint->send(out, 1).ok();
  };
  if (self == 1) {
    for (int i = 0; i < kRepeats; ++i)
      exchange(1, 0);
    _exit(ok ? 0 : 1);
  }
  measure(name, [&] { exchange(0, 1); });
  waitpid(child, nullptr, 0);
  cpu_set_t all;
  CPU_ZERO(&all);
  for (int cpu : cpus)
    CPU_SET(cpu, &all);
  sched_setaffinity(0, sizeof(all), &all);
  if (!ok)
    exit(1);
}

} // namespace

int main() {
  for (bool sameCpu : {false, true}) {
    printf("two processes on %s\n", sameCpu ? "one CPU" : "CPUs of their own");
    measureRoundTrip("  round trip, 64 B", 64, kSpinNanoseconds, sameCpu);
    measureRoundTrip("  round trip, 16 KiB", 16384, kSpinNanoseconds, sameCpu);
    measureRoundTrip("  round trip, no spinning", 64, 0, sameCpu);
  }
  test::TestArtifact artifact;
  for (int threads : {1, 2}) {
    auto engine = Engine::create(test::makePlan(), artifact.path(), {.threadsPerWorker = threads});
    if (!engine.ok())
      return 1;
    LaminaStep step = test::fillBatch(**engine, {{1, 0, 0}});
    measure(threads == 1 ? "step, 1 thread" : "step, 2 threads", [&] { (void)(*engine)->step(step); });
  }
  auto pool = ThreadPool::create(2, kSpinNanoseconds);
  measure("dispatch, 2 threads",
          [&] { (*pool)->parallelFor([](void *, int64_t, int64_t) {}, nullptr, 1000); });
}
