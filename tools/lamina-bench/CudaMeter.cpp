//===- CudaMeter.cpp - times work on a GPU ------------------------------------------------------------===//

#include "tools/lamina-bench/CudaMeter.h"

#include <algorithm>
#include <limits>

namespace lamina::bench {

using namespace cuda;

namespace {

constexpr int kTimes = 5;

} // namespace

absl::StatusOr<CudaMeter> CudaMeter::create() {
  CudaMeter meter;
  LAMINA_ASSIGN_OR_RETURN(meter.driver_, Driver::open(Driver::defaultLibrary()));
  const Driver &driver = *meter.driver_;
  CUcontext context = nullptr;
  LAMINA_CUDA_CHECK(driver, cuDeviceGet(&meter.device_, 0), "cannot use GPU 0");
  LAMINA_CUDA_CHECK(driver, cuDevicePrimaryCtxRetain(&context, meter.device_), "cannot use GPU 0");
  LAMINA_CUDA_CHECK(driver, cuCtxSetCurrent(context), "cannot use GPU 0");
  LAMINA_CUDA_CHECK(driver, cuStreamCreate(&meter.stream_, CU_STREAM_NON_BLOCKING), "cannot create a stream");
  for (CUevent *event : {&meter.begin_, &meter.end_})
    LAMINA_CUDA_CHECK(driver, cuEventCreate(event, CU_EVENT_DEFAULT), "cannot create an event");
  return meter;
}

absl::StatusOr<double> CudaMeter::seconds(const std::function<CUresult()> &work) const {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i <= kTimes; ++i) { // once to warm up
    LAMINA_CUDA_CHECK(*driver_, cuEventRecord(begin_, stream_), "cannot record an event");
    LAMINA_RETURN_IF_ERROR(driver_->check(work(), "cannot hand work to the GPU"));
    LAMINA_CUDA_CHECK(*driver_, cuEventRecord(end_, stream_), "cannot record an event");
    LAMINA_CUDA_CHECK(*driver_, cuStreamSynchronize(stream_), "work on the GPU failed");
    float milliseconds = 0;
    LAMINA_CUDA_CHECK(*driver_, cuEventElapsedTime(&milliseconds, begin_, end_), "cannot read an event");
    if (i > 0)
      best = std::min(best, static_cast<double>(milliseconds) / 1e3);
  }
  return best;
}

absl::StatusOr<CUdeviceptr> CudaMeter::allocate(size_t bytes) const {
  CUdeviceptr address = 0;
  LAMINA_CUDA_CHECK(*driver_, cuMemAlloc(&address, bytes), "cannot allocate ", bytes, " bytes of GPU memory");
  LAMINA_CUDA_CHECK(*driver_, cuMemsetD8Async(address, 0, bytes, stream_), "cannot clear GPU memory");
  return address;
}

absl::StatusOr<int> CudaMeter::attribute(CUdevice_attribute attribute) const {
  int value = 0;
  LAMINA_CUDA_CHECK(*driver_, cuDeviceGetAttribute(&value, attribute, device_), "cannot ask what the GPU is");
  return value;
}

CUresult CudaMeter::launch(CUfunction kernel, unsigned blocks, unsigned threads,
                           std::vector<CUdeviceptr> parameters, bool early) const {
  return driver_->launch(kernel, {blocks, threads, 0}, parameters, stream_, early);
}

} // namespace lamina::bench
