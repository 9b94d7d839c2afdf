//===- CudaProbe.cpp - what this machine's GPU can do -------------------------------------------------===//

#include "tools/lamina-bench/CudaProbe.h"

#include "runtime/base/StrCat.h"
#include "tools/lamina-bench/CudaMeter.h"
#include "tools/lamina-bench/CudaProbeKernels.h"

#include <algorithm>
#include <cstring>
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

absl::Status measureRead(const CudaMeter &meter, CUfunction read, size_t bytes, CUdeviceptr from,
                         CUdeviceptr sink, CudaFigures &figures) {
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

absl::Status measureLaunches(const CudaMeter &meter, CUfunction empty, CudaFigures &figures) {
  const Driver &driver = meter.driver();
  auto launchAll = [&] {
    CUresult result = CUDA_SUCCESS;
    for (int i = 0; i < kLaunches && result == CUDA_SUCCESS; ++i)
      result = meter.launch(empty, 1, 32, {0});
    return result;
  };
  LAMINA_ASSIGN_OR_RETURN(double seconds, meter.seconds(launchAll));
  figures.launchSeconds = seconds / kLaunches;
  CUgraph graph = nullptr;
  CUgraphExec replay = nullptr;
  LAMINA_CUDA_CHECK(driver, cuStreamBeginCapture(meter.stream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                    "cannot record launches");
  LAMINA_RETURN_IF_ERROR(driver.check(launchAll(), "cannot record launches"));
  LAMINA_CUDA_CHECK(driver, cuStreamEndCapture(meter.stream(), &graph), "cannot record launches");
  LAMINA_CUDA_CHECK(driver, cuGraphInstantiate(&replay, graph, 0), "cannot prepare recorded launches");
  LAMINA_ASSIGN_OR_RETURN(seconds,
                          meter.seconds([&] { return driver.cuGraphLaunch(replay, meter.stream()); }));
  figures.replaySeconds = seconds / kLaunches;
  return absl::OkStatus();
}

/// By the best of the instructions that the driver compiles for this GPU.
absl::Status measureProducts(const CudaMeter &meter, CUdeviceptr sink, CudaFigures &figures) {
  LAMINA_ASSIGN_OR_RETURN(int processors, meter.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
  for (const ProductKernel &kernel : productKernels()) {
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    if (kernel.capability > figures.capability ||
        meter.driver().cuModuleLoadData(&module, kernel.ptx.c_str()) != CUDA_SUCCESS)
      continue;
    LAMINA_CUDA_CHECK(meter.driver(), cuModuleGetFunction(&function, module, "multiply"),
                      "cannot find a kernel");
    unsigned blocks = kernel.blocksPerProcessor * static_cast<unsigned>(processors);
    LAMINA_ASSIGN_OR_RETURN(double seconds, meter.seconds([&] {
      return meter.launch(function, blocks, kernel.threads, {kMultiplyRounds, sink});
    }));
    double rate = kernel.operationsPerRound * static_cast<double>(blocks * kMultiplyRounds) / seconds;
    figures.products = std::max(figures.products, rate);
  }
  return absl::OkStatus();
}

absl::StatusOr<CudaFigures> measure() {
  CudaFigures figures;
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
  LAMINA_RETURN_IF_ERROR(measureCopies(meter, bytes, from, to, figures));
  CUmodule module = nullptr;
  if (driver.cuModuleLoadData(&module, cudaProbeKernels().c_str()) != CUDA_SUCCESS)
    return figures;
  CUfunction read = nullptr, empty = nullptr;
  LAMINA_CUDA_CHECK(driver, cuModuleGetFunction(&read, module, "read"), "cannot find a kernel");
  LAMINA_CUDA_CHECK(driver, cuModuleGetFunction(&empty, module, "empty"), "cannot find a kernel");
  LAMINA_RETURN_IF_ERROR(measureRead(meter, read, bytes, from, to, figures));
  LAMINA_RETURN_IF_ERROR(measureLaunches(meter, empty, figures));
  measureProducts(meter, to, figures).IgnoreError(); // last: what fails leaves its row empty
  return figures;
}

/// What the process that measures sends back.
struct Answer {
  absl::StatusCode code = absl::StatusCode::kOk;
  CudaFigures figures;
  char error[512] = "";
};

} // namespace

absl::StatusOr<CudaFigures> probeCuda() {
  int channel[2];
  if (::pipe(channel) != 0)
    return absl::ResourceExhaustedError(strCat("cannot make a pipe: ", std::strerror(errno)));
  pid_t child = ::fork();
  if (child == 0) {
    absl::StatusOr<CudaFigures> figures = measure();
    Answer answer;
    if (figures.ok())
      answer.figures = *figures;
    answer.code = figures.status().code();
    std::string(figures.status().message()).copy(answer.error, sizeof(answer.error) - 1);
    // Shorter than what a pipe takes at once.
    ::_exit(::write(channel[1], &answer, sizeof(answer)) == ssize_t{sizeof(answer)} ? 0 : 1);
  }
  ::close(channel[1]);
  Answer answer;
  bool answered = child > 0 && ::read(channel[0], &answer, sizeof(answer)) == ssize_t{sizeof(answer)};
  ::close(channel[0]);
  if (child > 0)
    ::waitpid(child, nullptr, 0);
  if (!answered)
    return absl::UnavailableError("the process that measures the GPU died");
  if (answer.code != absl::StatusCode::kOk)
    return absl::Status(answer.code, answer.error);
  return answer.figures;
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
  return text;
}

} // namespace lamina::bench
