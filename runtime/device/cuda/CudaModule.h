//===- CudaModule.h - compiled kernels of a GPU worker --------------------------------------*- C++ -*-===//
//
// Which of a worker's code files a GPU can run, and the functions of the one that was loaded.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_CUDA_CUDAMODULE_H
#define LAMINA_RUNTIME_DEVICE_CUDA_CUDAMODULE_H

#include "runtime/device/Device.h"
#include "runtime/device/cuda/Driver.h"

#include <span>
#include <string>
#include <vector>

namespace lamina::cuda {

/// What a GPU's instruction set is called after: 9.0 is sm_90.
struct Capability {
  int major = 0;
  int minor = 0;
};

/// The files that the GPU might run, in the order in which to try them: machine code for exactly this GPU
/// ("sm_90a"), machine code of its generation ("sm_90"; the newest first), "ptx", which the driver compiles,
/// and what only the driver can tell.
std::vector<const CodeFile *> suitableFiles(std::span<const CodeFile> files, Capability capability);

class CudaModule {
public:
  /// Loads the first suitable file that the driver takes. FailedPrecondition says what the artifact has, what
  /// the GPU is and why the driver refused what it was given.
  static absl::StatusOr<CudaModule> load(const Driver &driver, std::span<const CodeFile> files,
                                         Capability capability);
  CudaModule(CudaModule &&other) noexcept;
  CudaModule &operator=(CudaModule &&) = delete;
  ~CudaModule();

  absl::StatusOr<CUfunction> find(const std::string &symbol) const;
  /// Whether the kernel itself waits for the launches before it (CudaKernelABI.h).
  absl::StatusOr<bool> waits(const std::string &symbol) const;
  const std::string &target() const { return file_.target; }

private:
  CudaModule(const Driver &driver, CUmodule module, CodeFile file)
      : driver_(&driver), module_(module), file_(std::move(file)) {}
  const Driver *driver_;
  CUmodule module_;
  CodeFile file_;
};

} // namespace lamina::cuda

#endif // LAMINA_RUNTIME_DEVICE_CUDA_CUDAMODULE_H
