//===- SimMemory.h - the simulated GPU's memory and the host memory that it knows -----------*- C++ -*-===//
//
// Device memory is host memory that faults unless the simulated GPU is at work, and for ever once freed. Each
// allocation ends at an inaccessible page, and is a file that other processes can map. Registered host memory
// has a second address for the GPU, as real drivers may give it one.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_CUDASIM_SIMMEMORY_H
#define LAMINA_TEST_CUDASIM_SIMMEMORY_H

#include "runtime/device/cuda/DriverTypes.h"

#include <map>

namespace lamina::cudasim {

class SimMemory {
public:
  explicit SimMemory(size_t total) : total_(total) {}

  cuda::CUresult allocate(cuda::CUdeviceptr *address, size_t bytes, int device);
  cuda::CUresult free(cuda::CUdeviceptr address);
  /// What share makes of an allocation, openShared maps in another process.
  cuda::CUresult share(cuda::CUdeviceptr address, cuda::CUipcMemHandle *handle) const;
  cuda::CUresult openShared(const cuda::CUipcMemHandle &handle, int device, cuda::CUdeviceptr *address);
  cuda::CUresult closeShared(cuda::CUdeviceptr address);
  size_t total() const { return total_; }
  size_t used() const { return used_; }
  /// Whether all of it lies in one live allocation.
  bool isDevice(cuda::CUdeviceptr address, size_t bytes) const;

  cuda::CUresult allocateHost(void **address, size_t bytes);
  cuda::CUresult freeHost(void *address);
  cuda::CUresult registerHost(void *address, size_t bytes);
  cuda::CUresult unregisterHost(void *address);
  cuda::CUresult deviceAddressOf(void *host, cuda::CUdeviceptr *address) const;
  /// Whether the GPU may copy it: all of it is registered, or allocated as pinned.
  bool isPinned(const void *host, size_t bytes) const;
  /// Whether a word is registered host memory, by its address for the GPU.
  bool isMapped(cuda::CUdeviceptr address) const;

  /// While one exists, device memory can be touched.
  class Access {
  public:
    explicit Access(SimMemory &memory);
    ~Access();

  private:
    SimMemory &memory_;
  };

private:
  struct HostRange {
    size_t bytes;
    char *alias;
    bool registered; ///< not allocated
  };
  using Ranges = std::map<uintptr_t, HostRange>;
  struct Allocation {
    size_t bytes;
    int file;
    int device;
    bool shared; ///< by another process, whose memory it is
  };

  cuda::CUresult map(const Allocation &allocation, cuda::CUdeviceptr *address);
  void unmap(std::map<uintptr_t, Allocation>::iterator allocation);
  void protect(int protection);

  const size_t total_;
  size_t used_ = 0;
  uintptr_t next_ = 0; // of the reserved addresses; none is used twice
  std::map<uintptr_t, Allocation> allocations_;
  Ranges host_;
  int accesses_ = 0;
};

} // namespace lamina::cudasim

#endif // LAMINA_TEST_CUDASIM_SIMMEMORY_H
