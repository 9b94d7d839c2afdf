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

/// By turns not at all, with its first block and with its last one.
std::unique_ptr<GridRun> Simulator::begin(const SimLaunch &launch) {
  uint32_t turn = early_++ % 3;
  if (turn == 0)
    return nullptr;
  auto run = std::make_unique<GridRun>(launch.grid());
  failure = beginEarly(*run, launch, turn == 1 ? 0 : launch.blocks - 1);
  return run;
}

/// The launches that the work begins with. None begins before the second in front of it is done: its threads
/// can let the next one begin when they have waited themselves.
void Simulator::runLaunches(std::deque<Work> &work) {
  std::unique_ptr<GridRun> begun; // of the first
  while (!work.empty() && work.front().launch && failure == CUDA_SUCCESS) {
    const SimLaunch &launch = *work.front().launch;
    std::unique_ptr<GridRun> next;
    if (work.size() > 1 && work[1].launch && work[1].launch->early)
      next = begin(*work[1].launch);
    if (!begun)
      begun = std::make_unique<GridRun>(launch.grid());
    if (failure == CUDA_SUCCESS)
      failure = finish(*begun, launch);
    begun = std::move(next);
    work.pop_front();
  }
}

bool Simulator::advance(CUstream stream) {
  if (stream->work.empty())
    return true;
  SimMemory::Access access(memory);
  while (!stream->work.empty() && failure == CUDA_SUCCESS) {
    if (stream->work.front().launch) {
      runLaunches(stream->work);
      continue;
    }
    if (stream->work.front().attempt() == Progress::Waiting)
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
  stream->followsLaunch = work.launch != nullptr;
  (stream->capture ? stream->capture->work : stream->work).push_back(std::move(work));
  return CUDA_SUCCESS;
}

} // namespace lamina::cudasim
