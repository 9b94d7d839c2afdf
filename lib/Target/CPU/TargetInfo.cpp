//===- TargetInfo.cpp - the instruction sets ----------------------------------------------------------===//

#include "lib/Target/CPU/TargetInfo.h"

#include "lib/Target/CPU/CPUTarget.h"
#include "runtime/device/cpu/CodeLibrary.h"

#include "llvm/ADT/STLExtras.h"

#include <array>

using namespace lamina;

namespace {

constexpr llvm::StringLiteral kLinux = "x86_64-unknown-linux-gnu", kLinuxArm = "aarch64-unknown-linux-gnu";

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
     .attentionChains = 2},
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
     .attentionChains = 4},
    {.name = "x86-64-v3-avxvnni",
     .triple = kLinux,
     .cpu = "x86-64-v3",
     .features = "+avxvnni",
     .linkerEmulation = "elf_x86_64",
     .fma = true,
     .halfFloats = true,
     .lookup = {"llvm.x86.avx2.pshuf.b", 32},
     .byteDot = {.dot = "llvm.x86.avx512.vpdpbusd.256", .bytes = 32},
     .groupsAtOnce = 2,
     .groupsOfFour = 1,
     .tileTokens = 6,
     .integerTileTokens = 2,
     .attentionChains = 4},
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
     .attentionChains = 16,
     .foldsBroadcasts = true},
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
     .attentionChains = 16,
     .foldsBroadcasts = true},
    {.name = "aarch64",
     .triple = kLinuxArm,
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
     .attentionChains = 4},
    {.name = "aarch64-dotprod",
     .triple = kLinuxArm,
     .cpu = "generic",
     .features = "+dotprod",
     .linkerEmulation = "aarch64linux",
     .fma = true,
     .halfFloats = true,
     .lookup = {"llvm.aarch64.neon.tbl1.v16i8", 16},
     .byteDot = {.dot = "llvm.aarch64.neon.sdot.v4i32.v16i8", .bytes = 16, .signedCodes = true},
     .groupsAtOnce = 1,
     .groupsOfFour = 1,
     .tileTokens = 4,
     .integerTileTokens = 2,
     .attentionChains = 4},
    {.name = "aarch64-i8mm",
     .triple = kLinuxArm,
     .cpu = "generic",
     .features = "+dotprod,+i8mm",
     .linkerEmulation = "aarch64linux",
     .fma = true,
     .halfFloats = true,
     .lookup = {"llvm.aarch64.neon.tbl1.v16i8", 16},
     .byteDot = {.dot = "llvm.aarch64.neon.usdot.v4i32.v16i8", .bytes = 16},
     .groupsAtOnce = 1,
     .groupsOfFour = 1,
     .tileTokens = 4,
     .integerTileTokens = 2,
     .attentionChains = 4},
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
  for (const std::string &target : detectTargets()) // best first
    if (const TargetInfo *info = findTargetInfo(target))
      return info->name;
  return "";
}
