//===- CodeLibrary.cpp - compiled kernels of a CPU worker ---------------------------------------------===//

#include "runtime/device/cpu/CodeLibrary.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <dlfcn.h>
#include <utility>

#if defined(__x86_64__)
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace lamina {
namespace {

#if defined(__x86_64__)
// The builtin, which asks for the operating system's support too, takes literals only.
#define LAMINA_CPU_HAS(feature) (__builtin_cpu_supports(feature) != 0)
bool hasVnni() { return LAMINA_CPU_HAS("x86-64-v4") && LAMINA_CPU_HAS("avx512vnni"); }

/// Linux keeps tile registers only for who asked, once for all threads of the process, now or later.
bool mayUseTiles() {
  constexpr unsigned long kTileData = 18; // component of the extended state
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, kTileData) == 0;
}

constexpr CodeTarget kTargets[] = {
    {"x86-64-v4-amx",
     [] { return hasVnni() && LAMINA_CPU_HAS("amx-tile") && LAMINA_CPU_HAS("amx-int8") && mayUseTiles(); }},
    {"x86-64-v4-vnni", hasVnni},
    {"x86-64-v4", [] { return LAMINA_CPU_HAS("x86-64-v4"); }},
    {"x86-64-v3-avxvnni", [] { return LAMINA_CPU_HAS("x86-64-v3") && LAMINA_CPU_HAS("avxvnni"); }},
    {"x86-64-v3", [] { return LAMINA_CPU_HAS("x86-64-v3"); }},
    {"x86-64-v2", [] { return LAMINA_CPU_HAS("x86-64-v2"); }},
};
#undef LAMINA_CPU_HAS
#elif defined(__aarch64__)
bool hasDotProduct() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
constexpr CodeTarget kTargets[] = {
    {"aarch64-i8mm", [] { return hasDotProduct() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }},
    {"aarch64-dotprod", [] { return hasDotProduct(); }},
    {"aarch64", [] { return true; }},
};
#else
#error "no code targets for this architecture"
#endif

} // namespace

std::span<const CodeTarget> codeTargets() { return kTargets; }

std::vector<std::string> detectTargets() {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  std::vector<std::string> targets;
  for (const CodeTarget &target : kTargets)
    if (target.runsHere())
      targets.emplace_back(target.name);
  return targets;
}

absl::StatusOr<const CodeFile *> selectCodeFile(std::span<const CodeFile> files,
                                                std::span<const std::string> targets) {
  for (const std::string &target : targets)
    for (const CodeFile &file : files)
      if (file.target == target)
        return &file;
  std::string have =
      absl::StrJoin(files, ", ", [](std::string *out, const CodeFile &file) { out->append(file.target); });
  return absl::FailedPreconditionError(absl::StrCat("no code object runs on this machine: the artifact has ",
                                                    have.empty() ? "none" : have, ", this machine runs ",
                                                    targets.empty() ? "none" : absl::StrJoin(targets, ", "),
                                                    "; compile the model for one of these targets"));
}

absl::StatusOr<CodeLibrary> CodeLibrary::open(const CodeFile &file) {
  // A path without a slash would be searched for in the system's library directories.
  std::string path = file.path.find('/') == std::string::npos ? "./" + file.path : file.path;
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr)
    return absl::FailedPreconditionError(
        absl::StrCat("cannot load code object ", file.path, ": ", dlerror(), "; compile the artifact again"));
  return CodeLibrary(handle, file);
}

CodeLibrary::CodeLibrary(CodeLibrary &&other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), file_(std::move(other.file_)) {}

CodeLibrary &CodeLibrary::operator=(CodeLibrary &&other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(file_, other.file_);
  return *this;
}

CodeLibrary::~CodeLibrary() {
  if (handle_ != nullptr)
    dlclose(handle_);
}

absl::StatusOr<LaminaKernel> CodeLibrary::findKernel(const std::string &symbol) const {
  void *address = dlsym(handle_, symbol.c_str());
  if (address == nullptr)
    return absl::FailedPreconditionError(
        absl::StrCat("code object ", file_.path, " has no kernel ", symbol, "; compile the artifact again"));
  return reinterpret_cast<LaminaKernel>(address);
}

} // namespace lamina
