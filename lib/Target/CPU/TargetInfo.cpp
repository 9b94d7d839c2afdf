//===- TargetInfo.cpp - the instruction sets ----------------------------------------------------------===//

#include "lib/Target/CPU/TargetInfo.h"

#include "lib/Target/CPU/CPUTarget.h"

#include "llvm/ADT/STLExtras.h"

#include <array>

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
     .byteDot = {.pairs = "llvm.x86.ssse3.pmadd.ub.sw.128",
                 .pairSums = "llvm.x86.sse2.pmadd.wd",
                 .bytes = 16},
     .groupsAtOnce = 1,
     .groupsOfFour = 1,
     .tileTokens = 2,
     .integerTileTokens = 2,
     .headsAtOnce = 2},
    {.name = "x86-64-v3",
     .triple = kLinux,
     .cpu = "x86-64-v3",
     .linkerEmulation = "elf_x86_64",
     .fma = true,
     .halfFloats = true,
     .lookup = {"llvm.x86.avx2.pshuf.b", 32},
     .byteDot = {.pairs = "llvm.x86.avx2.pmadd.ub.sw", .pairSums = "llvm.x86.avx2.pmadd.wd", .bytes = 32},
     .groupsAtOnce = 2,
     .groupsOfFour = 1,
     .tileTokens = 6,
     .integerTileTokens = 2,
     .headsAtOnce = 4},
    {.name = "x86-64-v4",
     .triple = kLinux,
     .cpu = "x86-64-v4",
     .linkerEmulation = "elf_x86_64",
     .fma = true,
     .halfFloats = true,
     .lookup = {"llvm.x86.avx512.pshuf.b.512", 64},
     .byteDot = {.pairs = "llvm.x86.avx512.pmaddubs.w.512",
                 .pairSums = "llvm.x86.avx512.pmaddw.d.512",
                 .bytes = 64},
     .groupsAtOnce = 4,
     .groupsOfFour = 2,
     .tileTokens = 8,
     .integerTileTokens = 8,
     .headsAtOnce = 8},
    {.name = "x86-64-v4-vnni",
     .triple = kLinux,
     .cpu = "x86-64-v4",
     .features = "+avx512vnni",
     .linkerEmulation = "elf_x86_64",
     .fma = true,
     .halfFloats = true,
     .lookup = {"llvm.x86.avx512.pshuf.b.512", 64},
     .byteDot = {.dot = "llvm.x86.avx512.vpdpbusd.512", .bytes = 64},
     .groupsAtOnce = 4,
     .groupsOfFour = 2,
     .tileTokens = 8,
     .integerTileTokens = 8,
     .headsAtOnce = 8},
    {.name = "aarch64",
     .triple = "aarch64-unknown-linux-gnu",
     .cpu = "generic",
     .linkerEmulation = "aarch64linux",
     .fma = true,
     .halfFloats = true,
     .lookup = {"llvm.aarch64.neon.tbl1.v16i8", 16},
     .byteDot = {},
     .groupsAtOnce = 1,
     .groupsOfFour = 1,
     .tileTokens = 4,
     .integerTileTokens = 4,
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
  static const auto names = [] {
    std::array<llvm::StringRef, std::size(kTargets)> result;
    llvm::transform(kTargets, result.begin(), [](const TargetInfo &target) { return target.name; });
    return result;
  }();
  return names;
}

llvm::StringRef lamina::hostCpuTarget() {
#if defined(__aarch64__)
  return "aarch64";
#elif defined(__x86_64__)
  if (__builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512vnni"))
    return "x86-64-v4-vnni";
  if (__builtin_cpu_supports("x86-64-v4"))
    return "x86-64-v4";
  if (__builtin_cpu_supports("x86-64-v3"))
    return "x86-64-v3";
  if (__builtin_cpu_supports("x86-64-v2"))
    return "x86-64-v2";
#endif
  return "";
}
