//===- Simulator.h - the state of the simulated CUDA driver ---------------------------------*- C++ -*-===//
//
// Work waits in its stream until the host asks for it (synchronize, query) and runs then, in order, in the
// thread that asks: whoever relies on something that was never waited for finds that it did not happen. A
// launch that may begin early does so by turns: a block of it runs as far as it gets before the launch in
// front.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_CUDASIM_SIMULATOR_H
#define LAMINA_TEST_CUDASIM_SIMULATOR_H

#include "SimMemory.h"
#include "SimModule.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sys/types.h>

namespace lamina::cudasim {

/// What is no launch says whether it is done or has to be tried again later.
enum class Progress { Done, Waiting };
struct Work {
  std::function<Progress()> attempt;
  std::shared_ptr<const SimLaunch> launch; ///< instead
};

} // namespace lamina::cudasim

namespace lamina::cuda {

struct CUgraph_st {
  std::deque<cudasim::Work> work;
};

/// A graph and its executable are the same here.
struct CUgraphExec_st : CUgraph_st {};

struct CUevent_st {
  bool passed = false;
  double milliseconds = 0;
};

struct CUstream_st {
  std::deque<cudasim::Work> work;
  std::unique_ptr<CUgraph_st> capture; ///< what is recorded instead of run
  bool followsLaunch = false;          ///< what was handed over last is a launch
};

} // namespace lamina::cuda

namespace lamina::cudasim {

struct Simulator {
  std::recursive_mutex mutex;
  pid_t process = 0; ///< that called cuInit
  int devices = 0;
  int contexts = 0; ///< retained and not yet released
  SimMemory memory;
  std::set<cuda::CUstream> streams;
  std::map<cuda::CUmodule, std::unique_ptr<SimModule>> modules;
  cuda::CUresult failure =
      cuda::CUDA_SUCCESS; ///< of a kernel: for all but freeing, as long as there is a context

  Simulator();

  /// Does what can be done; whether the stream is empty then.
  bool advance(cuda::CUstream stream);

private:
  std::unique_ptr<GridRun> begin(const SimLaunch &launch);
  void runLaunches(std::deque<Work> &work);
  uint32_t early_ = 0; // launches that might have begun early
};

Simulator &simulator();

/// Of the calling thread.
cuda::CUcontext &currentContext();

/// What every function begins with: takes the lock and tells why the call cannot be served.
struct Call {
  std::lock_guard<std::recursive_mutex> lock{simulator().mutex};
  cuda::CUresult status = cuda::CUDA_SUCCESS;

  explicit Call(bool needsContext = true);
};

/// CUDA_ERROR_INVALID_VALUE, with a line on standard error.
cuda::CUresult refuse(const char *what);

/// Appends to the stream, or to what it captures.
cuda::CUresult enqueue(cuda::CUstream stream, Work work);
inline cuda::CUresult enqueue(cuda::CUstream stream, std::function<Progress()> attempt) {
  return enqueue(stream, Work{std::move(attempt), nullptr});
}

inline void *pointerTo(cuda::CUdeviceptr address) { return reinterpret_cast<void *>(uintptr_t(address)); }

} // namespace lamina::cudasim

using namespace lamina::cuda; // in whose words the driver's functions are written

// What the runtime calls: definitions that differ do not compile.
#define LAMINA_CUDA_FUNCTION(name, symbol, ...)                                                              \
  extern "C" __attribute__((visibility("default"))) CUresult symbol(__VA_ARGS__);
#include "runtime/device/cuda/DriverFunctions.def"
#undef LAMINA_CUDA_FUNCTION

#define SIM_CALL(...)                                                                                        \
  lamina::cudasim::Call call{__VA_ARGS__};                                                                   \
  if (call.status != CUDA_SUCCESS)                                                                           \
    return call.status;

#endif // LAMINA_TEST_CUDASIM_SIMULATOR_H
