//===- SimMemory.cpp - the simulated GPU's memory and the host memory that it knows -------------------===//

#include "SimMemory.h"

#include <algorithm>
#include <cstdlib>
#include <sys/mman.h>

namespace lamina::cudasim {

using namespace cuda;

namespace {

constexpr uintptr_t kFence = 65536;   // the largest page that a system has
constexpr uintptr_t kAlignment = 256; // of what cuMemAlloc returns
constexpr uintptr_t kAddresses = uintptr_t(1) << 40;

uintptr_t alignUp(uintptr_t value, uintptr_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

/// The pages that an allocation lies in.
void protectPages(uintptr_t address, size_t bytes, int protection) {
  uintptr_t begin = address / kFence * kFence;
  mprotect(reinterpret_cast<void *>(begin), alignUp(address + bytes, kFence) - begin, protection);
}

} // namespace

CUresult SimMemory::allocate(CUdeviceptr *address, size_t bytes) {
  if (bytes == 0)
    return CUDA_ERROR_INVALID_VALUE;
  if (bytes > total_ - used_)
    return CUDA_ERROR_OUT_OF_MEMORY;
  if (next_ == 0) {
    void *space = mmap(nullptr, kAddresses, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
      return CUDA_ERROR_OUT_OF_MEMORY;
    next_ = alignUp(reinterpret_cast<uintptr_t>(space), kFence);
  }
  uintptr_t end = next_ + alignUp(bytes, kFence);
  uintptr_t begin = end - alignUp(bytes, kAlignment);
  next_ = end + kFence;
  allocations_[begin] = bytes;
  used_ += bytes;
  if (accesses_ != 0)
    protectPages(begin, bytes, PROT_READ | PROT_WRITE);
  *address = begin;
  return CUDA_SUCCESS;
}

CUresult SimMemory::free(CUdeviceptr address) {
  auto allocation = allocations_.find(uintptr_t(address));
  if (allocation == allocations_.end())
    return CUDA_ERROR_INVALID_VALUE;
  protectPages(allocation->first, allocation->second, PROT_NONE);
  madvise(reinterpret_cast<void *>(allocation->first / kFence * kFence), alignUp(allocation->second, kFence),
          MADV_DONTNEED);
  used_ -= allocation->second;
  allocations_.erase(allocation);
  return CUDA_SUCCESS;
}

bool SimMemory::isDevice(CUdeviceptr address, size_t bytes) const {
  auto next = allocations_.upper_bound(uintptr_t(address));
  if (next == allocations_.begin())
    return false;
  auto [begin, size] = *std::prev(next);
  return address - begin <= size && bytes <= size - (address - begin);
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
  void *alias = mremap(address, 0, alignUp(bytes, 4096), MREMAP_MAYMOVE);
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
  for (auto [address, bytes] : allocations_)
    protectPages(address, bytes, protection);
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
