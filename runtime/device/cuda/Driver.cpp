//===- Driver.cpp - the CUDA driver, opened when it is needed -----------------------------------------===//

#include "runtime/device/cuda/Driver.h"

#include <cstdlib>
#include <dlfcn.h>
#include <map>
#include <memory>
#include <mutex>

namespace lamina::cuda {
namespace {

/// CUDA 12.3: its graphs know dependencies of one kernel on another that are less than all of it.
constexpr int kFirstVersionThatOverlaps = 12030;
/// The major capability of the first GPUs on which a kernel can wait for those before it.
constexpr int kFirstGenerationThatWaits = 9;

absl::Status noDevice(const std::string &reason) {
  return absl::FailedPreconditionError(absl::StrCat(
      "no CUDA device was found (", reason,
      "); install NVIDIA's driver on a machine with a GPU, or compile the model for cpu devices"));
}

} // namespace

std::string Driver::defaultLibrary() {
  const char *library = getenv("LAMINA_CUDA_DRIVER");
  return library != nullptr && *library != '\0' ? library : "libcuda.so.1";
}

absl::StatusOr<const Driver *> Driver::open(const std::string &library) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<Driver>> opened; // by library
  std::lock_guard lock(mutex);
  std::unique_ptr<Driver> &driver = opened[library];
  if (!driver) {
    auto fresh = std::make_unique<Driver>();
    LAMINA_RETURN_IF_ERROR(fresh->load(library));
    driver = std::move(fresh);
  }
  return driver.get();
}

absl::Status Driver::load(const std::string &library) {
  void *handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    return noDevice(dlerror());
#define LAMINA_CUDA_OPTIONAL_FUNCTION(name, symbol, ...)                                                     \
  name = reinterpret_cast<CUresult (*)(__VA_ARGS__)>(dlsym(handle, #symbol));
#define LAMINA_CUDA_FUNCTION(name, symbol, ...)                                                              \
  LAMINA_CUDA_OPTIONAL_FUNCTION(name, symbol, __VA_ARGS__)                                                   \
  if (name == nullptr)                                                                                       \
    return noDevice(absl::StrCat(library, " is too old: it has no ", #symbol));
#include "runtime/device/cuda/DriverFunctions.def"
#undef LAMINA_CUDA_FUNCTION
  if (CUresult result = cuInit(0); result != CUDA_SUCCESS)
    return noDevice(describe(result));
  int version = 0;
  if (CUresult result = cuDriverGetVersion(&version); result != CUDA_SUCCESS)
    return noDevice(describe(result));
  recordsOverlaps_ = cuLaunchKernelEx != nullptr && version >= kFirstVersionThatOverlaps;
  if (CUresult result = cuDeviceGetCount(&deviceCount_); result != CUDA_SUCCESS)
    return noDevice(describe(result));
  return deviceCount_ > 0 ? absl::OkStatus() : noDevice("the driver offers none");
}

bool Driver::overlapsLaunches(int major) const {
  return recordsOverlaps_ && major >= kFirstGenerationThatWaits;
}

CUresult Driver::launch(CUfunction kernel, const LaunchSize &size, std::span<CUdeviceptr> parameters,
                        CUstream stream, bool early) const {
  size_t bytes = parameters.size_bytes();
  void *extra[] = {reinterpret_cast<void *>(CU_LAUNCH_PARAM_BUFFER_POINTER), parameters.data(),
                   reinterpret_cast<void *>(CU_LAUNCH_PARAM_BUFFER_SIZE), &bytes,
                   reinterpret_cast<void *>(CU_LAUNCH_PARAM_END)};
  if (!early)
    return cuLaunchKernel(kernel, size.blocks, 1, 1, size.threads, 1, 1, size.sharedBytes, stream, nullptr,
                          extra);
  CUlaunchAttribute overlap{.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, .value = {}};
  overlap.value.programmaticStreamSerializationAllowed = 1;
  CUlaunchConfig config{.gridDimX = size.blocks,
                        .gridDimY = 1,
                        .gridDimZ = 1,
                        .blockDimX = size.threads,
                        .blockDimY = 1,
                        .blockDimZ = 1,
                        .sharedMemBytes = size.sharedBytes,
                        .hStream = stream,
                        .attrs = &overlap,
                        .numAttrs = 1};
  return cuLaunchKernelEx(&config, kernel, nullptr, extra);
}

std::string Driver::describe(CUresult result) const {
  const char *name = nullptr, *text = nullptr;
  if (cuGetErrorName(result, &name) != CUDA_SUCCESS || name == nullptr)
    return absl::StrCat("CUDA error ", int(result));
  if (cuGetErrorString(result, &text) != CUDA_SUCCESS || text == nullptr)
    return name;
  return absl::StrCat(name, ": ", text);
}

absl::Status Driver::error(CUresult result, const std::string &what) const {
  absl::StatusCode code =
      result == CUDA_ERROR_OUT_OF_MEMORY ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal;
  return absl::Status(code, absl::StrCat(what, ": ", describe(result)));
}

} // namespace lamina::cuda
