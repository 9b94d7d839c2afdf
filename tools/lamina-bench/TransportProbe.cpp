//===- TransportProbe.cpp - latency and bandwidth between two processes -------------------------------===//

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

/// One end of two transfers, 0 from the first process to the second and 1 back, `rowBytes` each way.
class Exchange {
public:
  Exchange(SharedMemoryLinks &links, Device &device, const std::atomic<uint32_t> &abort, bool first,
           uint64_t outBytes, uint64_t backBytes)
      : first_(first), out_(outBytes), back_(backBytes),
        endpoint_(links.endpoint(first ? 0 : 1, device, abort, kSpinNanoseconds)) {
    status_.Update(endpoint_->bind(0, {{out_.data(), outBytes}}));
    status_.Update(endpoint_->bind(1, {{back_.data(), backBytes}}));
  }

  void roundTrip() {
    endpoint_->beginStep(++step_);
    if (first_)
      status_.Update(endpoint_->send(0, 1));
    uint32_t incoming = first_ ? 1 : 0;
    status_.Update(endpoint_->recv(incoming, 1));
    status_.Update(endpoint_->wait(incoming));
    if (!first_)
      status_.Update(endpoint_->send(1, 1));
  }

  const absl::Status &status() const { return status_; }

private:
  const bool first_;
  std::vector<std::byte> out_, back_;
  std::unique_ptr<Transport> endpoint_;
  absl::Status status_;
  uint64_t step_ = 0;
};

/// Waits for the end of a process, without forgetting it, and aborts if that is not a success.
void watch(pid_t child, SharedMemoryLinks &links, std::atomic<uint32_t> &abort) {
  siginfo_t end = {};
  if (::waitid(P_PID, static_cast<id_t>(child), &end, WEXITED | WNOWAIT) == 0 && end.si_code == CLD_EXITED &&
      end.si_status == 0)
    return;
  abort.store(1, std::memory_order_release);
  links.wakeAll();
}

/// Median seconds of a round trip of that many bytes there and back.
absl::StatusOr<double> medianRoundTrip(uint64_t outBytes, uint64_t backBytes, int repeats) {
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<SharedMemoryLinks> links,
                          SharedMemoryLinks::create({{0, 1, outBytes, "out"}, {1, 0, backBytes, "back"}},
                                                    {{0, 1, 2, 2 * (outBytes + kFrameAlignment)},
                                                     {1, 0, 2, 2 * (backBytes + kFrameAlignment)}}));
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<CpuDevice> device, CpuDevice::create(1, 0));
  std::atomic<uint32_t> abort{0}; // the child's copy stays 0: it dies with its parent
  pid_t parent = ::getpid(), child = ::fork();
  if (child < 0)
    return absl::UnavailableError("cannot start a process to measure the transport with");
  std::thread watcher;
  if (child != 0)
    watcher = std::thread([&] { watch(child, *links, abort); });
  else if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent)
    ::_exit(1);
  Exchange exchange(*links, *device, abort, child != 0, outBytes, backBytes);
  std::vector<double> seconds;
  for (int i = 0; i < repeats && exchange.status().ok(); ++i) {
    uint64_t began = monotonicNanoseconds();
    exchange.roundTrip();
    seconds.push_back(static_cast<double>(monotonicNanoseconds() - began) * 1e-9);
  }
  if (child == 0)
    ::_exit(exchange.status().ok() ? 0 : 1);
  bool childEnded = abort.load(std::memory_order_acquire) != 0;
  if (!exchange.status().ok())
    ::kill(child, SIGKILL); // nobody has reaped it yet, so the number is still its own
  watcher.join();
  int end = 0;
  ::waitpid(child, &end, 0);
  if (!exchange.status().ok() && childEnded)
    return absl::UnavailableError(strCat(
        "the second process that measures the transport ended before the first: ",
        WIFSIGNALED(end) ? "signal " : "exit status ", WIFSIGNALED(end) ? WTERMSIG(end) : WEXITSTATUS(end)));
  LAMINA_RETURN_IF_ERROR(exchange.status());
  return median(std::move(seconds));
}

} // namespace

absl::StatusOr<TransportFigures> probeTransport() {
  constexpr uint64_t kRow = 64, kLarge = uint64_t{4} << 20;
  LAMINA_ASSIGN_OR_RETURN(double empty, medianRoundTrip(kRow, kRow, 20000));
  LAMINA_ASSIGN_OR_RETURN(double large, medianRoundTrip(kLarge, kRow, 200));
  // The way back, a row, is a thousandth of it.
  return TransportFigures{empty, static_cast<double>(kLarge) / large};
}

} // namespace lamina::bench
