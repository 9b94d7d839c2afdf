//===- CudaModule.cpp - compiled kernels of a GPU worker ----------------------------------------------===//

#include "runtime/device/cuda/CudaModule.h"

#include "runtime/base/MappedFile.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace lamina::cuda {
namespace {

/// Where a target comes in the order of suitableFiles, the lowest first; negative: never.
int rankOf(std::string_view target, Capability capability) {
  constexpr int kPtx = 1000, kUnknown = 1001;
  if (target == "ptx")
    return kPtx;
  if (!target.starts_with("sm_"))
    return kUnknown;
  target.remove_prefix(3);
  bool exact = target.ends_with('a');
  target.remove_suffix(exact);
  int number = 0;
  const char *end = target.data() + target.size();
  if (std::from_chars(target.data(), end, number).ptr != end)
    return -1;
  int major = number / 10, minor = number % 10;
  if (major != capability.major || (exact ? minor != capability.minor : minor > capability.minor))
    return -1;
  return exact ? 0 : 1 + capability.minor - minor;
}

std::string targetsOf(std::span<const CodeFile> files) {
  return files.empty() ? "none" : absl::StrJoin(files, ", ", [](std::string *out, const CodeFile &file) {
    *out += file.target;
  });
}

} // namespace

std::vector<const CodeFile *> suitableFiles(std::span<const CodeFile> files, Capability capability) {
  std::vector<const CodeFile *> suitable;
  for (const CodeFile &file : files)
    if (rankOf(file.target, capability) >= 0)
      suitable.push_back(&file);
  std::sort(suitable.begin(), suitable.end(), [&](const CodeFile *a, const CodeFile *b) {
    return std::pair(rankOf(a->target, capability), a) < std::pair(rankOf(b->target, capability), b);
  });
  return suitable;
}

absl::StatusOr<CudaModule> CudaModule::load(const Driver &driver, std::span<const CodeFile> files,
                                            Capability capability) {
  std::string refusals;
  for (const CodeFile *file : suitableFiles(files, capability)) {
    LAMINA_ASSIGN_OR_RETURN(MappedFile image, MappedFile::open(file->path));
    // The driver knows the end of PTX by a 0.
    std::string text(reinterpret_cast<const char *>(image.data()), image.size());
    CUmodule module = nullptr;
    absl::Status status =
        driver.check(driver.cuModuleLoadData(&module, text.c_str()), "the driver refuses ", file->target);
    if (status.ok())
      return CudaModule(driver, module, *file);
    absl::StrAppend(&refusals, ", ", status.message());
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "no code object runs on this GPU: the artifact has ", targetsOf(files), ", this GPU is sm_",
      capability.major, capability.minor, refusals, "; compile the model for this GPU"));
}

CudaModule::CudaModule(CudaModule &&other) noexcept
    : driver_(other.driver_), module_(std::exchange(other.module_, nullptr)), file_(std::move(other.file_)) {}

CudaModule::~CudaModule() {
  if (module_ != nullptr)
    driver_->cuModuleUnload(module_);
}

absl::StatusOr<CUfunction> CudaModule::find(const std::string &symbol) const {
  CUfunction function = nullptr;
  CUresult result = driver_->cuModuleGetFunction(&function, module_, symbol.c_str());
  if (result == CUDA_ERROR_NOT_FOUND)
    return absl::FailedPreconditionError(
        absl::StrCat("code object ", file_.path, " has no kernel ", symbol, "; compile the artifact again"));
  LAMINA_RETURN_IF_ERROR(driver_->check(result, "cannot find kernel ", symbol, " in ", file_.path));
  return function;
}

absl::StatusOr<bool> CudaModule::waits(const std::string &symbol) const {
  CUdeviceptr address = 0;
  size_t bytes = 0;
  CUresult result = driver_->cuModuleGetGlobal(&address, &bytes, module_, (symbol + "_waits").c_str());
  if (result == CUDA_ERROR_NOT_FOUND)
    return false;
  LAMINA_RETURN_IF_ERROR(driver_->check(result, "cannot tell whether kernel ", symbol, " waits"));
  return true;
}

} // namespace lamina::cuda
