//===- SimDriver.cpp - the simulated driver's devices and memory --------------------------------------===//

#include "Simulator.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

using namespace lamina::cudasim;

namespace {

const CUcontext kContexts = reinterpret_cast<CUcontext>(uintptr_t(0x1000)); // plus the device's number

/// Both ends of a copy must be what the driver takes them for when the copy is handed over.
CUresult enqueueCopy(CUstream stream, void *to, const void *from, size_t bytes, CUdeviceptr device,
                     const void *host) {
  SimMemory &memory = simulator().memory;
  if (!memory.isDevice(device, bytes))
    return refuse("a copy reaches outside of what was allocated on the device");
  if (!memory.isPinned(host, bytes))
    return refuse("an asynchronous copy with host memory that is not registered");
  return enqueue(stream, [=] {
    memcpy(to, from, bytes);
    return Progress::Done;
  });
}

int currentDevice() {
  return int(reinterpret_cast<uintptr_t>(currentContext()) - reinterpret_cast<uintptr_t>(kContexts));
}

struct ErrorText {
  CUresult error;
  const char *name, *text;
};
constexpr ErrorText kErrors[] = {
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED",
     "peer access is not supported between these two devices"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE",
     "the operation cannot be performed in the present state"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED",
     "part or all of the requested memory range is already mapped"},
    {CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED",
     "pointer does not correspond to a registered memory region"},
};

const ErrorText *findError(CUresult error) {
  for (const ErrorText &entry : kErrors)
    if (entry.error == error)
      return &entry;
  return nullptr;
}

} // namespace

//===--- Devices and errors -------------------------------------------------------------------------===//

CUresult cuInit(unsigned int flags) {
  std::lock_guard lock(simulator().mutex);
  const char *devices = getenv("LAMINA_CUDA_SIM_DEVICES");
  simulator().devices = devices == nullptr ? 1 : atoi(devices);
  if (simulator().devices == 0)
    return CUDA_ERROR_NO_DEVICE;
  if (simulator().process == 0)
    simulator().process = getpid();
  return simulator().process == getpid() ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult cuDriverGetVersion(int *version) {
  const char *text = getenv("LAMINA_CUDA_SIM_VERSION");
  *version = text == nullptr ? 13000 : atoi(text);
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char **text) {
  const ErrorText *entry = findError(error);
  *text = entry ? entry->name : nullptr;
  return entry ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char **text) {
  const ErrorText *entry = findError(error);
  *text = entry ? entry->text : nullptr;
  return entry ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceGetCount(int *count) {
  SIM_CALL(false);
  *count = simulator().devices;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  SIM_CALL(false);
  *device = ordinal;
  return ordinal >= 0 && ordinal < simulator().devices ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  SIM_CALL(false);
  snprintf(name, size_t(length), "simulated GPU %d", device);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  SIM_CALL(false);
  switch (attribute) {
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
    *value = 9;
    return CUDA_SUCCESS;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
    *value = 0;
    return CUDA_SUCCESS;
  case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
    *value = 1;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  SIM_CALL(false);
  *context = reinterpret_cast<CUcontext>(reinterpret_cast<uintptr_t>(kContexts) + uintptr_t(device));
  ++simulator().contexts;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  SIM_CALL(false);
  if (--simulator().contexts == 0)
    simulator().failure = CUDA_SUCCESS;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
  SIM_CALL(false);
  currentContext() = context;
  return CUDA_SUCCESS;
}

//===--- Memory -------------------------------------------------------------------------------------===//

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  SIM_CALL();
  *total = simulator().memory.total();
  *free = *total - simulator().memory.used();
  return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  SIM_CALL();
  return simulator().memory.allocate(address, bytes, currentDevice());
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  SIM_CALL(false);
  for (CUstream stream : simulator().streams) // freeing waits for what runs
    simulator().advance(stream);
  return simulator().memory.free(address);
}

CUresult cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address) {
  SIM_CALL();
  return simulator().memory.share(address, handle);
}

CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *address, CUipcMemHandle handle, unsigned int flags) {
  SIM_CALL();
  return flags == CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS
             ? simulator().memory.openShared(handle, currentDevice(), address)
             : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
  SIM_CALL(false);
  return simulator().memory.closeShared(address);
}

CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned int flags) {
  SIM_CALL();
  return simulator().memory.allocateHost(address, bytes);
}

CUresult cuMemFreeHost(void *address) {
  SIM_CALL(false);
  return simulator().memory.freeHost(address);
}

CUresult cuMemHostRegister_v2(void *address, size_t bytes, unsigned int flags) {
  SIM_CALL();
  return simulator().memory.registerHost(address, bytes);
}

CUresult cuMemHostUnregister(void *address) {
  SIM_CALL(false);
  return simulator().memory.unregisterHost(address);
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *device, void *host, unsigned int flags) {
  SIM_CALL();
  return simulator().memory.deviceAddressOf(host, device);
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream) {
  SIM_CALL();
  if (!simulator().memory.isDevice(to, bytes))
    return refuse("memory is set outside of what was allocated on the device");
  return enqueue(stream, [=] {
    memset(pointerTo(to), value, bytes);
    return Progress::Done;
  });
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  SIM_CALL();
  return enqueueCopy(stream, pointerTo(to), from, bytes, to, from);
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  SIM_CALL();
  return enqueueCopy(stream, to, pointerTo(from), bytes, from, to);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  SIM_CALL();
  if (!simulator().memory.isDevice(to, bytes) || !simulator().memory.isDevice(from, bytes))
    return refuse("a copy reaches outside of what was allocated on the device");
  return enqueue(stream, [=] {
    memmove(pointerTo(to), pointerTo(from), bytes);
    return Progress::Done;
  });
}
