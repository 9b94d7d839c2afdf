//===- TransportProbe.cpp - latency and bandwidth between two processes -------------------------------===//

#include "runtime/base/Affinity.h"
#include "runtime/base/Clock.h"
#include "runtime/base/StrCat.h"
#include "runtime/device/cpu/CpuDevice.h"
#include "runtime/transport/SharedMemoryTransport.h"
#include "tools/lamina-bench/Probe.h"
#include "tools/lamina-bench/Statistics.h"

#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace lamina::bench {
namespace {

/// Two transfers, 0 from the first process to the second and 1 back.
struct Exchange {
  uint64_t outBytes, backBytes;
  int repeats;
  int threads; // of each process
};

/// What both processes have of an exchange.
struct Line {
  std::unique_ptr<SharedMemoryLinks> links;
  SharedSegment flag;

  static absl::StatusOr<Line> create(const Exchange &exchange) {
    auto ring = [](uint32_t source, uint32_t destination, uint64_t bytes) {
      return ChannelSpec{source, destination, 2, 2 * (bytes + kFrameAlignment)};
    };
    Line line;
    LAMINA_ASSIGN_OR_RETURN(
        line.links,
        SharedMemoryLinks::create({"first", "second"},
                                  {{0, 1, exchange.outBytes, "out"}, {1, 0, exchange.backBytes, "back"}},
                                  {ring(0, 1, exchange.outBytes), ring(1, 0, exchange.backBytes)}));
    LAMINA_ASSIGN_OR_RETURN(line.flag, SharedSegment::create(sizeof(std::atomic<uint32_t>), "a flag"));
    return line;
  }

  std::atomic<uint32_t> &aborted() const { return *reinterpret_cast<std::atomic<uint32_t> *>(flag.data()); }
  /// Lets nobody wait for who does not come any more.
  void abort() const {
    aborted().store(1);
    links->wakeAll();
  }
};

absl::Status roundTrip(Transport &endpoint, bool first, uint64_t step) {
  uint32_t incoming = first ? 1 : 0;
  endpoint.beginStep(step);
  if (first)
    LAMINA_RETURN_IF_ERROR(endpoint.send(0, 1));
  LAMINA_RETURN_IF_ERROR(endpoint.recv(incoming, 1));
  LAMINA_RETURN_IF_ERROR(endpoint.wait(incoming));
  return first ? absl::OkStatus() : endpoint.send(1, 1);
}

/// One of the two processes; median seconds of a round trip. The calling thread stays on its CPU as a worker's does.
absl::StatusOr<double> runEnd(const Line &line, const Exchange &exchange, bool first) {
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<CpuDevice> device,
                          CpuDevice::create(exchange.threads, kSpinNanoseconds,
                                            cpusOfThreads(exchange.threads, availableCpus())));
  LAMINA_ASSIGN_OR_RETURN(std::byte * out, device->allocate(exchange.outBytes, "a message"));
  LAMINA_ASSIGN_OR_RETURN(std::byte * back, device->allocate(exchange.backBytes, "a message"));
  std::unique_ptr<Transport> endpoint =
      line.links->endpoint(first ? 0 : 1, *device, line.aborted(), kSpinNanoseconds);
  LAMINA_RETURN_IF_ERROR(endpoint->bind(0, {{out, exchange.outBytes}}));
  LAMINA_RETURN_IF_ERROR(endpoint->bind(1, {{back, exchange.backBytes}}));
  std::vector<double> seconds;
  for (int i = 1; i <= exchange.repeats; ++i) {
    uint64_t began = monotonicNanoseconds();
    LAMINA_RETURN_IF_ERROR(roundTrip(*endpoint, first, static_cast<uint64_t>(i)));
    seconds.push_back(static_cast<double>(monotonicNanoseconds() - began) * 1e-9);
  }
  return median(std::move(seconds));
}

/// As above; whoever fails tells the other.
absl::StatusOr<double> runOrAbort(const Line &line, const Exchange &exchange, bool first) {
  absl::StatusOr<double> seconds = runEnd(line, exchange, first);
  if (!seconds.ok())
    line.abort();
  return seconds;
}

absl::StatusOr<double> medianRoundTrip(const Exchange &exchange) {
  LAMINA_ASSIGN_OR_RETURN(Line line, Line::create(exchange));
  pid_t parent = ::getpid(), child = ::fork();
  if (child < 0)
    return absl::UnavailableError("cannot start a process to measure the transport with");
  if (child == 0) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent)
      ::_exit(1);
    ::_exit(runOrAbort(line, exchange, false).ok() ? 0 : 1);
  }
  absl::StatusOr<double> seconds;
  std::thread first(
      [&] { seconds = runOrAbort(line, exchange, true); }); // what follows may use all CPUs again
  int end = 0;
  ::waitpid(child, &end, 0);
  if (end != 0)
    line.abort();
  first.join();
  if (!absl::IsCancelled(seconds.status()))
    return seconds;
  return absl::UnavailableError(strCat(
      "the second process that measures the transport ended before the first: ",
      WIFSIGNALED(end) ? "signal " : "exit status ", WIFSIGNALED(end) ? WTERMSIG(end) : WEXITSTATUS(end)));
}

} // namespace

absl::StatusOr<TransportFigures> probeTransport(int threads) {
  constexpr uint64_t kRow = 64, kLarge = uint64_t{4} << 20;
  LAMINA_ASSIGN_OR_RETURN(double empty, medianRoundTrip({kRow, kRow, 20000, threads}));
  LAMINA_ASSIGN_OR_RETURN(double large, medianRoundTrip({kLarge, kRow, 200, threads}));
  // The way back, a row, is a thousandth of it.
  return TransportFigures{empty, static_cast<double>(kLarge) / large};
}

} // namespace lamina::bench
