//===- Simulator.cpp - the state of the simulated CUDA driver -----------------------------------------===//

#include "Simulator.h"

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace lamina::cudasim {
namespace {

size_t memoryBytes() {
  const char *text = getenv("LAMINA_CUDA_SIM_MEMORY");
  return text != nullptr ? strtoull(text, nullptr, 10) : size_t(64) << 30;
}

} // namespace

Simulator::Simulator() : memory(memoryBytes()) {}

Simulator &simulator() {
  static Simulator *simulator = new Simulator; // workers may end later than static objects
  return *simulator;
}

CUcontext &currentContext() {
  thread_local CUcontext current = nullptr;
  return current;
}

bool Simulator::advance(CUstream stream) {
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

Call::Call(bool needsContext) {
  if (simulator().process != getpid()) {
    if (simulator().process != 0)
      fprintf(stderr, "cuda-sim: the driver was initialised before a fork\n");
    status = CUDA_ERROR_NOT_INITIALIZED;
  } else if (needsContext && currentContext() == nullptr) {
    status = CUDA_ERROR_INVALID_CONTEXT;
  } else if (needsContext) {
    status = simulator().failure;
  }
}

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

} // namespace lamina::cudasim
