//===- DeviceKind.cpp - the kinds of devices that a plan may ask for ----------------------------------===//

#include "runtime/device/DeviceKind.h"

#include "runtime/device/cpu/CpuDevice.h"
#include "runtime/device/cuda/CudaDevice.h"

#include "absl/strings/str_cat.h"

namespace lamina {
namespace {

absl::StatusOr<std::unique_ptr<cuda::CudaDevice>> createCuda(int index) {
  return cuda::CudaDevice::create(cuda::Driver::defaultLibrary(), index);
}

} // namespace

absl::Status checkDeviceKind(const std::string &kind) {
  if (kind == "cpu" || kind == "cuda")
    return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("this runtime has no device of kind \"", kind,
                                               "\"; compile for a cluster of cpu or cuda devices"));
}

absl::StatusOr<std::unique_ptr<Device>> createDevice(const std::string &kind, const DeviceShare &share) {
  LAMINA_RETURN_IF_ERROR(checkDeviceKind(kind));
  if (kind == "cuda")
    return createCuda(share.index);
  return std::make_unique<CpuDevice>(share.threads);
}

absl::StatusOr<std::string> usableTarget(const std::string &kind, std::span<const CodeFile> files) {
  LAMINA_RETURN_IF_ERROR(checkDeviceKind(kind));
  if (kind == "cuda") {
    LAMINA_ASSIGN_OR_RETURN(auto device, createCuda(0));
    LAMINA_RETURN_IF_ERROR(device->loadCode(files));
    return device->target();
  }
  LAMINA_ASSIGN_OR_RETURN(const CodeFile *file, selectCodeFile(files, detectTargets()));
  return file->target;
}

} // namespace lamina
