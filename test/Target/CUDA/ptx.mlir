// The PTX of each class of kernels: its entry, its block, and the instructions that it is about.

// RUN: lamina-opt %source_dir/test/data/demo.gguf --target compute=cuda --target memory=cuda --compile-to=lower > %t.ptx
// RUN: FileCheck %s < %t.ptx

// Roundings are written out, so that the assembler fuses nothing; no memory of a thread's own; nothing is called.
// RUN: not grep -E '[[:space:]](add|sub|mul|fma|div|sqrt)\.f(32|64)' %t.ptx
// RUN: not grep -E '[[:space:]]((ld|st)\.local|\.local|call|atom|red)' %t.ptx

// What the CPU does stays the CPU's.
// RUN: lamina-opt %source_dir/test/data/demo.gguf --target compute=cpu --target memory=cuda --compile-to=lower | FileCheck %s --check-prefix=MIXED
// MIXED: module @compute0
// MIXED: llvm.func @embedding
// MIXED: .visible .entry cache_append(

// One module for each worker, for the oldest architecture and driver.
// CHECK:     .version 7.0
// CHECK:     .target sm_80
// CHECK-NOT: .version

// A token's row is one of 16 in its group: scales and codes by themselves.
// CHECK-LABEL: .visible .entry embedding(
// CHECK-NEXT:    .param .u64 {{.*}}embedding_param_0,
// CHECK:       .reqntid 128
// CHECK:         ld.global.b16
// CHECK:         st.global

// A row is a block's: warps by shuffles, the block in shared memory, each 32 elements rounded by a warp.
// CHECK-LABEL: .visible .entry rms_norm_quantize(
// CHECK:         shfl.sync.bfly.b32
// CHECK:         sqrt.rn.f32
// CHECK:         div.rn.f32
// CHECK:         st.global.b8

// Words of four rows in one load, products of four bytes in one instruction, teams folded by shuffles.
// CHECK-LABEL: .visible .entry linear$t1(
// CHECK:       .reqntid 256
// CHECK:         ld.global.v4.b16
// CHECK:         ld.global.v4.b32
// CHECK-COUNT-32: dp4a.u32.s32
// CHECK-NOT:     dp4a
// CHECK:         shfl.sync.bfly.b32
// CHECK:         st.shared
// CHECK:         bar.sync
// CHECK:         ld.shared
// CHECK:         st.global
// CHECK-LABEL: .visible .entry linear$t4(
// CHECK-COUNT-128: dp4a.u32.s32
// CHECK-NOT:     dp4a
// Tiles of 8 tokens on tensor cores: activations to shared memory 16 bytes at a time, and from there 8.
// CHECK-LABEL: .visible .entry linear$t64(
// CHECK:         st.shared.v4.b32
// CHECK:         bar.sync
// CHECK:         ld.shared.v2.b32
// CHECK-COUNT-2: mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32
// CHECK-NOT:     {{mma|dp4a}}
// CHECK-LABEL: .visible .entry linear$any(
// CHECK-COUNT-4: mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32
// CHECK-NOT:     {{mma|dp4a}}

// Angles in double precision, as on the CPU.
// CHECK-LABEL: .visible .entry rope_table(
// CHECK:         mul.rn.f64
// CHECK:         cvt.rn.f32.f64

// CHECK-LABEL: .visible .entry linear_linear_gated_activation_quantize$t1(
// CHECK:         dp4a.u32.s32
// CHECK:         div.rn.f32
// CHECK:         st.global.b8

// CHECK-LABEL: .visible .entry gather_rows$out(

// Keys of number and place: the largest by shuffles, then of all warps, as often as the step asks for.
// CHECK-LABEL: .visible .entry top_k$out(
// CHECK:         shfl.sync.bfly.b32
// CHECK:         bar.sync

// CHECK-LABEL: .version 7.0
// CHECK-LABEL: .visible .entry cache_append(
// CHECK:         cvt.rn.f16.f32
// CHECK:         st.global.b16

// Queries and weights from shared memory, keys and values of the cache's type two positions or elements at a time.
// CHECK-LABEL: .visible .entry online_attention$any(
// CHECK:       .reqntid 128
// CHECK:         cvt.rn.f16.f32
// CHECK:         ld.global.b32
// CHECK:         ld.shared.v2.b32
// CHECK:         mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK:         bar.sync
// CHECK-LABEL: .visible .entry attention_combine$any(
