//===- Driver.h - the CUDA driver, opened when it is needed ---------------------------------*- C++ -*-===//
//
// The only way to the driver: one table of its functions, filled when a worker with a GPU starts. lamina-run
// is not linked to it and runs where there is none. Open it only in the process that uses it: what the driver
// holds does not survive a fork.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_CUDA_DRIVER_H
#define LAMINA_RUNTIME_DEVICE_CUDA_DRIVER_H

#include "runtime/base/Status.h"
#include "runtime/device/cuda/DriverTypes.h"

#include "absl/strings/str_cat.h"

#include <span>
#include <string>

namespace lamina::cuda {

struct LaunchSize {
  unsigned blocks, threads, sharedBytes;
};

class Driver {
public:
  /// Opens the shared library and initialises it, once for a process and library; it stays open to the end.
  /// FailedPrecondition with the reason and a remedy if there is no driver or no device.
  static absl::StatusOr<const Driver *> open(const std::string &library);

  /// The library that machines have; the environment variable LAMINA_CUDA_DRIVER names another.
  static std::string defaultLibrary();

  /// Ok for CUDA_SUCCESS. Otherwise what could not be done, and the error's name and text in the driver's
  /// words.
  template <typename... What> absl::Status check(CUresult result, const What &...what) const {
    return result == CUDA_SUCCESS ? absl::OkStatus() : error(result, absl::StrCat(what...));
  }

  int deviceCount() const { return deviceCount_; }

  /// Whether on a GPU of this major capability a kernel can begin before the one launched in front of it is done,
  /// recorded launches included.
  bool overlapsLaunches(int major) const;

  /// Of a kernel with 64-bit parameters. With `early`, for which overlapsLaunches, it may begin before the launch in
  /// front of it is done.
  CUresult launch(CUfunction kernel, const LaunchSize &size, std::span<CUdeviceptr> parameters,
                  CUstream stream, bool early) const;

#define LAMINA_CUDA_FUNCTION(name, symbol, ...) CUresult (*name)(__VA_ARGS__) = nullptr;
#include "runtime/device/cuda/DriverFunctions.def"
#undef LAMINA_CUDA_FUNCTION

private:
  absl::Status load(const std::string &library);
  absl::Status error(CUresult result, const std::string &what) const;
  std::string describe(CUresult result) const;
  int deviceCount_ = 0;
  bool recordsOverlaps_ = false;
};

} // namespace lamina::cuda

/// Returns from the enclosing function, as LAMINA_RETURN_IF_ERROR does, if the driver's function fails.
#define LAMINA_CUDA_CHECK(driver, call, ...)                                                                 \
  LAMINA_RETURN_IF_ERROR((driver).check((driver).call, __VA_ARGS__))

#endif // LAMINA_RUNTIME_DEVICE_CUDA_DRIVER_H
