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
#include <filesystem>
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

absl::Status notWritten(const std::string &path) {
  return absl::UnavailableError(
      strCat("cannot write '", path, "': ", std::strerror(errno), "; give -o another file"));
}

/// A file is replaced as a whole; a pipe or a device is written to.
bool isReplaced(const std::string &path) {
  std::error_code error;
  std::filesystem::file_type type = std::filesystem::status(path, error).type();
  return type == std::filesystem::file_type::not_found || type == std::filesystem::file_type::regular;
}

absl::Status checkWritable(const std::string &path) {
  std::string folder = std::filesystem::path(path).parent_path();
  if (isReplaced(path) && ::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) != 0)
    return notWritten(path);
  if (::access(path.c_str(), W_OK) != 0 && errno != ENOENT)
    return notWritten(path);
  if (!std::filesystem::is_directory(path))
    return absl::OkStatus();
  errno = EISDIR;
  return notWritten(path);
}

absl::Status writeFile(const std::string &path, const std::string &text) {
  bool replaced = isReplaced(path);
  std::error_code error;
  std::string target = std::filesystem::canonical(path, error); // what a link leads to
  if (error || !replaced)
    target = path;
  std::string written = replaced ? strCat(target, ".", ::getpid(), ".tmp") : path;
  std::FILE *file = std::fopen(written.c_str(), "we");
  if (!file)
    return notWritten(path);
  bool good = std::fputs(text.c_str(), file) >= 0;
  good &= std::fclose(file) == 0;
  if (good && (!replaced || std::rename(written.c_str(), target.c_str()) == 0))
    return absl::OkStatus();
  absl::Status failure = notWritten(path);
  if (replaced)
    std::remove(written.c_str());
  return failure;
}

} // namespace

absl::StatusOr<double> readBandwidth(int threads) {
  LAMINA_ASSIGN_OR_RETURN(Buffer buffer, Buffer::create(bufferBytes()));
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> pool, ThreadPool::create(threads, kSpinNanoseconds));
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
                          .transportOne = {},
                          .transportAll = {},
                          .memoryBytes = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                                         static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))};
  // First, while this process has no other threads: it forks.
  LAMINA_ASSIGN_OR_RETURN(figures.transportOne, probeTransport(1));
  LAMINA_ASSIGN_OR_RETURN(figures.transportAll, probeTransport(threads));
  LAMINA_ASSIGN_OR_RETURN(figures.bandwidthOne, readBandwidth(1));
  LAMINA_ASSIGN_OR_RETURN(figures.bandwidthAll, readBandwidth(threads));
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> one, ThreadPool::create(1, 0));
  figures.flopsOne = operationsPerSecond(*one, floatKernel());
  figures.intOpsOne = operationsPerSecond(*one, integerKernel());
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> all, ThreadPool::create(threads, kSpinNanoseconds));
  figures.flopsAll = operationsPerSecond(*all, floatKernel());
  figures.intOpsAll = operationsPerSecond(*all, integerKernel());
  return figures;
}

absl::Status probe(const BenchOptions &options) {
  // Looked at first: a wrong path should not take seconds to notice.
  if (!options.clusterFile.empty())
    LAMINA_RETURN_IF_ERROR(checkWritable(options.clusterFile));
  LAMINA_ASSIGN_OR_RETURN(ProbeFigures figures, probeMachine(options.threads.front()));
  std::printf("%s", probeTable(figures).c_str());
  return options.clusterFile.empty() ? absl::OkStatus()
                                     : writeFile(options.clusterFile, clusterText(figures));
}

} // namespace lamina::bench
