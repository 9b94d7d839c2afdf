//===- CudaProbe.cpp - what this machine's GPU can do -------------------------------------------------===//

#include "tools/lamina-bench/CudaProbe.h"

#include "runtime/base/StrCat.h"
#include "tools/lamina-bench/CudaMeter.h"
#include "tools/lamina-bench/CudaProbeKernels.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <poll.h>
#include <span>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lamina::bench {

using namespace cuda;

namespace {

/// Far more than any GPU caches; less where memory is short.
constexpr size_t kBytes = size_t{512} << 20;
constexpr unsigned kReadThreads = 512, kReadBlocksPerProcessor = 4, kReadUnroll = 4, kVectorBytes = 16;
constexpr int kLaunches = 1000;
constexpr size_t kMultiplyRounds = 10000;

absl::Status measureCopies(const CudaMeter &meter, size_t bytes, CUdeviceptr from, CUdeviceptr to,
                           CudaFigures &figures) {
  const Driver &driver = meter.driver();
  double size = static_cast<double>(bytes);
  LAMINA_ASSIGN_OR_RETURN(double seconds, meter.seconds([&] {
    return driver.cuMemcpyDtoDAsync(to, from, bytes, meter.stream());
  }));
  figures.copy = 2 * size / seconds;
  void *host = nullptr;
  LAMINA_CUDA_CHECK(driver, cuMemHostAlloc(&host, bytes, CU_MEMHOSTALLOC_PORTABLE),
                    "cannot allocate pinned memory");
  std::memset(host, 1, bytes);
  LAMINA_ASSIGN_OR_RETURN(
      seconds, meter.seconds([&] { return driver.cuMemcpyHtoDAsync(to, host, bytes, meter.stream()); }));
  figures.toDevice = size / seconds;
  LAMINA_ASSIGN_OR_RETURN(
      seconds, meter.seconds([&] { return driver.cuMemcpyDtoHAsync(host, to, bytes, meter.stream()); }));
  figures.fromDevice = size / seconds;
  return absl::OkStatus();
}

absl::StatusOr<CUfunction> loadKernel(const CudaMeter &meter, const std::string &ptx, const char *name) {
  CUmodule module = nullptr;
  CUfunction function = nullptr;
  LAMINA_CUDA_CHECK(meter.driver(), cuModuleLoadData(&module, ptx.c_str()), "cannot compile kernel ", name);
  LAMINA_CUDA_CHECK(meter.driver(), cuModuleGetFunction(&function, module, name), "cannot find kernel ",
                    name);
  return function;
}

absl::Status measureRead(const CudaMeter &meter, size_t bytes, CUdeviceptr from, CUdeviceptr sink,
                         CudaFigures &figures) {
  LAMINA_ASSIGN_OR_RETURN(CUfunction read, loadKernel(meter, cudaProbeKernels(), "read"));
  LAMINA_ASSIGN_OR_RETURN(int processors, meter.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
  unsigned blocks = kReadBlocksPerProcessor * static_cast<unsigned>(processors);
  size_t roundBytes = size_t{blocks} * kReadThreads * kReadUnroll * kVectorBytes;
  size_t rounds = bytes / roundBytes;
  if (rounds == 0)
    return absl::OkStatus();
  LAMINA_ASSIGN_OR_RETURN(double seconds, meter.seconds([&] {
    return meter.launch(read, blocks, kReadThreads, {from, rounds, sink});
  }));
  figures.read = static_cast<double>(rounds * roundBytes) / seconds;
  return absl::OkStatus();
}

/// Of one of many launches.
absl::StatusOr<double> replaySeconds(const CudaMeter &meter, const std::function<CUresult()> &launchAll) {
  const Driver &driver = meter.driver();
  CUgraph graph = nullptr;
  CUgraphExec replay = nullptr;
  LAMINA_CUDA_CHECK(driver, cuStreamBeginCapture(meter.stream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                    "cannot record launches");
  CUresult launched = launchAll();
  LAMINA_CUDA_CHECK(driver, cuStreamEndCapture(meter.stream(), &graph), "cannot record launches");
  LAMINA_RETURN_IF_ERROR(driver.check(launched, "cannot record launches"));
  LAMINA_CUDA_CHECK(driver, cuGraphInstantiate(&replay, graph, 0), "cannot prepare recorded launches");
  LAMINA_ASSIGN_OR_RETURN(double seconds,
                          meter.seconds([&] { return driver.cuGraphLaunch(replay, meter.stream()); }));
  return seconds / kLaunches;
}

absl::Status measureLaunches(const CudaMeter &meter, CudaFigures &figures) {
  auto launchAll = [&meter](CUfunction kernel, bool early) {
    CUresult result = CUDA_SUCCESS;
    for (int i = 0; i < kLaunches && result == CUDA_SUCCESS; ++i)
      result = meter.launch(kernel, 1, 32, {0}, early && i > 0);
    return result;
  };
  LAMINA_ASSIGN_OR_RETURN(CUfunction empty, loadKernel(meter, cudaProbeKernels(), "empty"));
  LAMINA_ASSIGN_OR_RETURN(double seconds, meter.seconds([&] { return launchAll(empty, false); }));
  figures.launchSeconds = seconds / kLaunches;
  LAMINA_ASSIGN_OR_RETURN(figures.replaySeconds,
                          replaySeconds(meter, [&] { return launchAll(empty, false); }));
  if (!meter.driver().overlapsLaunches(figures.capability / 10))
    return absl::OkStatus();
  LAMINA_ASSIGN_OR_RETURN(CUfunction waiting, loadKernel(meter, waitingKernel(), "waiting"));
  LAMINA_ASSIGN_OR_RETURN(figures.overlapSeconds,
                          replaySeconds(meter, [&] { return launchAll(waiting, true); }));
  return absl::OkStatus();
}

/// By the best of the instructions that the driver compiles for this GPU.
absl::Status measureProducts(const CudaMeter &meter, CUdeviceptr sink, CudaFigures &figures) {
  LAMINA_ASSIGN_OR_RETURN(int processors, meter.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
  absl::Status refused;
  for (const ProductKernel &kernel : productKernels()) {
    if (kernel.exact ? kernel.capability != figures.capability : kernel.capability > figures.capability)
      continue;
    absl::StatusOr<CUfunction> function = loadKernel(meter, kernel.ptx, "multiply");
    refused.Update(function.status());
    if (!function.ok())
      continue;
    unsigned blocks = kernel.blocksPerProcessor * static_cast<unsigned>(processors);
    LAMINA_ASSIGN_OR_RETURN(double seconds, meter.seconds([&] {
      return meter.launch(*function, blocks, kernel.threads, {kMultiplyRounds, sink});
    }));
    double rate = kernel.operationsPerRound * static_cast<double>(blocks * kMultiplyRounds) / seconds;
    figures.products = std::max(figures.products, rate);
  }
  return figures.products > 0 ? absl::OkStatus() : refused;
}

/// The first error. `figures` are written one by one, so that there is what was measured before a GPU hangs.
absl::Status measure(CudaParts parts, CudaFigures &figures) {
  LAMINA_ASSIGN_OR_RETURN(CudaMeter meter, CudaMeter::create());
  const Driver &driver = meter.driver();
  LAMINA_CUDA_CHECK(driver, cuDeviceGetName(figures.name, sizeof(figures.name), meter.device()),
                    "cannot ask what the GPU is");
  LAMINA_ASSIGN_OR_RETURN(int major, meter.attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR));
  LAMINA_ASSIGN_OR_RETURN(int minor, meter.attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
  figures.capability = major * 10 + minor;
  size_t free = 0, total = 0;
  LAMINA_CUDA_CHECK(driver, cuMemGetInfo(&free, &total), "cannot ask for the GPU's memory");
  size_t bytes = std::min(kBytes, free / 4);
  LAMINA_ASSIGN_OR_RETURN(CUdeviceptr from, meter.allocate(bytes));
  LAMINA_ASSIGN_OR_RETURN(CUdeviceptr to, meter.allocate(bytes));
  absl::Status status = measureCopies(meter, bytes, from, to, figures);
  status.Update(measureRead(meter, bytes, from, to, figures));
  if (parts == CudaParts::All) {
    status.Update(measureLaunches(meter, figures));
    status.Update(measureProducts(meter, to, figures));
  }
  return status;
}

void copyMessage(const absl::Status &status, std::span<char> to) {
  to[std::string(status.message()).copy(to.data(), to.size() - 1)] = '\0';
}

/// What the process that measures tells, in memory that it shares.
struct Answer {
  CudaFigures figures = {};
  absl::StatusCode code = absl::StatusCode::kUnavailable;
  char error[512] = "the process that measures the GPU died";
};

/// Leaves alone what takes no signal, because it hangs inside a driver.
void reap(pid_t process) {
  constexpr int kMilliseconds = 1000;
  for (int i = 0; i < kMilliseconds && ::waitpid(process, nullptr, WNOHANG) == 0; ++i)
    ::usleep(1000);
}

/// Until the process has closed its end; kills it if that takes too long.
bool awaitEnd(pid_t process, int channel, int milliseconds) {
  pollfd end{.fd = channel, .events = POLLIN, .revents = 0};
  int ready = 0;
  while ((ready = ::poll(&end, 1, milliseconds)) < 0 && errno == EINTR)
    ;
  if (ready <= 0)
    ::kill(process, SIGKILL);
  reap(process);
  return ready > 0;
}

/// Measures in a process of its own.
absl::Status measureApart(CudaParts parts, int patienceMilliseconds, Answer &answer) {
  int channel[2];
  if (::pipe(channel) != 0)
    return absl::ResourceExhaustedError(strCat("cannot make a pipe: ", std::strerror(errno)));
  pid_t child = ::fork();
  if (child < 0) {
    absl::Status status =
        absl::ResourceExhaustedError(strCat("cannot start a process: ", std::strerror(errno)));
    for (int end : channel)
      ::close(end);
    return status;
  }
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL); // it may hang
    absl::Status status = measure(parts, answer.figures);
    copyMessage(status, answer.error);
    answer.code = status.code();
    ::_exit(0);
  }
  ::close(channel[1]);
  bool ended = awaitEnd(child, channel[0], patienceMilliseconds);
  ::close(channel[0]);
  if (!ended)
    return absl::DeadlineExceededError(strCat("the GPU was not done after ", patienceMilliseconds, " ms"));
  return absl::Status(answer.code, answer.error);
}

} // namespace

absl::StatusOr<CudaFigures> probeCuda(CudaParts parts, int patienceMilliseconds) {
  void *shared = ::mmap(nullptr, sizeof(Answer), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    return absl::ResourceExhaustedError(strCat("cannot share memory: ", std::strerror(errno)));
  absl::Status status = measureApart(parts, patienceMilliseconds, *new (shared) Answer);
  CudaFigures figures = static_cast<Answer *>(shared)->figures;
  ::munmap(shared, sizeof(Answer));
  if (figures.copy == 0 && !status.ok())
    return status;
  copyMessage(status, figures.missing);
  return figures;
}

std::string cudaTable(const CudaFigures &figures) {
  std::string text = strCat("| ", figures.name, ", sm_", figures.capability, " | |\n| --- | ---: |\n");
  auto row = [&](const char *what, double value, const char *unit) {
    char number[64] = "-";
    if (value > 0)
      std::snprintf(number, sizeof(number), "%.2f %s", value, unit);
    text += strCat("| ", what, " | ", number, " |\n");
  };
  row("copy in its memory, reads and writes", figures.copy / 1e9, "GB/s");
  row("read its memory", figures.read / 1e9, "GB/s");
  row("multiply-adds of bf16, in f32", figures.products / 1e12, "TFLOP/s");
  row("copy from the host", figures.toDevice / 1e9, "GB/s");
  row("copy to the host", figures.fromDevice / 1e9, "GB/s");
  row("an empty kernel, launched", figures.launchSeconds * 1e6, "us");
  row("an empty kernel, replayed", figures.replaySeconds * 1e6, "us");
  row("an empty kernel that waits, replayed", figures.overlapSeconds * 1e6, "us");
  if (*figures.missing != '\0')
    text += strCat("| not measured | ", figures.missing, " |\n");
  return text;
}

} // namespace lamina::bench
