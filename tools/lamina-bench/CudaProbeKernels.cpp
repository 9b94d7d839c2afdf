//===- CudaProbeKernels.cpp - PTX that shows what a GPU can do ----------------------------------------===//
//
// What kernels find they would write, so nothing is left out. Factors are neither zero nor large: a GPU that
// has nothing to switch runs faster than it can.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "tools/lamina-bench/CudaProbeKernels.h"

#include "runtime/base/StrCat.h"

namespace lamina::bench {
namespace {

constexpr char kKernels[] = R"(
.version 7.0
.target sm_80
.address_size 64

.visible .entry empty(.param .u64 unused)
{
  ret;
}

.visible .entry read(.param .u64 data, .param .u64 rounds, .param .u64 sink)
{
  .reg .pred %more, %hit;
  .reg .b32 %thread, %block, %threads, %blocks, %sum, %x<4>;
  .reg .b64 %first, %stride, %left, %sink, %a0, %a1, %a2, %a3;
  mov.u32 %thread, %tid.x;
  mov.u32 %block, %ctaid.x;
  mov.u32 %threads, %ntid.x;
  mov.u32 %blocks, %nctaid.x;
  cvt.u64.u32 %first, %thread;
  mad.wide.u32 %first, %block, %threads, %first;
  shl.b64 %first, %first, 4;
  mul.wide.u32 %stride, %threads, %blocks;
  shl.b64 %stride, %stride, 4;
  ld.param.u64 %a0, [data];
  ld.param.u64 %left, [rounds];
  ld.param.u64 %sink, [sink];
  add.u64 %a0, %a0, %first;
  mov.u32 %sum, 0;
again:
  .reg .b32 %v<16>;
  add.u64 %a1, %a0, %stride;
  add.u64 %a2, %a1, %stride;
  add.u64 %a3, %a2, %stride;
  ld.global.nc.v4.u32 {%v0, %v1, %v2, %v3}, [%a0];
  ld.global.nc.v4.u32 {%v4, %v5, %v6, %v7}, [%a1];
  ld.global.nc.v4.u32 {%v8, %v9, %v10, %v11}, [%a2];
  ld.global.nc.v4.u32 {%v12, %v13, %v14, %v15}, [%a3];
  add.u64 %a0, %a3, %stride;
  lop3.b32 %x0, %v0, %v1, %v2, 0x96;
  lop3.b32 %x1, %v3, %v4, %v5, 0x96;
  lop3.b32 %x2, %v6, %v7, %v8, 0x96;
  lop3.b32 %x3, %v9, %v10, %v11, 0x96;
  lop3.b32 %x0, %x0, %v12, %v13, 0x96;
  lop3.b32 %x1, %x1, %v14, %v15, 0x96;
  lop3.b32 %x0, %x0, %x1, %x2, 0x96;
  lop3.b32 %sum, %sum, %x0, %x3, 0x96;
  sub.u64 %left, %left, 1;
  setp.ne.u64 %more, %left, 0;
  @%more bra again;
  setp.eq.u32 %hit, %sum, 0x5eed;
  @%hit st.global.u32 [%sink], %sum;
  ret;
}
)";

constexpr char kWaiting[] = R"(
.version 7.8
.target sm_90
.address_size 64

.visible .entry waiting(.param .u64 unused)
{
  griddepcontrol.wait;
  griddepcontrol.launch_dependents;
  ret;
}
)";

constexpr int kUnroll = 8; // products on their way at once

/// "{%c8, %c9, %c10, %c11}".
std::string registers(const char *name, int first, int count) {
  std::string text = "{";
  for (int i = 0; i < count; ++i)
    text += strCat(i ? ", " : "", name, first + i);
  return text + "}";
}

/// A kernel around `prologue` and the `products` of a round, which add to %c0 to %c<sums - 1>. %word is any
/// finite pair of bf16, another one in each thread.
std::string productKernel(const char *version, int sums, const std::string &prologue,
                          const std::string &products) {
  std::string text = strCat(version, R"(
.address_size 64

.visible .entry multiply(.param .u64 rounds, .param .u64 sink)
{
  .reg .pred %more, %hit;
  .reg .b32 %word, %high;
  .reg .f32 %sum, %c<)",
                            sums, R"(>;
  .reg .b64 %left, %sink;
  ld.param.u64 %left, [rounds];
  ld.param.u64 %sink, [sink];
  mov.u32 %word, %tid.x;
  mul.lo.u32 %word, %word, 0x9e3779b9;
  shr.u32 %high, %word, 15;
  xor.b32 %word, %word, %high;
  mul.lo.u32 %word, %word, 0x85ebca6b;
  and.b32 %word, %word, 0xbfffbfff;
  mov.f32 %sum, 0f00000000;
)");
  for (int i = 0; i < sums; ++i)
    text += strCat("  mov.f32 %c", i, ", 0f00000000;\n");
  text += prologue + "again:\n" + products + R"(  sub.u64 %left, %left, 1;
  setp.ne.u64 %more, %left, 0;
  @%more bra again;
)";
  for (int i = 0; i < sums; ++i)
    text += strCat("  add.f32 %sum, %sum, %c", i, ";\n");
  return text + R"(  setp.eq.f32 %hit, %sum, 0f7f7fffff;
  @%hit st.global.f32 [%sink], %sum;
  ret;
}
)";
}

/// A warp multiplies tiles of 16 by 16 and 16 by 8 in its registers.
ProductKernel warpProducts() {
  std::string products;
  for (int i = 0; i < kUnroll; ++i) {
    std::string sums = registers("%c", 4 * i, 4);
    products += strCat("  mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 ", sums,
                       ", {%word, %word, %word, %word}, {%word, %word}, ", sums, ";\n");
  }
  return {productKernel(".version 7.0\n.target sm_80", 4 * kUnroll, "", products),
          80,
          false,
          512,
          2,
          2.0 * 16 * 8 * 16 * kUnroll * (512 / 32)};
}

/// Four warps multiply tiles of 64 by 16 and 16 by 256 in shared memory, without a swizzle: what lies there
/// is of no consequence.
ProductKernel warpGroupProducts() {
  constexpr int kSums = 128, kTileBytes = 16 * 1024;
  std::string prologue = strCat(R"(  .shared .align 128 .b8 tiles[)", kTileBytes, R"(];
  .reg .b32 %place, %end;
  .reg .b64 %tile;
  .reg .pred %add;
  mov.u32 %place, %tid.x;
  shl.b32 %place, %place, 2;
  mov.u32 %end, tiles;
  add.u32 %place, %place, %end;
  add.u32 %end, %end, )",
                                kTileBytes, R"(;
fill:
  st.shared.u32 [%place], %word;
  mov.u32 %high, %ntid.x;
  shl.b32 %high, %high, 2;
  add.u32 %place, %place, %high;
  setp.lt.u32 %more, %place, %end;
  @%more bra fill;
  fence.proxy.async;
  bar.sync 0;
  mov.u32 %place, tiles;
  shr.u32 %place, %place, 4;
  and.b32 %place, %place, 0x3fff;
  cvt.u64.u32 %tile, %place;
  or.b64 %tile, %tile, 0x0000001000080000; // neighbours along k 128 bytes apart, others 256
  setp.eq.u32 %add, 0, 0;
)");
  std::string products = "  wgmma.fence.sync.aligned;\n";
  for (int i = 0; i < kUnroll; ++i)
    products += strCat("  wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 ", registers("%c", 0, kSums),
                       ", %tile, %tile, %add, 1, 1, 0, 0;\n");
  products += "  wgmma.commit_group.sync.aligned;\n  wgmma.wait_group.sync.aligned 0;\n";
  return {productKernel(".version 8.0\n.target sm_90a", kSums, prologue, products),
          90,
          true,
          256,
          1,
          2.0 * 64 * 256 * 16 * kUnroll * (256 / 128)};
}

} // namespace

std::string cudaProbeKernels() { return kKernels; }
std::string waitingKernel() { return kWaiting; }

std::vector<ProductKernel> productKernels() { return {warpProducts(), warpGroupProducts()}; }

} // namespace lamina::bench
