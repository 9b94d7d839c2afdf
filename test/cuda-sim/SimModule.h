//===- SimModule.h - loads the simulated form of a worker's code and launches it ------------*- C++ -*-===//

#ifndef LAMINA_TEST_CUDASIM_SIMMODULE_H
#define LAMINA_TEST_CUDASIM_SIMMODULE_H

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
  uint32_t sharedLimit = 48 << 10;
};

class SimModule {
public:
  /// `image` as cuModuleLoadData takes it: its form and size follow from its first bytes.
  static cuda::CUresult load(const void *image, std::unique_ptr<SimModule> *module);
  ~SimModule();

  cuda::CUresult find(const char *name, SimFunction **function);

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

  /// A kernel that touches memory which is not there is an error, as on a GPU.
  cuda::CUresult run() const;
};

} // namespace lamina::cudasim

#endif // LAMINA_TEST_CUDASIM_SIMMODULE_H
