//===- WeightUpload.h - a file's bytes into the memory of a GPU -----------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_DEVICE_CUDA_WEIGHTUPLOAD_H
#define LAMINA_RUNTIME_DEVICE_CUDA_WEIGHTUPLOAD_H

#include "runtime/device/cuda/Driver.h"

#include <cstdint>
#include <string>

namespace lamina::cuda {

/// Copies the first `bytes` bytes of the file to `to`, done when it returns. Several threads, each with
/// pinned memory and a stream of its own, read while others copy.
absl::Status uploadFile(const Driver &driver, CUcontext context, const std::string &path, uint64_t bytes,
                        CUdeviceptr to);

} // namespace lamina::cuda

#endif // LAMINA_RUNTIME_DEVICE_CUDA_WEIGHTUPLOAD_H
