//===- SimQueue.cpp - the simulated driver's code, streams, graphs and events -------------------------===//

#include "Simulator.h"

#include <atomic>
#include <cstring>
#include <ctime>
#include <sched.h>
#include <span>

using namespace lamina::cudasim;

//===--- Code ---------------------------------------------------------------------------------------===//

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  SIM_CALL();
  std::unique_ptr<SimModule> loaded;
  CUresult result = SimModule::load(image, &loaded);
  if (result == CUDA_SUCCESS) {
    *module = reinterpret_cast<CUmodule>(loaded.get());
    simulator().modules[*module] = std::move(loaded);
  }
  return result;
}

CUresult cuModuleUnload(CUmodule module) {
  SIM_CALL(false);
  return simulator().modules.erase(module) != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  SIM_CALL();
  auto found = simulator().modules.find(module);
  if (found == simulator().modules.end())
    return CUDA_ERROR_INVALID_HANDLE;
  SimFunction *loaded = nullptr;
  CUresult result = found->second->find(name, &loaded);
  *function = reinterpret_cast<CUfunction>(loaded);
  return result;
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  SIM_CALL();
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 ||
      value > LAMINA_CUDA_MAX_SHARED)
    return CUDA_ERROR_INVALID_VALUE;
  reinterpret_cast<SimFunction *>(function)->sharedLimit = uint32_t(value);
  return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module, const char *name) {
  SIM_CALL();
  auto found = simulator().modules.find(module);
  if (found == simulator().modules.end())
    return CUDA_ERROR_INVALID_HANDLE;
  void *global = found->second->findGlobal(name);
  if (global == nullptr)
    return CUDA_ERROR_NOT_FOUND;
  *address = CUdeviceptr(reinterpret_cast<uintptr_t>(global));
  *bytes = sizeof(int32_t); // all that modules have
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned int gridX, unsigned int gridY, unsigned int gridZ,
                        unsigned int blockX, unsigned int blockY, unsigned int blockZ,
                        unsigned int sharedBytes, CUstream stream, void **parameters, void **extra) {
  CUlaunchConfig config{gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, stream, nullptr, 0};
  return cuLaunchKernelEx(&config, function, parameters, extra);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction handle, void **parameters, void **extra) {
  SIM_CALL();
  const SimFunction *function = reinterpret_cast<SimFunction *>(handle);
  if (config->gridDimX == 0 || config->gridDimX > INT32_MAX || config->gridDimY != 1 ||
      config->gridDimZ != 1 || config->blockDimX == 0 || config->blockDimX > LAMINA_CUDA_MAX_BLOCK ||
      config->blockDimY != 1 || config->blockDimZ != 1 || config->sharedMemBytes > function->sharedLimit)
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
  bool early = false;
  for (const CUlaunchAttribute &attribute : std::span(config->attrs, config->numAttrs)) {
    if (attribute.id != CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION)
      return refuse("a launch with an attribute that is not known");
    early = attribute.value.programmaticStreamSerializationAllowed != 0;
  }
  if (early && !function->waits)
    return refuse("an early launch of a kernel that does not wait for those before");
  if (early && !config->hStream->followsLaunch)
    return refuse("an early launch behind what is no launch");
  auto launch = std::make_shared<SimLaunch>(SimLaunch{function, int32_t(config->gridDimX),
                                                      int32_t(config->blockDimX), config->sharedMemBytes,
                                                      std::vector<void *>(bytes / sizeof(void *)), early});
  memcpy(launch->parameters.data(), buffer, bytes);
  return enqueue(config->hStream, Work{nullptr, std::move(launch)});
}

//===--- Streams ------------------------------------------------------------------------------------===//

CUresult cuStreamCreate(CUstream *stream, unsigned int flags) {
  SIM_CALL();
  *stream = new CUstream_st;
  simulator().streams.insert(*stream);
  return CUDA_SUCCESS;
}

CUresult cuStreamDestroy_v2(CUstream stream) {
  SIM_CALL(false);
  if (simulator().streams.erase(stream) == 0)
    return CUDA_ERROR_INVALID_HANDLE;
  simulator().advance(stream);
  delete stream;
  return CUDA_SUCCESS;
}

CUresult cuStreamQuery(CUstream stream) {
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

CUresult cuStreamSynchronize(CUstream stream) {
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

CUresult cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address, uint32_t value, unsigned int flags) {
  SIM_CALL();
  if (!simulator().memory.isMapped(address) || flags != CU_STREAM_WRITE_VALUE_DEFAULT)
    return refuse("a word to write that is not registered host memory");
  return enqueue(stream, [=] {
    wordAt(address).store(value);
    return Progress::Done;
  });
}

CUresult cuStreamWaitValue32_v2(CUstream stream, CUdeviceptr address, uint32_t value, unsigned int flags) {
  SIM_CALL();
  if (!simulator().memory.isMapped(address) || flags != CU_STREAM_WAIT_VALUE_GEQ)
    return refuse("a word to wait for that is not registered host memory");
  return enqueue(stream, [=] {
    return int32_t(wordAt(address).load() - value) >= 0 ? Progress::Done : Progress::Waiting;
  });
}

//===--- Graphs and events --------------------------------------------------------------------------===//

CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  SIM_CALL();
  if (stream->capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  stream->capture = std::make_unique<CUgraph_st>();
  stream->followsLaunch = false;
  return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  SIM_CALL();
  *graph = stream->capture.release();
  stream->followsLaunch = false;
  return *graph != nullptr ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_STATE;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long flags) {
  SIM_CALL();
  *executable = new CUgraphExec_st{*graph};
  return CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  SIM_CALL();
  if (stream->capture)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  for (const Work &work : executable->work)
    stream->work.push_back(work);
  stream->followsLaunch = false;
  return CUDA_SUCCESS;
}

CUresult cuGraphExecDestroy(CUgraphExec executable) {
  SIM_CALL(false);
  delete executable;
  return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph graph) {
  SIM_CALL(false);
  delete graph;
  return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *event, unsigned int flags) {
  SIM_CALL();
  *event = new CUevent_st;
  return CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent event) {
  SIM_CALL(false);
  delete event;
  return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
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

CUresult cuEventElapsedTime(float *milliseconds, CUevent begin, CUevent end) {
  SIM_CALL();
  if (!begin->passed || !end->passed)
    return CUDA_ERROR_NOT_READY;
  *milliseconds = float(end->milliseconds - begin->milliseconds);
  return CUDA_SUCCESS;
}
