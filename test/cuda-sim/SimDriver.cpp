//===- SimDriver.cpp - a CUDA driver that runs kernels on the CPU -------------------------------------===//
//
// Work waits in its stream until the host asks for it (synchronize, query) and runs then, in order, in the
// thread that asks: whoever relies on something that was never waited for finds that it did not happen.
//
//===----------------------------------------------------------------------------------------------------===//

#include "SimMemory.h"
#include "SimModule.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <sched.h>
#include <set>
#include <type_traits>
#include <unistd.h>

using namespace lamina::cuda;
using lamina::cudasim::SimFunction;
using lamina::cudasim::SimLaunch;
using lamina::cudasim::SimMemory;
using lamina::cudasim::SimModule;

namespace {

/// A piece of work. It says whether it is done or has to be tried again later.
enum class Progress { Done, Waiting };
using Work = std::function<Progress()>;

size_t environmentNumber(const char *name, size_t otherwise) {
  const char *text = getenv(name);
  return text != nullptr ? strtoull(text, nullptr, 10) : otherwise;
}

} // namespace

struct lamina::cuda::CUgraph_st {
  std::deque<Work> work;
};

/// A graph and its executable are the same here.
struct lamina::cuda::CUgraphExec_st : lamina::cuda::CUgraph_st {};

struct lamina::cuda::CUevent_st {
  bool passed = false;
  double milliseconds = 0;
};

struct lamina::cuda::CUstream_st {
  std::deque<Work> work;
  std::unique_ptr<lamina::cuda::CUgraph_st> capture; ///< what is recorded instead of run
};

namespace {

struct Simulator {
  std::recursive_mutex mutex;
  pid_t process = 0; ///< that called cuInit
  int devices = 0;
  int contexts = 0; ///< retained and not yet released
  SimMemory memory{environmentNumber("LAMINA_CUDA_SIM_MEMORY", size_t(64) << 30)};
  std::set<CUstream> streams;
  std::map<CUmodule, std::unique_ptr<SimModule>> modules;
  CUresult failure = CUDA_SUCCESS; ///< of a kernel: for all but freeing, as long as there is a context

  /// Does what can be done; whether the stream is empty then.
  bool advance(CUstream stream) {
    if (stream->work.empty())
      return true;
    SimMemory::Access access(memory);
    while (!stream->work.empty() && failure == CUDA_SUCCESS) {
      if (stream->work.front()() == Progress::Waiting)
        return false;
      stream->work.pop_front();
    }
    stream->work.clear();
    return true;
  }
};

Simulator &simulator() {
  static Simulator *simulator = new Simulator; // workers may end later than static objects
  return *simulator;
}

thread_local CUcontext current = nullptr;
const CUcontext kContexts = reinterpret_cast<CUcontext>(uintptr_t(0x1000)); // plus the device's number

/// What every function begins with: takes the lock and tells why the call cannot be served.
struct Call {
  std::lock_guard<std::recursive_mutex> lock{simulator().mutex};
  CUresult status = CUDA_SUCCESS;

  explicit Call(bool needsContext = true) {
    if (simulator().process != getpid()) {
      if (simulator().process != 0)
        fprintf(stderr, "cuda-sim: the driver was initialised before a fork\n");
      status = CUDA_ERROR_NOT_INITIALIZED;
    } else if (needsContext && current == nullptr) {
      status = CUDA_ERROR_INVALID_CONTEXT;
    } else if (needsContext) {
      status = simulator().failure;
    }
  }
};

CUresult refuse(const char *what) {
  fprintf(stderr, "cuda-sim: %s\n", what);
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult enqueue(CUstream stream, Work work) {
  if (!simulator().streams.count(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  (stream->capture ? stream->capture->work : stream->work).push_back(std::move(work));
  return CUDA_SUCCESS;
}

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

void *pointerTo(CUdeviceptr address) { return reinterpret_cast<void *>(uintptr_t(address)); }

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

#define SIM_API extern "C" __attribute__((visibility("default"))) CUresult
#define SIM_CALL(...)                                                                                        \
  Call call{__VA_ARGS__};                                                                                    \
  if (call.status != CUDA_SUCCESS)                                                                           \
    return call.status;

//===--- Devices and errors ----------------------------------------------------------------------------------===//

SIM_API cuInit(unsigned int flags) {
  std::lock_guard lock(simulator().mutex);
  simulator().devices = int(environmentNumber("LAMINA_CUDA_SIM_DEVICES", 1));
  if (simulator().devices == 0)
    return CUDA_ERROR_NO_DEVICE;
  if (simulator().process == 0)
    simulator().process = getpid();
  return simulator().process == getpid() ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

SIM_API cuGetErrorName(CUresult error, const char **text) {
  const ErrorText *entry = findError(error);
  *text = entry ? entry->name : nullptr;
  return entry ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuGetErrorString(CUresult error, const char **text) {
  const ErrorText *entry = findError(error);
  *text = entry ? entry->text : nullptr;
  return entry ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuDeviceGetCount(int *count) {
  SIM_CALL(false);
  *count = simulator().devices;
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGet(CUdevice *device, int ordinal) {
  SIM_CALL(false);
  *device = ordinal;
  return ordinal >= 0 && ordinal < simulator().devices ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

SIM_API cuDeviceGetName(char *name, int length, CUdevice device) {
  SIM_CALL(false);
  snprintf(name, size_t(length), "simulated GPU %d", device);
  return CUDA_SUCCESS;
}

SIM_API cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
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

SIM_API cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  SIM_CALL(false);
  *context = reinterpret_cast<CUcontext>(reinterpret_cast<uintptr_t>(kContexts) + uintptr_t(device));
  ++simulator().contexts;
  return CUDA_SUCCESS;
}

SIM_API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  SIM_CALL(false);
  if (--simulator().contexts == 0)
    simulator().failure = CUDA_SUCCESS;
  return CUDA_SUCCESS;
}

SIM_API cuCtxSetCurrent(CUcontext context) {
  SIM_CALL(false);
  current = context;
  return CUDA_SUCCESS;
}

//===--- Memory ----------------------------------------------------------------------------------------------===//

SIM_API cuMemGetInfo_v2(size_t *free, size_t *total) {
  SIM_CALL();
  *total = simulator().memory.total();
  *free = *total - simulator().memory.used();
  return CUDA_SUCCESS;
}

SIM_API cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  SIM_CALL();
  return simulator().memory.allocate(address, bytes);
}

SIM_API cuMemFree_v2(CUdeviceptr address) {
  SIM_CALL(false);
  for (CUstream stream : simulator().streams) // freeing waits for what runs
    simulator().advance(stream);
  return simulator().memory.free(address);
}

SIM_API cuMemHostAlloc(void **address, size_t bytes, unsigned int flags) {
  SIM_CALL();
  return simulator().memory.allocateHost(address, bytes);
}

SIM_API cuMemFreeHost(void *address) {
  SIM_CALL(false);
  return simulator().memory.freeHost(address);
}

SIM_API cuMemHostRegister_v2(void *address, size_t bytes, unsigned int flags) {
  SIM_CALL();
  return simulator().memory.registerHost(address, bytes);
}

SIM_API cuMemHostUnregister(void *address) {
  SIM_CALL(false);
  return simulator().memory.unregisterHost(address);
}

SIM_API cuMemHostGetDevicePointer_v2(CUdeviceptr *device, void *host, unsigned int flags) {
  SIM_CALL();
  return simulator().memory.deviceAddressOf(host, device);
}

SIM_API cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream) {
  SIM_CALL();
  if (!simulator().memory.isDevice(to, bytes))
    return refuse("memory is set outside of what was allocated on the device");
  return enqueue(stream, [=] {
    memset(pointerTo(to), value, bytes);
    return Progress::Done;
  });
}

SIM_API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  SIM_CALL();
  return enqueueCopy(stream, pointerTo(to), from, bytes, to, from);
}

SIM_API cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  SIM_CALL();
  return enqueueCopy(stream, to, pointerTo(from), bytes, from, to);
}

SIM_API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  SIM_CALL();
  if (!simulator().memory.isDevice(to, bytes) || !simulator().memory.isDevice(from, bytes))
    return refuse("a copy reaches outside of what was allocated on the device");
  return enqueue(stream, [=] {
    memmove(pointerTo(to), pointerTo(from), bytes);
    return Progress::Done;
  });
}

//===--- Code ------------------------------------------------------------------------------------------------===//

SIM_API cuModuleLoadData(CUmodule *module, const void *image) {
  SIM_CALL();
  std::unique_ptr<SimModule> loaded;
  CUresult result = SimModule::load(image, &loaded);
  if (result == CUDA_SUCCESS) {
    *module = reinterpret_cast<CUmodule>(loaded.get());
    simulator().modules[*module] = std::move(loaded);
  }
  return result;
}

SIM_API cuModuleUnload(CUmodule module) {
  SIM_CALL(false);
  return simulator().modules.erase(module) != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

SIM_API cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  SIM_CALL();
  auto found = simulator().modules.find(module);
  if (found == simulator().modules.end())
    return CUDA_ERROR_INVALID_HANDLE;
  SimFunction *loaded = nullptr;
  CUresult result = found->second->find(name, &loaded);
  *function = reinterpret_cast<CUfunction>(loaded);
  return result;
}

SIM_API cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  SIM_CALL();
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 ||
      value > LAMINA_CUDA_MAX_SHARED)
    return CUDA_ERROR_INVALID_VALUE;
  reinterpret_cast<SimFunction *>(function)->sharedLimit = uint32_t(value);
  return CUDA_SUCCESS;
}

SIM_API cuLaunchKernel(CUfunction handle, unsigned int gridX, unsigned int gridY, unsigned int gridZ,
                       unsigned int blockX, unsigned int blockY, unsigned int blockZ,
                       unsigned int sharedBytes, CUstream stream, void **parameters, void **extra) {
  SIM_CALL();
  const SimFunction *function = reinterpret_cast<SimFunction *>(handle);
  if (gridX == 0 || gridX > INT32_MAX || gridY != 1 || gridZ != 1 || blockX == 0 ||
      blockX > LAMINA_CUDA_MAX_BLOCK || blockY != 1 || blockZ != 1 || sharedBytes > function->sharedLimit)
    return refuse("a launch outside of the device's limits");
  const void *buffer = nullptr;
  size_t bytes = 0;
  for (void **next = extra; next != nullptr && *next != nullptr; next += 2) {
    if (uintptr_t(next[0]) == CU_LAUNCH_PARAM_BUFFER_POINTER)
      buffer = next[1];
    else
      bytes = *static_cast<size_t *>(next[1]);
  }
  if (parameters != nullptr || buffer == nullptr || bytes % sizeof(void *) != 0 ||
      (function->parameters >= 0 && bytes / sizeof(void *) != size_t(function->parameters)))
    return refuse("a launch with other parameters than the kernel has");
  SimLaunch launch{function, int32_t(gridX), int32_t(blockX), sharedBytes,
                   std::vector<void *>(bytes / sizeof(void *))};
  memcpy(launch.parameters.data(), buffer, bytes);
  return enqueue(stream, [launch = std::move(launch)] {
    simulator().failure = launch.run();
    return Progress::Done;
  });
}

//===--- Streams ---------------------------------------------------------------------------------------------===//

SIM_API cuStreamCreate(CUstream *stream, unsigned int flags) {
  SIM_CALL();
  *stream = new CUstream_st;
  simulator().streams.insert(*stream);
  return CUDA_SUCCESS;
}

SIM_API cuStreamDestroy_v2(CUstream stream) {
  SIM_CALL(false);
  if (simulator().streams.erase(stream) == 0)
    return CUDA_ERROR_INVALID_HANDLE;
  simulator().advance(stream);
  delete stream;
  return CUDA_SUCCESS;
}

SIM_API cuStreamQuery(CUstream stream) {
  SIM_CALL();
  if (!simulator().streams.count(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  bool empty = simulator().advance(stream);
  if (simulator().failure != CUDA_SUCCESS)
    return simulator().failure;
  return empty ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

SIM_API cuStreamSynchronize(CUstream stream) {
  CUresult result;
  while ((result = cuStreamQuery(stream)) == CUDA_ERROR_NOT_READY)
    sched_yield();
  return result;
}

namespace {

/// A word that others write or read meanwhile.
std::atomic_ref<uint32_t> wordAt(CUdeviceptr address) {
  return std::atomic_ref<uint32_t>(*static_cast<uint32_t *>(pointerTo(address)));
}

} // namespace

SIM_API cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address, uint32_t value, unsigned int flags) {
  SIM_CALL();
  if (!simulator().memory.isMapped(address) || flags != CU_STREAM_WRITE_VALUE_DEFAULT)
    return refuse("a word to write that is not registered host memory");
  return enqueue(stream, [=] {
    wordAt(address).store(value);
    return Progress::Done;
  });
}

SIM_API cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr address, uint32_t value, unsigned int flags) {
  SIM_CALL();
  if (!simulator().memory.isMapped(address) || flags != CU_STREAM_WAIT_VALUE_GEQ)
    return refuse("a word to wait for that is not registered host memory");
  return enqueue(stream, [=] {
    return int32_t(wordAt(address).load() - value) >= 0 ? Progress::Done : Progress::Waiting;
  });
}

//===--- Graphs and events -----------------------------------------------------------------------------------===//

SIM_API cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  SIM_CALL();
  if (stream->capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  stream->capture = std::make_unique<CUgraph_st>();
  return CUDA_SUCCESS;
}

SIM_API cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  SIM_CALL();
  *graph = stream->capture.release();
  return *graph != nullptr ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_STATE;
}

SIM_API cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long flags) {
  SIM_CALL();
  *executable = new CUgraphExec_st{*graph};
  return CUDA_SUCCESS;
}

SIM_API cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  SIM_CALL();
  if (stream->capture)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  for (const Work &work : executable->work)
    stream->work.push_back(work);
  return CUDA_SUCCESS;
}

SIM_API cuGraphExecDestroy(CUgraphExec executable) {
  SIM_CALL(false);
  delete executable;
  return CUDA_SUCCESS;
}

SIM_API cuGraphDestroy(CUgraph graph) {
  SIM_CALL(false);
  delete graph;
  return CUDA_SUCCESS;
}

SIM_API cuEventCreate(CUevent *event, unsigned int flags) {
  SIM_CALL();
  *event = new CUevent_st;
  return CUDA_SUCCESS;
}

SIM_API cuEventDestroy_v2(CUevent event) {
  SIM_CALL(false);
  delete event;
  return CUDA_SUCCESS;
}

SIM_API cuEventRecord(CUevent event, CUstream stream) {
  SIM_CALL();
  event->passed = false;
  return enqueue(stream, [=] {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    event->milliseconds = double(now.tv_sec) * 1e3 + double(now.tv_nsec) / 1e6;
    event->passed = true;
    return Progress::Done;
  });
}

SIM_API cuEventElapsedTime(float *milliseconds, CUevent begin, CUevent end) {
  SIM_CALL();
  if (!begin->passed || !end->passed)
    return CUDA_ERROR_NOT_READY;
  *milliseconds = float(end->milliseconds - begin->milliseconds);
  return CUDA_SUCCESS;
}

// The runtime calls through pointers of these very types.
#define LAMINA_CUDA_FUNCTION(name, symbol, ...)                                                              \
  static_assert(std::is_same_v<decltype(&symbol), CUresult (*)(__VA_ARGS__)>);
#include "runtime/device/cuda/DriverFunctions.def"
#undef LAMINA_CUDA_FUNCTION
