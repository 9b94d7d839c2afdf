//===- CudaQueue.cpp - a GPU's stream as a DeviceQueue ------------------------------------------------===//

#include "runtime/base/Clock.h"
#include "runtime/device/cuda/CudaDevice.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unistd.h>

namespace lamina::cuda {
namespace {

CUdeviceptr addressOf(const std::byte *device) { return CUdeviceptr(reinterpret_cast<uintptr_t>(device)); }

} // namespace

absl::Status CudaDevice::enqueueCopyToHost(std::byte *host, const std::byte *device, uint64_t bytes) {
  return driver_.check(driver_.cuMemcpyDtoHAsync(host, addressOf(device), bytes, stream()),
                       "cannot copy from the GPU");
}

absl::Status CudaDevice::enqueueCopyFromHost(std::byte *device, const std::byte *host, uint64_t bytes) {
  return driver_.check(driver_.cuMemcpyHtoDAsync(addressOf(device), host, bytes, stream()),
                       "cannot copy to the GPU");
}

absl::Status CudaDevice::enqueueCopy(std::byte *to, const std::byte *from, uint64_t bytes) {
  return driver_.check(driver_.cuMemcpyDtoDAsync(addressOf(to), addressOf(from), bytes, stream()),
                       "cannot copy on the GPU");
}

absl::StatusOr<DeviceMemoryOffer> CudaDevice::offerMemory(std::byte *memory) {
  DeviceMemoryOffer offer{.process = getpid(), .device = device_, .address = memory, .driver = {}};
  CUipcMemHandle handle;
  static_assert(sizeof(handle) == sizeof(offer.driver));
  LAMINA_CUDA_CHECK(driver_, cuIpcGetMemHandle(&handle, addressOf(memory)),
                    "the GPU cannot share memory with other processes");
  memcpy(offer.driver, &handle, sizeof(handle));
  return offer;
}

absl::StatusOr<std::byte *> CudaDevice::reachMemory(const DeviceMemoryOffer &offer) {
  if (offer.process == getpid()) { // where a handle cannot be opened, and devices share one context
    if (offer.device != device_)
      return absl::UnimplementedError("GPUs of one process do not reach each other's memory");
    return offer.address;
  }
  CUipcMemHandle handle;
  memcpy(&handle, offer.driver, sizeof(handle));
  CUdeviceptr address = 0;
  LAMINA_CUDA_CHECK(driver_, cuIpcOpenMemHandle(&address, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS),
                    "the GPU cannot reach another's memory");
  reached_.push_back(address);
  return reinterpret_cast<std::byte *>(uintptr_t(address));
}

absl::Status CudaDevice::leaveMemory(std::byte *memory) {
  LAMINA_RETURN_IF_ERROR(synchronize());
  auto opened = std::find(reached_.begin(), reached_.end(), addressOf(memory));
  if (opened == reached_.end()) // of a device of this process
    return absl::OkStatus();
  reached_.erase(opened);
  return driver_.check(driver_.cuIpcCloseMemHandle(addressOf(memory)),
                       "the GPU cannot leave another's memory");
}

absl::StatusOr<CUdeviceptr> CudaDevice::addressOfWord(const uint32_t *word) const {
  for (const HostRegistration &registration : registrations_)
    if (registration.contains(word))
      return registration.addressOf(word);
  return absl::InternalError("a word to wait for lies in memory that the GPU was not told of");
}

absl::Status CudaDevice::writeWord(uint32_t *word, uint32_t value) {
  LAMINA_ASSIGN_OR_RETURN(CUdeviceptr address, addressOfWord(word));
  return driver_.check(driver_.cuStreamWriteValue32(stream(), address, value, CU_STREAM_WRITE_VALUE_DEFAULT),
                       "the GPU cannot write a word for its peers");
}

absl::Status CudaDevice::waitForWord(const uint32_t *word, uint32_t value) {
  LAMINA_ASSIGN_OR_RETURN(CUdeviceptr address, addressOfWord(word));
  return driver_.check(driver_.cuStreamWaitValue32(stream(), address, value, CU_STREAM_WAIT_VALUE_GEQ),
                       "the GPU cannot wait for its peers");
}

absl::StatusOr<bool> CudaDevice::finished() {
  CUresult result = driver_.cuStreamQuery(stream_);
  if (result == CUDA_ERROR_NOT_READY)
    return false;
  if (result != CUDA_SUCCESS)
    return driver_.check(result, pending_.describe());
  pending_ = {};
  return true;
}

absl::Status CudaDevice::beginRecording() {
  LAMINA_CUDA_CHECK(driver_, cuStreamBeginCapture(stream(), CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                    "cannot record launches");
  isRecording_ = true;
  recording_ = {};
  return absl::OkStatus();
}

absl::StatusOr<RecordedHandle> CudaDevice::endRecording() {
  isRecording_ = false;
  CUgraph graph = nullptr;
  LAMINA_CUDA_CHECK(driver_, cuStreamEndCapture(stream(), &graph), "cannot record launches");
  CUgraphExec executable = nullptr;
  absl::Status status =
      driver_.check(driver_.cuGraphInstantiate(&executable, graph, 0), "cannot prepare recorded launches");
  driver_.cuGraphDestroy(graph);
  LAMINA_RETURN_IF_ERROR(status);
  recorded_.push_back({executable, recording_});
  return RecordedHandle(reinterpret_cast<uintptr_t>(&recorded_.back()));
}

absl::Status CudaDevice::replay(RecordedHandle handle) {
  const Recorded &recorded = *reinterpret_cast<const Recorded *>(uintptr_t(handle));
  LAMINA_CUDA_CHECK(driver_, cuGraphLaunch(recorded.graph, stream()), "cannot launch recorded kernels");
  pending_.add(recorded.launches);
  return absl::OkStatus();
}

absl::Status CudaDevice::mark(size_t index) {
  while (marks_.size() <= index) {
    CUevent event = nullptr;
    LAMINA_CUDA_CHECK(driver_, cuEventCreate(&event, CU_EVENT_DEFAULT), "cannot create an event");
    marks_.push_back(event);
  }
  if (index == 0) {
    // An idle stream passes the first mark at once. Early by microseconds rather than late: no step seems to
    // begin before the end of the one before.
    LAMINA_RETURN_IF_ERROR(synchronize());
    firstMark_ = monotonicNanoseconds();
  }
  return driver_.check(driver_.cuEventRecord(marks_[index], stream()), "cannot record an event");
}

absl::StatusOr<uint64_t> CudaDevice::markTime(size_t index) {
  float milliseconds = 0;
  LAMINA_CUDA_CHECK(driver_, cuEventElapsedTime(&milliseconds, marks_[0], marks_[index]),
                    "cannot tell when the GPU did what");
  return firstMark_ + uint64_t(std::llround(double(milliseconds) * 1e6));
}

} // namespace lamina::cuda
