//===- CudaMeter.h - times work on a GPU ----------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_CUDAMETER_H
#define LAMINA_TOOLS_LAMINA_BENCH_CUDAMETER_H

#include "runtime/device/cuda/Driver.h"

#include <functional>
#include <vector>

namespace lamina::bench {

/// Belongs to the process that made it and ends with it: nothing is given back to the driver.
class CudaMeter {
public:
  static absl::StatusOr<CudaMeter> create();

  const cuda::Driver &driver() const { return *driver_; }
  cuda::CUdevice device() const { return device_; }
  cuda::CUstream stream() const { return stream_; }

  /// Seconds that `work`, enqueued once by the function, takes: the least of a few times.
  absl::StatusOr<double> seconds(const std::function<cuda::CUresult()> &work) const;

  absl::StatusOr<cuda::CUdeviceptr> allocate(size_t bytes) const;
  absl::StatusOr<int> attribute(cuda::CUdevice_attribute attribute) const;

  /// Driver::launch.
  cuda::CUresult launch(cuda::CUfunction kernel, unsigned blocks, unsigned threads,
                        std::vector<cuda::CUdeviceptr> parameters, bool early = false) const;

private:
  const cuda::Driver *driver_ = nullptr;
  cuda::CUdevice device_ = 0;
  cuda::CUstream stream_ = nullptr;
  cuda::CUevent begin_ = nullptr, end_ = nullptr;
};

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_CUDAMETER_H
