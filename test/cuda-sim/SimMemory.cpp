//===- SimMemory.cpp - the simulated GPU's memory and the host memory that it knows -------------------===//

#include "SimMemory.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

namespace lamina::cudasim {

using namespace cuda;

namespace {

constexpr uintptr_t kFence = 65536;   // the largest page that a system has
constexpr uintptr_t kAlignment = 256; // of what cuMemAlloc returns
constexpr uintptr_t kAddresses = uintptr_t(1) << 40;

/// ThreadSanitizer knows memory by its address: at another one it would not see who synchronises with whom.
#if __has_feature(thread_sanitizer)
constexpr bool kAliases = false;
#else
constexpr bool kAliases = true;
#endif

uintptr_t alignUp(uintptr_t value, uintptr_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

/// The pages that an allocation lies in.
void protectPages(uintptr_t address, size_t bytes, int protection) {
  uintptr_t begin = address / kFence * kFence;
  mprotect(reinterpret_cast<void *>(begin), alignUp(address + bytes, kFence) - begin, protection);
}

} // namespace

CUresult SimMemory::map(const Allocation &allocation, CUdeviceptr *address) {
  if (next_ == 0) {
    void *space = mmap(nullptr, kAddresses, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
      return CUDA_ERROR_OUT_OF_MEMORY;
    next_ = alignUp(reinterpret_cast<uintptr_t>(space), kFence);
  }
  size_t pages = alignUp(allocation.bytes, kFence);
  int protection = accesses_ != 0 ? PROT_READ | PROT_WRITE : PROT_NONE;
  if (mmap(reinterpret_cast<void *>(next_), pages, protection, MAP_SHARED | MAP_FIXED, allocation.file, 0) ==
      MAP_FAILED)
    return CUDA_ERROR_OUT_OF_MEMORY;
  *address = next_ + pages - alignUp(allocation.bytes, kAlignment);
  next_ += pages + kFence;
  allocations_[uintptr_t(*address)] = allocation;
  return CUDA_SUCCESS;
}

void SimMemory::unmap(std::map<uintptr_t, Allocation>::iterator allocation) {
  uintptr_t begin = allocation->first / kFence * kFence;
  mmap(reinterpret_cast<void *>(begin), alignUp(allocation->second.bytes, kFence), PROT_NONE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  close(allocation->second.file);
  allocations_.erase(allocation);
}

CUresult SimMemory::allocate(CUdeviceptr *address, size_t bytes, int device) {
  if (bytes == 0)
    return CUDA_ERROR_INVALID_VALUE;
  if (bytes > total_ - used_)
    return CUDA_ERROR_OUT_OF_MEMORY;
  int file = memfd_create("lamina-sim-memory", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, off_t(alignUp(bytes, kFence))) != 0)
    return CUDA_ERROR_OUT_OF_MEMORY;
  used_ += bytes;
  return map({bytes, file, device, false}, address);
}

CUresult SimMemory::free(CUdeviceptr address) {
  auto allocation = allocations_.find(uintptr_t(address));
  if (allocation == allocations_.end() || allocation->second.shared)
    return CUDA_ERROR_INVALID_VALUE;
  if (flock(allocation->second.file, LOCK_EX | LOCK_NB) != 0) {
    fprintf(stderr, "cuda-sim: memory is freed that another process has open\n");
    abort();
  }
  used_ -= allocation->second.bytes;
  unmap(allocation);
  return CUDA_SUCCESS;
}

CUresult SimMemory::share(CUdeviceptr address, CUipcMemHandle *handle) const {
  auto allocation = allocations_.find(uintptr_t(address));
  if (allocation == allocations_.end() || allocation->second.shared)
    return CUDA_ERROR_INVALID_VALUE;
  const Allocation &own = allocation->second;
  *handle = {};
  snprintf(handle->reserved, sizeof(handle->reserved), "%d %d %zu %d", int(getpid()), own.file, own.bytes,
           own.device);
  return CUDA_SUCCESS;
}

CUresult SimMemory::openShared(const CUipcMemHandle &handle, int device, CUdeviceptr *address) {
  int process = 0, file = 0, owner = 0;
  size_t bytes = 0;
  if (sscanf(handle.reserved, "%d %d %zu %d", &process, &file, &bytes, &owner) != 4)
    return CUDA_ERROR_INVALID_VALUE;
  if (process == getpid())
    return CUDA_ERROR_INVALID_CONTEXT;
  if (owner != device && getenv("LAMINA_CUDA_SIM_NO_PEERS") != nullptr)
    return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
  std::string path = "/proc/" + std::to_string(process) + "/fd/" + std::to_string(file);
  int opened = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (opened < 0)
    return CUDA_ERROR_INVALID_VALUE;
  flock(opened, LOCK_SH); // as long as it is open: free() looks
  return map({bytes, opened, owner, true}, address);
}

CUresult SimMemory::closeShared(CUdeviceptr address) {
  auto allocation = allocations_.find(uintptr_t(address));
  if (allocation == allocations_.end() || !allocation->second.shared)
    return CUDA_ERROR_INVALID_VALUE;
  unmap(allocation);
  return CUDA_SUCCESS;
}

bool SimMemory::isDevice(CUdeviceptr address, size_t bytes) const {
  auto next = allocations_.upper_bound(uintptr_t(address));
  if (next == allocations_.begin())
    return false;
  auto [begin, allocation] = *std::prev(next);
  return address - begin <= allocation.bytes && bytes <= allocation.bytes - (address - begin);
}

CUresult SimMemory::allocateHost(void **address, size_t bytes) {
  *address = aligned_alloc(4096, alignUp(std::max<size_t>(bytes, 1), 4096));
  if (*address == nullptr)
    return CUDA_ERROR_OUT_OF_MEMORY;
  host_[reinterpret_cast<uintptr_t>(*address)] = {bytes, static_cast<char *>(*address), false};
  return CUDA_SUCCESS;
}

CUresult SimMemory::freeHost(void *address) {
  auto range = host_.find(reinterpret_cast<uintptr_t>(address));
  if (range == host_.end() || range->second.registered)
    return CUDA_ERROR_INVALID_VALUE;
  ::free(address);
  host_.erase(range);
  return CUDA_SUCCESS;
}

CUresult SimMemory::registerHost(void *address, size_t bytes) {
  uintptr_t begin = reinterpret_cast<uintptr_t>(address);
  if (bytes == 0 || begin % 4096 != 0)
    return CUDA_ERROR_INVALID_VALUE;
  auto next = host_.lower_bound(begin + bytes);
  if (next != host_.begin() && std::prev(next)->first + std::prev(next)->second.bytes > begin)
    return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  // Maps shared memory a second time; private memory cannot be and keeps its address.
  void *alias = kAliases ? mremap(address, 0, alignUp(bytes, 4096), MREMAP_MAYMOVE) : MAP_FAILED;
  host_[begin] = {bytes, static_cast<char *>(alias == MAP_FAILED ? address : alias), true};
  return CUDA_SUCCESS;
}

CUresult SimMemory::unregisterHost(void *address) {
  auto range = host_.find(reinterpret_cast<uintptr_t>(address));
  if (range == host_.end() || !range->second.registered)
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  if (range->second.alias != address)
    munmap(range->second.alias, alignUp(range->second.bytes, 4096));
  host_.erase(range);
  return CUDA_SUCCESS;
}

CUresult SimMemory::deviceAddressOf(void *host, CUdeviceptr *address) const {
  uintptr_t wanted = reinterpret_cast<uintptr_t>(host);
  auto next = host_.upper_bound(wanted);
  if (next == host_.begin() || wanted - std::prev(next)->first >= std::prev(next)->second.bytes)
    return CUDA_ERROR_INVALID_VALUE;
  *address = reinterpret_cast<uintptr_t>(std::prev(next)->second.alias) + (wanted - std::prev(next)->first);
  return CUDA_SUCCESS;
}

bool SimMemory::isPinned(const void *host, size_t bytes) const {
  uintptr_t wanted = reinterpret_cast<uintptr_t>(host);
  auto next = host_.upper_bound(wanted);
  if (next == host_.begin())
    return false;
  auto [begin, range] = *std::prev(next);
  return wanted - begin <= range.bytes && bytes <= range.bytes - (wanted - begin);
}

bool SimMemory::isMapped(CUdeviceptr address) const {
  return std::any_of(host_.begin(), host_.end(), [&](const auto &entry) {
    uintptr_t alias = reinterpret_cast<uintptr_t>(entry.second.alias);
    return address >= alias && address - alias + 4 <= entry.second.bytes;
  });
}

void SimMemory::protect(int protection) {
  for (const auto &[address, allocation] : allocations_)
    protectPages(address, allocation.bytes, protection);
}

SimMemory::Access::Access(SimMemory &memory) : memory_(memory) {
  if (memory_.accesses_++ == 0)
    memory_.protect(PROT_READ | PROT_WRITE);
}

SimMemory::Access::~Access() {
  if (--memory_.accesses_ == 0)
    memory_.protect(PROT_NONE);
}

} // namespace lamina::cudasim
