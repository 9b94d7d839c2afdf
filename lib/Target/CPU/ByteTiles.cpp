//===- ByteTiles.cpp - products of tiles of bytes -----------------------------------------------------===//
//
// The tile registers keep one role in all kernels, so that one configuration serves products under scales of
// 16 and of 32 elements, also side by side. Tiles come from memory and go there: weights that have to be
// decoded pass through the stack, and so do the sums on their way to the scales.
//
//===------------------------------------------------------------------------------------------------------------===//

#include "lib/Target/CPU/ByteTiles.h"

#include <array>

using namespace mlir;
using namespace lamina;

namespace {

/// Tile registers by what they hold.
enum TileRegister : int64_t { kSums, kActivations32, kWeights32, kActivations16, kWeights16 };

constexpr int64_t kWordBytes = 4;

/// What ldtilecfg loads: the palette, then the bytes of a row of each register, then its rows.
std::array<int8_t, 64> configuration() {
  std::array<int8_t, 64> bytes = {};
  bytes[0] = 1; // palette
  auto shape = [&](TileRegister tile, int64_t rows, int64_t rowBytes) {
    bytes[16 + 2 * tile] = int8_t(rowBytes);
    bytes[48 + tile] = int8_t(rows);
  };
  shape(kSums, ByteTiles::kTokens, kWordBytes * kPackedRows);
  shape(kActivations32, ByteTiles::kTokens, 32);
  shape(kWeights32, 32 / kWordBytes, kWordBytes * kPackedRows);
  shape(kActivations16, ByteTiles::kTokens, 16);
  shape(kWeights16, 16 / kWordBytes, kWordBytes * kPackedRows);
  return bytes;
}

} // namespace

/// Opaque, so that the addresses need no stack pointer and are told from spills.
ByteTiles::ByteTiles(KernelBuilder &builder)
    : b_(builder), weights_(builder.opaque(builder.scratch(32 * kPackedRows))),
      sums_(builder.opaque(builder.scratch(kTokens * kPackedRows * kWordBytes))) {}

void ByteTiles::setUp(KernelBuilder &builder) {
  builder.callIntrinsic("llvm.x86.ldtilecfg", builder.constantBytes(configuration()));
}

void ByteTiles::free(KernelBuilder &builder) { builder.callIntrinsic("llvm.x86.tilerelease", {}); }

Value ByteTiles::multiply(Value activations, int64_t pitch, Value weights, int64_t elements) {
  auto tile = [&](TileRegister number) { return b_.constant(b_.getI8Type(), int64_t(number)); };
  Value a = tile(elements == 32 ? kActivations32 : kActivations16);
  Value w = tile(elements == 32 ? kWeights32 : kWeights16), sums = tile(kSums);
  Value rowBytes = b_.i64(kWordBytes * kPackedRows);
  b_.callIntrinsic("llvm.x86.tilezero", sums);
  b_.callIntrinsic("llvm.x86.tileloadd64", {a, activations, b_.i64(pitch)});
  b_.callIntrinsic("llvm.x86.tileloadd64", {w, weights, rowBytes});
  b_.callIntrinsic("llvm.x86.tdpbssd", {sums, a, w});
  b_.callIntrinsic("llvm.x86.tilestored64", {sums, sums_, rowBytes});
  return sums_;
}
