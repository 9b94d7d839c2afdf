//===- TargetInfo.cpp - the instruction sets ----------------------------------------------------------===//

#include "lib/Target/Kernels/TargetInfo.h"

#include "lib/Target/CPU/CPUTarget.h"
#include "runtime/device/cpu/CodeLibrary.h"

#include "llvm/ADT/STLExtras.h"

#include <array>

using namespace lamina;

namespace {

constexpr llvm::StringLiteral kLinux = "x86_64-unknown-linux-gnu", kLinuxArm = "aarch64-unknown-linux-gnu";

/// With AMX for products of many tokens. Not amx-bf16: its sums have an order of their own.
constexpr TargetInfo withByteTiles(TargetInfo base, llvm::StringRef name, llvm::StringRef features) {
  base.name = name;
  base.features = features;
  base.byteTiles = true;
  return base;
}

/// The instructions of `base` and more, among them better ones for products of bytes.
constexpr TargetInfo extend(TargetInfo base, llvm::StringRef name, llvm::StringRef features, ByteDot byteDot,
                            int integerTileTokens) {
  base.name = name;
  base.features = features;
  base.byteDot = byteDot;
  base.integerTileTokens = integerTileTokens;
  return base;
}

constexpr TargetInfo kX86V2 = {
    .name = "x86-64-v2",
    .triple = kLinux,
    .cpu = "x86-64-v2",
    .linkerEmulation = "elf_x86_64",
    .fma = false,
    .halfFloats = false,
    .lookup = {"llvm.x86.ssse3.pshuf.b.128", 16},
    .byteDot = {.pairs = "llvm.x86.ssse3.pmadd.ub.sw.128", .pairSums = "llvm.x86.sse2.pmadd.wd", .bytes = 16},
    .groupsAtOnce = 1,
    .groupsOfFour = 1,
    .tileTokens = 2,
    .integerTileTokens = 2,
    .attentionChains = 2};

constexpr TargetInfo kX86V3 = {
    .name = "x86-64-v3",
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
    .attentionChains = 4};

constexpr TargetInfo kX86V4 = {.name = "x86-64-v4",
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
                               .foldsBroadcasts = true};

constexpr TargetInfo kAArch64 = {
    .name = "aarch64",
    .triple = kLinuxArm,
    .cpu = "generic",
    .linkerEmulation = "aarch64linux",
    .fma = true,
    .halfFloats = true,
    .lookup = {"llvm.aarch64.neon.tbl1.v16i8", 16},
    .byteDot = {.pairSums = "llvm.aarch64.neon.saddlp.v4i32.v8i16", .bytes = 16, .signedCodes = true},
    .groupsAtOnce = 1,
    .groupsOfFour = 1,
    .tileTokens = 4,
    .integerTileTokens = 2,
    .attentionChains = 4};

constexpr TargetInfo kX86V4Vnni =
    extend(kX86V4, "x86-64-v4-vnni", "+avx512vnni", {.dot = "llvm.x86.avx512.vpdpbusd.512", .bytes = 64}, 8);

constexpr TargetInfo kTargets[] = {
    kX86V2,
    kX86V3,
    extend(kX86V3, "x86-64-v3-avxvnni", "+avxvnni", {.dot = "llvm.x86.avx512.vpdpbusd.256", .bytes = 32}, 2),
    kX86V4,
    kX86V4Vnni,
    withByteTiles(kX86V4Vnni, "x86-64-v4-amx", "+avx512vnni,+amx-tile,+amx-int8"),
    kAArch64,
    extend(kAArch64, "aarch64-dotprod", "+dotprod",
           {.dot = "llvm.aarch64.neon.sdot.v4i32.v16i8", .bytes = 16, .signedCodes = true}, 2),
    extend(kAArch64, "aarch64-i8mm", "+dotprod,+i8mm",
           {.dot = "llvm.aarch64.neon.usdot.v4i32.v16i8", .bytes = 16}, 2),
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
