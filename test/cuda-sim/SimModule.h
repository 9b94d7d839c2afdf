//===- SimModule.h - loads the simulated form of a worker's code and launches it ------------*- C++ -*-===//

#ifndef LAMINA_TEST_CUDASIM_SIMMODULE_H
#define LAMINA_TEST_CUDASIM_SIMMODULE_H

#include "FiberBlock.h"

#include "runtime/device/CudaKernelABI.h"
#include "runtime/device/cuda/DriverTypes.h"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace lamina::cudasim {

struct SimFunction {
  std::string name;
  LaminaSimulatedKernel kernel;
  int32_t parameters; ///< -1: the object does not say
  bool waits;         ///< for the launches before
  uint32_t sharedLimit = 48 << 10;
};

class SimModule {
public:
  /// `image` as cuModuleLoadData takes it: its form and size follow from its first bytes.
  static cuda::CUresult load(const void *image, std::unique_ptr<SimModule> *module);
  ~SimModule();

  cuda::CUresult find(const char *name, SimFunction **function);
  /// The address of a variable; null: there is none.
  void *findGlobal(const std::string &name) const;

private:
  SimModule(void *handle, int file) : handle_(handle), file_(file) {}
  void *handle_;
  int file_; ///< open, so that no other module is loaded by its number: names tell the loader what it has already
  std::deque<SimFunction> functions_;
};

struct SimLaunch {
  const SimFunction *function;
  int32_t blocks;
  int32_t threads;
  uint32_t sharedBytes;
  std::vector<void *> parameters;
  bool early; ///< may begin before the launch in front of it is done

  Grid grid() const {
    return {function->name.c_str(), function->kernel, parameters.data(), blocks, threads, sharedBytes,
            function->waits};
  }
};

/// A kernel that touches memory which is not there is an error, as on a GPU.
cuda::CUresult beginEarly(GridRun &run, const SimLaunch &launch, int32_t block);
cuda::CUresult finish(GridRun &run, const SimLaunch &launch);

} // namespace lamina::cudasim

#endif // LAMINA_TEST_CUDASIM_SIMMODULE_H
