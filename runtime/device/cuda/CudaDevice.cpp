//===- CudaDevice.cpp - a worker's GPU ----------------------------------------------------------------===//

#include "runtime/device/cuda/CudaDevice.h"

#include "runtime/device/cuda/WeightUpload.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cstdint>

namespace lamina::cuda {
namespace {

/// What a GPU takes in one dimension.
constexpr int64_t kMaxBlocks = INT32_MAX;
/// A kernel's parameters have 4 KiB.
constexpr size_t kMaxParameters = 4096 / sizeof(uint64_t);

CUdeviceptr addressOf(const void *device) { return CUdeviceptr(reinterpret_cast<uintptr_t>(device)); }
std::byte *pointerTo(CUdeviceptr address) { return reinterpret_cast<std::byte *>(uintptr_t(address)); }

} // namespace

absl::StatusOr<std::unique_ptr<CudaDevice>> CudaDevice::create(const std::string &driverLibrary, int index) {
  LAMINA_ASSIGN_OR_RETURN(const Driver *driver, Driver::open(driverLibrary));
  std::unique_ptr<CudaDevice> device(new CudaDevice(*driver));
  LAMINA_RETURN_IF_ERROR(device->open(index % driver->deviceCount()));
  return device;
}

absl::Status CudaDevice::open(int ordinal) {
  LAMINA_CUDA_CHECK(driver_, cuDeviceGet(&device_, ordinal), "cannot use GPU ", ordinal);
  char name[96] = "";
  LAMINA_CUDA_CHECK(driver_, cuDeviceGetName(name, sizeof(name), device_), "cannot use GPU ", ordinal);
  name_ = name;
  LAMINA_CUDA_CHECK(
      driver_,
      cuDeviceGetAttribute(&capability_.major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device_),
      "cannot tell what GPU ", ordinal, " is");
  LAMINA_CUDA_CHECK(
      driver_,
      cuDeviceGetAttribute(&capability_.minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device_),
      "cannot tell what GPU ", ordinal, " is");
  LAMINA_CUDA_CHECK(driver_, cuDevicePrimaryCtxRetain(&context_, device_), "cannot use GPU ", ordinal);
  LAMINA_CUDA_CHECK(driver_, cuCtxSetCurrent(context_), "cannot use GPU ", ordinal);
  LAMINA_CUDA_CHECK(driver_, cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING), "cannot create a stream");
  void *pinned = nullptr;
  LAMINA_CUDA_CHECK(driver_, cuMemHostAlloc(&pinned, sizeof(LaminaStep), CU_MEMHOSTALLOC_PORTABLE),
                    "cannot allocate pinned memory for the step");
  hostStep_ = static_cast<LaminaStep *>(pinned);
  LAMINA_ASSIGN_OR_RETURN(deviceStep_, allocateMemory(sizeof(LaminaStep), "the step"));
  return absl::OkStatus();
}

CudaDevice::~CudaDevice() {
  if (context_ == nullptr)
    return;
  // Whatever fails here has failed before, or harms nobody.
  if (stream_ != nullptr)
    driver_.cuStreamSynchronize(stream_);
  for (const Recorded &recorded : recorded_)
    driver_.cuGraphExecDestroy(recorded.graph);
  for (CUevent mark : marks_)
    driver_.cuEventDestroy(mark);
  for (CUdeviceptr memory : reached_)
    driver_.cuIpcCloseMemHandle(memory);
  registrations_.clear();
  module_.reset();
  for (CUdeviceptr allocation : allocations_)
    driver_.cuMemFree(allocation);
  if (hostStep_ != nullptr)
    driver_.cuMemFreeHost(hostStep_);
  if (stream_ != nullptr)
    driver_.cuStreamDestroy(stream_);
  driver_.cuDevicePrimaryCtxRelease(device_);
}

std::string CudaDevice::description() const { return absl::StrCat("cuda ", target(), ", ", name_); }

absl::StatusOr<CUdeviceptr> CudaDevice::allocateMemory(uint64_t bytes, const std::string &what) {
  CUdeviceptr address = 0;
  CUresult result = driver_.cuMemAlloc(&address, std::max<uint64_t>(bytes, 1));
  if (result == CUDA_SUCCESS) {
    allocations_.push_back(address);
    return address;
  }
  size_t free = 0, total = 0;
  driver_.cuMemGetInfo(&free, &total);
  return driver_.check(result, "cannot allocate ", bytes, " bytes of GPU memory for ", what, ", ", free,
                       " of ", total, " are free");
}

absl::StatusOr<std::byte *> CudaDevice::allocate(uint64_t bytes, const std::string &what) {
  LAMINA_ASSIGN_OR_RETURN(CUdeviceptr address, allocateMemory(bytes, what));
  if (bytes != 0)
    LAMINA_CUDA_CHECK(driver_, cuMemsetD8Async(address, 0, bytes, stream()), "cannot clear ", what);
  LAMINA_CUDA_CHECK(driver_, cuStreamSynchronize(stream_), "cannot clear ", what);
  return pointerTo(address);
}

absl::StatusOr<std::byte *> CudaDevice::loadWeights(const std::string &path, uint64_t bytes) {
  LAMINA_ASSIGN_OR_RETURN(CUdeviceptr address, allocateMemory(bytes, "weights"));
  LAMINA_RETURN_IF_ERROR(uploadFile(driver_, context_, path, bytes, address));
  return pointerTo(address);
}

absl::StatusOr<std::byte *> CudaDevice::mapHost(std::byte *memory, uint64_t bytes) {
  LAMINA_ASSIGN_OR_RETURN(HostRegistration registration, HostRegistration::create(driver_, memory, bytes));
  registrations_.push_back(std::move(registration));
  return pointerTo(registrations_.back().address());
}

absl::Status CudaDevice::loadCode(std::span<const CodeFile> files) {
  LAMINA_ASSIGN_OR_RETURN(CudaModule module, CudaModule::load(driver_, files, capability_));
  module_.emplace(std::move(module));
  return absl::OkStatus();
}

absl::StatusOr<KernelHandle> CudaDevice::findKernel(const KernelForm &form) {
  if (!module_)
    return absl::FailedPreconditionError(
        absl::StrCat("kernel ", form.symbol, " is wanted before any code is loaded"));
  LAMINA_ASSIGN_OR_RETURN(CUfunction function, module_->find(form.symbol));
  if (form.sharedBytes != 0)
    LAMINA_CUDA_CHECK(
        driver_,
        cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, int(form.sharedBytes)),
        "kernel ", form.symbol, " cannot have ", form.sharedBytes, " bytes of shared memory");
  LAMINA_ASSIGN_OR_RETURN(bool waits, module_->waits(form.symbol));
  kernels_.push_back({form.symbol, function, form.blockThreads, form.sharedBytes, waits});
  return KernelHandle(reinterpret_cast<uintptr_t>(&kernels_.back()));
}

absl::Status CudaDevice::beginStep(const LaminaStep &step) {
  LAMINA_RETURN_IF_ERROR(synchronize()); // the copy of the step before may still read hostStep_
  *hostStep_ = step;
  return driver_.check(driver_.cuMemcpyHtoDAsync(deviceStep_, hostStep_, sizeof(LaminaStep), stream()),
                       "cannot copy the step to the GPU");
}

/// A kernel may overlap the launch in front of it alone: what else may lie between two kernels is waited for
/// as a whole, whatever the driver would make of it.
bool CudaDevice::beginsEarly(const Kernel &kernel) const {
  return kernel.waits && followsLaunch_ && driver_.overlapsLaunches(capability_.major);
}

absl::Status CudaDevice::launch(KernelHandle handle, std::span<void *const> bindings, int64_t workgroups) {
  const Kernel &kernel = *reinterpret_cast<const Kernel *>(uintptr_t(handle));
  if (workgroups == 0)
    return absl::OkStatus();
  if (workgroups > kMaxBlocks || bindings.size() >= kMaxParameters)
    return absl::InvalidArgumentError(absl::StrCat("kernel ", kernel.symbol, " cannot run ", workgroups,
                                                   " workgroups with ", bindings.size(),
                                                   " bindings on a GPU"));
  CUdeviceptr parameters[kMaxParameters];
  for (size_t i = 0; i < bindings.size(); ++i)
    parameters[i] = addressOf(bindings[i]);
  parameters[bindings.size()] = deviceStep_;
  LAMINA_CUDA_CHECK(driver_,
                    launch(kernel.function, {unsigned(workgroups), kernel.blockThreads, kernel.sharedBytes},
                           {parameters, bindings.size() + 1}, stream_, beginsEarly(kernel)),
                    "cannot launch kernel ", kernel.symbol);
  followsLaunch_ = true;
  (isRecording_ ? recording_ : pending_).add({1, &kernel, &kernel});
  return absl::OkStatus();
}

absl::Status CudaDevice::copyToHost(void *host, const void *device, uint64_t bytes) {
  LAMINA_CUDA_CHECK(driver_, cuMemcpyDtoHAsync(host, addressOf(device), bytes, stream()),
                    "cannot copy from the GPU");
  return synchronize();
}

absl::Status CudaDevice::copyFromHost(void *device, const void *host, uint64_t bytes) {
  LAMINA_CUDA_CHECK(driver_, cuMemcpyHtoDAsync(addressOf(device), host, bytes, stream()),
                    "cannot copy to the GPU");
  return synchronize();
}

std::string CudaDevice::Pending::describe() const {
  if (launches == 0)
    return "the GPU failed";
  if (launches == 1)
    return absl::StrCat("the GPU failed during kernel ", last->symbol);
  return absl::StrCat("the GPU failed during the ", launches, " kernels from ", first->symbol, " to ",
                      last->symbol);
}

absl::Status CudaDevice::synchronize() {
  if (CUresult result = driver_.cuStreamSynchronize(stream_); result != CUDA_SUCCESS)
    return driver_.check(result, pending_.describe());
  pending_ = {};
  return absl::OkStatus();
}

} // namespace lamina::cuda
