//===- TargetInfo.cpp - the instruction sets ----------------------------------------------------------===//

#include "lib/Target/CPU/TargetInfo.h"

#include "lib/Target/CPU/CPUTarget.h"

using namespace lamina;

namespace {

constexpr llvm::StringLiteral kLinux = "x86_64-unknown-linux-gnu";

constexpr TargetInfo kTargets[] = {
    {.name = "x86-64-v2",
     .triple = kLinux,
     .cpu = "x86-64-v2",
     .linkerEmulation = "elf_x86_64",
     .fma = false,
     .halfFloats = false,
     .lookup = {"llvm.x86.ssse3.pshuf.b.128", 16},
     .groupsAtOnce = 1,
     .groupsOfFour = 1,
     .tileTokens = 2,
     .headsAtOnce = 2},
    {.name = "x86-64-v3",
     .triple = kLinux,
     .cpu = "x86-64-v3",
     .linkerEmulation = "elf_x86_64",
     .fma = true,
     .halfFloats = true,
     .lookup = {"llvm.x86.avx2.pshuf.b", 32},
     .groupsAtOnce = 2,
     .groupsOfFour = 1,
     .tileTokens = 6,
     .headsAtOnce = 4},
    {.name = "x86-64-v4",
     .triple = kLinux,
     .cpu = "x86-64-v4",
     .linkerEmulation = "elf_x86_64",
     .fma = true,
     .halfFloats = true,
     .lookup = {"llvm.x86.avx512.pshuf.b.512", 64},
     .groupsAtOnce = 4,
     .groupsOfFour = 2,
     .tileTokens = 12,
     .headsAtOnce = 8},
    {.name = "aarch64",
     .triple = "aarch64-unknown-linux-gnu",
     .cpu = "generic",
     .linkerEmulation = "aarch64linux",
     .fma = true,
     .halfFloats = true,
     .lookup = {"llvm.aarch64.neon.tbl1.v16i8", 16},
     .groupsAtOnce = 1,
     .groupsOfFour = 1,
     .tileTokens = 4,
     .headsAtOnce = 4},
};

} // namespace

const TargetInfo *lamina::findTargetInfo(llvm::StringRef name) {
  for (const TargetInfo &target : kTargets)
    if (target.name == name)
      return &target;
  return nullptr;
}

llvm::ArrayRef<llvm::StringRef> lamina::cpuTargets() {
  static const llvm::StringRef names[] = {kTargets[0].name, kTargets[1].name, kTargets[2].name,
                                          kTargets[3].name};
  return names;
}

llvm::StringRef lamina::hostCpuTarget() {
#if defined(__aarch64__)
  return "aarch64";
#elif defined(__x86_64__)
  if (__builtin_cpu_supports("x86-64-v4"))
    return "x86-64-v4";
  if (__builtin_cpu_supports("x86-64-v3"))
    return "x86-64-v3";
  if (__builtin_cpu_supports("x86-64-v2"))
    return "x86-64-v2";
#endif
  return "";
}
