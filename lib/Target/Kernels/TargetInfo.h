//===- TargetInfo.h - what kernels need to know of an instruction set -----------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_TARGETINFO_H
#define LAMINA_LIB_TARGET_KERNELS_TARGETINFO_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace lamina {

/// How 16 bytes are looked up in a table of 16; by shifts where no instruction does.
struct ByteLookup {
  llvm::StringRef intrinsic = {};
  int bytes = 0; ///< looked up by one instruction
};

/// How products of unsigned and signed bytes are summed. An instruction set has `dot`, or `pairs` and
/// `pairSums`, or `pairSums` alone, without a factor: then products are made in 16 bits.
struct ByteDot {
  llvm::StringRef dot = {};      ///< adds four neighbouring products to each 32-bit lane
  llvm::StringRef pairs = {};    ///< two neighbouring products summed in 16 bits, saturating
  llvm::StringRef pairSums = {}; ///< two neighbouring 16-bit numbers times a factor, summed in 32 bits
  int bytes = 0;                 ///< multiplied by one instruction
  bool signedCodes = false;      ///< the first bytes are signed ones too
};

/// An instruction set. Tile sizes choose how many chains of additions run side by side; they never change a
/// result.
struct TargetInfo {
  llvm::StringRef name;   ///< as in the artifact
  llvm::StringRef triple; ///< of LLVM
  llvm::StringRef cpu;
  llvm::StringRef features = {}; ///< beyond the CPU's, as LLVM writes them
  llvm::StringRef linkerEmulation;
  bool fma;        ///< fused multiply-add; without it products are rounded before they are added
  bool halfFloats; ///< instructions that convert f16
  ByteLookup lookup;
  ByteDot byteDot;
  int groupsAtOnce; ///< groups of 16 rows in a product with one token: enough chains to hide an addition's
                    ///< latency
  int groupsOfFour; ///< the same for up to four tokens
  int tileTokens;   ///< tokens in a tile of a product with many: accumulators fill the registers
  int integerTileTokens;        ///< the same for products of integers
  int attentionChains;          ///< vectors of 16 lanes that attention adds to at once
  bool byteTiles = false;       ///< has a unit for products of tiles of signed bytes: AMX
  bool foldsBroadcasts = false; ///< multiply-adds broadcast a number from memory at no cost
  bool alignsVectors = false;   ///< vectors that its generators load and store lie at multiples of their size
};

/// Null if there is no such target.
const TargetInfo *findTargetInfo(llvm::StringRef name);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_TARGETINFO_H
