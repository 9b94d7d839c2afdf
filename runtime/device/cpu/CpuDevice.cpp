//===- CpuDevice.cpp - a worker's share of the CPU ----------------------------------------------------===//

#include "runtime/device/cpu/CpuDevice.h"

#include "runtime/device/WeightsFile.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace lamina {
namespace {

/// Smaller regions would waste more in half-used huge pages than they save in page-table walks.
constexpr uint64_t kHugePageThreshold = 8u << 20;
/// Where huge pages begin, on every machine that has them.
constexpr uint64_t kHugePageBytes = 2u << 20;

/// mmap, of large regions in huge pages if the system has them: of a file those that its cache holds.
/// MAP_FAILED and errno as mmap.
void *mapMemory(uint64_t length, int protection, int flags, int file) {
  if (length < kHugePageThreshold)
    return mmap(nullptr, length, protection, flags, file, 0);
  // Not every kernel chooses an address that huge pages can begin at.
  uint64_t reserved = length + kHugePageBytes;
  void *space = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED)
    return MAP_FAILED;
  uintptr_t begin = reinterpret_cast<uintptr_t>(space);
  uintptr_t aligned = (begin + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  void *address = mmap(reinterpret_cast<void *>(aligned), length, protection, flags | MAP_FIXED, file, 0);
  int error = errno;
  if (address == MAP_FAILED) {
    munmap(space, reserved);
    errno = error;
    return MAP_FAILED;
  }
  // Unmapping rounds its end up to a page, as mapping did.
  uint64_t page = uint64_t(sysconf(_SC_PAGESIZE));
  uintptr_t end = aligned + (length + page - 1) / page * page;
  if (aligned > begin)
    munmap(space, aligned - begin);
  if (end < begin + reserved)
    munmap(reinterpret_cast<void *>(end), begin + reserved - end);
  madvise(address, length, MADV_HUGEPAGE); // a hint
  return address;
}

/// What the pool's threads need of one launch; lives on the launching thread's stack.
struct Launch {
  LaminaKernel kernel;
  void *const *bindings;
  const LaminaStep *step;
};

/// Copies that take longer than it takes to hand them out are divided; into pieces of whole pages.
constexpr uint64_t kDividedCopyBytes = 64u << 10;
constexpr uint64_t kPieceBytes = 4096;

struct Copy {
  std::byte *to;
  const std::byte *from;
  uint64_t bytes;
};

void copyPieces(void *context, int64_t begin, int64_t end) {
  const Copy &copy = *static_cast<const Copy *>(context);
  uint64_t first = uint64_t(begin) * kPieceBytes, last = std::min(copy.bytes, uint64_t(end) * kPieceBytes);
  memcpy(copy.to + first, copy.from + first, last - first);
}

void runWorkgroups(void *context, int64_t begin, int64_t end) {
  const Launch &launch = *static_cast<const Launch *>(context);
  launch.kernel(launch.bindings, launch.step, begin, end);
}

} // namespace

absl::StatusOr<std::unique_ptr<CpuDevice>> CpuDevice::create(int threads, uint64_t spinNanoseconds,
                                                             std::span<const int> cpus) {
  LAMINA_ASSIGN_OR_RETURN(auto pool, ThreadPool::create(threads, spinNanoseconds, cpus));
  return std::make_unique<CpuDevice>(std::move(pool));
}

CpuDevice::~CpuDevice() {
  for (const Mapping &mapping : mappings_)
    munmap(mapping.address, mapping.bytes);
}

std::string CpuDevice::description() const {
  return absl::StrCat("cpu ", code_ ? code_->target() : "without code", ", ", pool_->threads(),
                      pool_->threads() == 1 ? " thread" : " threads");
}

absl::StatusOr<std::byte *> CpuDevice::allocate(uint64_t bytes, const std::string &what) {
  uint64_t length = std::max<uint64_t>(bytes, 1);
  // Not reserved: a cache for the longest context costs only the pages that sequences have reached.
  void *address = mapMemory(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  if (address == MAP_FAILED)
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot reserve ", bytes, " bytes for ", what, ": ", strerror(errno),
                     "; lift the limit on this process's memory, or compile the model for fewer tokens"));
  mappings_.push_back({address, length});
  return static_cast<std::byte *>(address);
}

absl::StatusOr<std::byte *> CpuDevice::loadWeights(const std::string &path, uint64_t bytes) {
  LAMINA_ASSIGN_OR_RETURN(int file, openWeights(path, bytes));
  void *address = mapMemory(bytes, PROT_READ, MAP_PRIVATE, file);
  int error = errno;
  close(file);
  if (address == MAP_FAILED)
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot map weights file ", path, ": ", strerror(error)));
  mappings_.push_back({address, bytes});
  return static_cast<std::byte *>(address);
}

absl::StatusOr<std::byte *> CpuDevice::mapHost(std::byte *memory, uint64_t bytes) { return memory; }

absl::Status CpuDevice::loadCode(std::span<const CodeFile> files) {
  std::vector<std::string> targets = detectTargets();
  LAMINA_ASSIGN_OR_RETURN(const CodeFile *file, selectCodeFile(files, targets));
  LAMINA_ASSIGN_OR_RETURN(code_, CodeLibrary::open(*file));
  return absl::OkStatus();
}

absl::StatusOr<KernelHandle> CpuDevice::findKernel(const KernelForm &form) {
  if (!code_)
    return absl::FailedPreconditionError(
        absl::StrCat("kernel ", form.symbol, " is wanted before any code is loaded"));
  LAMINA_ASSIGN_OR_RETURN(LaminaKernel kernel, code_->findKernel(form.symbol));
  return KernelHandle(reinterpret_cast<uintptr_t>(kernel));
}

absl::Status CpuDevice::beginStep(const LaminaStep &step) {
  step_ = step;
  return absl::OkStatus();
}

absl::Status CpuDevice::launch(KernelHandle kernel, std::span<void *const> bindings, int64_t workgroups) {
  Launch launch{reinterpret_cast<LaminaKernel>(uintptr_t(kernel)), bindings.data(), &step_};
  pool_->parallelFor(runWorkgroups, &launch, workgroups);
  return absl::OkStatus();
}

absl::Status CpuDevice::copyToHost(void *host, const void *device, uint64_t bytes) {
  Copy copy{static_cast<std::byte *>(host), static_cast<const std::byte *>(device), bytes};
  int64_t pieces = int64_t((bytes + kPieceBytes - 1) / kPieceBytes);
  if (bytes < kDividedCopyBytes)
    copyPieces(&copy, 0, pieces);
  else
    pool_->parallelFor(copyPieces, &copy, pieces);
  return absl::OkStatus();
}

absl::Status CpuDevice::copyFromHost(void *device, const void *host, uint64_t bytes) {
  return copyToHost(device, host, bytes);
}

absl::Status CpuDevice::synchronize() { return absl::OkStatus(); }

} // namespace lamina
