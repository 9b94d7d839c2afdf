//===- Probe.cpp - what this machine can do -----------------------------------------------------------===//

#include "tools/lamina-bench/Probe.h"

#include "runtime/base/Clock.h"
#include "runtime/base/StrCat.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "tools/lamina-bench/Bench.h"
#include "tools/lamina-bench/ProbeKernels.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sys/mman.h>
#include <unistd.h>

namespace lamina::bench {
namespace {

/// Seconds that `body` takes.
template <typename Body> double seconds(Body body) {
  uint64_t began = monotonicNanoseconds();
  body();
  return static_cast<double>(std::max<uint64_t>(monotonicNanoseconds() - began, 1)) * 1e-9;
}

/// Memory with huge pages where the system has them.
class Buffer {
public:
  static absl::StatusOr<Buffer> create(size_t bytes) {
    void *data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
      return absl::ResourceExhaustedError(
          strCat("cannot map ", bytes >> 20, " MiB to measure memory with: ", std::strerror(errno)));
    ::madvise(data, bytes, MADV_HUGEPAGE); // a wish
    return Buffer(static_cast<std::byte *>(data), bytes);
  }
  Buffer(Buffer &&other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  Buffer &operator=(Buffer &&) = delete;
  ~Buffer() {
    if (data_)
      ::munmap(data_, bytes_);
  }
  std::byte *data() const { return data_; }
  size_t bytes() const { return bytes_; }

private:
  Buffer(std::byte *data, size_t bytes) : data_(data), bytes_(bytes) {}
  std::byte *data_;
  size_t bytes_;
};

/// Larger than any cache that this is likely to run on, within a quarter of the memory.
size_t bufferBytes() {
  uint64_t memory =
      static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::min<size_t>(size_t{512} << 20, memory / 4 >> 20 << 20);
}

constexpr size_t kPiece = 1 << 20;
constexpr int kPasses = 8;

double operationsPerSecond(ThreadPool &pool, const ArithmeticKernel &kernel) {
  // Many short pieces: a thread that starts late takes fewer.
  constexpr int64_t kRounds = 100'000;
  struct Job {
    const ArithmeticKernel &kernel;
    std::atomic<double> operations{0};
  } job{kernel};
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    job.operations = 0;
    double time = seconds([&] {
      pool.parallelFor(
          [](void *context, int64_t begin, int64_t end) {
            Job &job = *static_cast<Job *>(context);
            for (int64_t i = begin; i < end; ++i)
              job.operations.fetch_add(job.kernel.run(kRounds), std::memory_order_relaxed);
          },
          &job, 128 * pool.threads());
    });
    best = std::max(best, job.operations / time);
  }
  return best;
}

} // namespace

absl::StatusOr<double> readBandwidth(int threads) {
  LAMINA_ASSIGN_OR_RETURN(Buffer buffer, Buffer::create(bufferBytes()));
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> pool, ThreadPool::create(threads, 50'000));
  auto pieces = static_cast<int64_t>(buffer.bytes() / kPiece);
  pool->parallelFor( // the first touch
      [](void *data, int64_t begin, int64_t end) {
        std::memset(static_cast<std::byte *>(data) + static_cast<size_t>(begin) * kPiece, 1,
                    static_cast<size_t>(end - begin) * kPiece);
      },
      buffer.data(), pieces);
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    double time = seconds([&] {
      pool->parallelFor(
          [](void *data, int64_t begin, int64_t end) {
            volatile uint64_t sink =
                readBytes(static_cast<std::byte *>(data) + static_cast<size_t>(begin) * kPiece,
                          static_cast<size_t>(end - begin) * kPiece);
            (void)sink;
          },
          buffer.data(), pieces);
    });
    best = std::max(best, static_cast<double>(buffer.bytes()) / time);
  }
  return best;
}

absl::StatusOr<ProbeFigures> probeMachine(int threads) {
  ProbeFigures figures = {.threads = threads,
                          .floatKernel = floatKernel().name,
                          .integerKernel = integerKernel().name,
                          .transport = {},
                          .memoryBytes = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                         static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))};
  // First, while this process has no other threads: it forks.
  LAMINA_ASSIGN_OR_RETURN(figures.transport, probeTransport());
  LAMINA_ASSIGN_OR_RETURN(figures.bandwidthOne, readBandwidth(1));
  LAMINA_ASSIGN_OR_RETURN(figures.bandwidthAll, readBandwidth(threads));
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> one, ThreadPool::create(1, 0));
  figures.flopsOne = operationsPerSecond(*one, floatKernel());
  figures.intOpsOne = operationsPerSecond(*one, integerKernel());
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> all, ThreadPool::create(threads, 50'000));
  figures.flopsAll = operationsPerSecond(*all, floatKernel());
  figures.intOpsAll = operationsPerSecond(*all, integerKernel());
  return figures;
}

absl::Status probe(const BenchOptions &options) {
  auto failed = [&] {
    return absl::UnavailableError(
        strCat("cannot write '", options.clusterFile, "': ", std::strerror(errno), "; give -o another file"));
  };
  // Opened first: a wrong path should not take seconds to notice.
  std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(nullptr, std::fclose);
  if (!options.clusterFile.empty())
    if (file.reset(std::fopen(options.clusterFile.c_str(), "we")); !file)
      return failed();
  LAMINA_ASSIGN_OR_RETURN(ProbeFigures figures, probeMachine(options.threads.front()));
  std::printf("%s", probeTable(figures).c_str());
  if (!file)
    return absl::OkStatus();
  std::fputs(clusterText(figures).c_str(), file.get());
  bool broken = std::ferror(file.get()) != 0;
  return std::fclose(file.release()) != 0 || broken ? failed() : absl::OkStatus();
}

} // namespace lamina::bench
