//===- CodeLibrary.h - compiled kernels of a CPU worker -------------------------------------*- C++ -*-===//
//
// Which of a worker's code objects this machine can run, and the symbols of the one that was loaded.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_CPU_CODELIBRARY_H
#define LAMINA_RUNTIME_DEVICE_CPU_CODELIBRARY_H

#include "runtime/base/Status.h"
#include "runtime/device/Device.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

/// An instruction set that the compiler makes code for, by the name in lib/Target/CPU/TargetInfo.
struct CodeTarget {
  std::string_view name;
  bool (*runsHere)();
};

/// All of this architecture, best first: a new one is a line in CodeLibrary.cpp.
std::span<const CodeTarget> codeTargets();

/// Those that this machine runs, best first: ["x86-64-v4", "x86-64-v3", "x86-64-v2"]. Gets this process the
/// operating system's permission where a target needs one.
std::vector<std::string> detectTargets();

/// The file whose target comes first in `targets`. FailedPrecondition names both sides if none fits.
absl::StatusOr<const CodeFile *> selectCodeFile(std::span<const CodeFile> files,
                                                std::span<const std::string> targets);

/// A shared object; closed with the last pointer into it, which is the owner's duty.
class CodeLibrary {
public:
  static absl::StatusOr<CodeLibrary> open(const CodeFile &file);
  CodeLibrary(CodeLibrary &&other) noexcept;
  CodeLibrary &operator=(CodeLibrary &&other) noexcept;
  ~CodeLibrary();

  absl::StatusOr<LaminaKernel> findKernel(const std::string &symbol) const;
  const std::string &target() const { return file_.target; }

private:
  CodeLibrary(void *handle, CodeFile file) : handle_(handle), file_(std::move(file)) {}
  void *handle_;
  CodeFile file_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_DEVICE_CPU_CODELIBRARY_H
