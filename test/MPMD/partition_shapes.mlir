// What the cut does with graphs that are not a chain of layers.
// RUN: lamina-opt %s -split-input-file --mpmd-default-topology --mpmd-partition --mpmd-verify-partition | FileCheck %s

// A parallel feed-forward part (phi-2) neither feeds attention nor needs it. It is computed before the cut together with
// its addition, so that one residual of 64 × 4 bytes is kept and it can run while attention is away.
// CHECK-LABEL: func.func @parallel_residual
// CHECK-SAME: mpmd.cut_bytes = array<i64: 256>
// CHECK: mpmd.fragment @compute "slice0"
// CHECK: lm.scale
// CHECK: arith.addf
// CHECK: mpmd.fragment @memory "attention0"
// CHECK: mpmd.fragment @compute "slice1"
// CHECK-NEXT: arith.addf
// CHECK-NEXT: mpmd.return
func.func @parallel_residual(%x: tensor<?x64xf32>, %cache: !lm.kv_cache<8 x 8 x 8, f16>, %batch: !lm.batch) -> tensor<?x64xf32> {
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
  %c = lm.cache_append %cache, %x, %x at %p, %p, %t
      : !lm.kv_cache<8 x 8 x 8, f16>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
  %o = lm.attention %x, %c at %p, %p, %t {scale = 0.35 : f32}
      : tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  %f = lm.scale %x, 3.0 : tensor<?x64xf32>
  %y = arith.addf %x, %f : tensor<?x64xf32>
  %z = arith.addf %y, %o : tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}

// -----

// Two attentions share one cache: the first brings it up to date, and it stays on its device. What the second cut
// keeps is the result of the first attention, needed again at the end.
// CHECK-LABEL: func.func @shared_cache
// CHECK-SAME: mpmd.cut_bytes = array<i64: 0, 256>
// CHECK: %[[M:.*]]:2 = mpmd.fragment @memory "attention0"
// CHECK: lm.cache_append
// CHECK: %[[BACK:.*]] = mpmd.transfer %[[M]]#1
// CHECK: mpmd.fragment @compute "slice1"(%{{.*}} = %[[BACK]])
// CHECK: mpmd.fragment @memory "attention1"(%{{.*}}, %{{.*}} = %[[M]]#0
// CHECK-NOT: lm.cache_append
// CHECK: mpmd.fragment @compute "slice2"({{.*}} = %[[BACK]]
// CHECK: return %{{.*}}, %[[M]]#0 : !mpmd.placed<tensor<?x64xf32>, @compute>, !mpmd.placed<!lm.kv_cache<8 x 8 x 8, f16>, @memory>
func.func @shared_cache(%x: tensor<?x64xf32>, %cache: !lm.kv_cache<8 x 8 x 8, f16>, %batch: !lm.batch)
    -> (tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>) {
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
  %c = lm.cache_append %cache, %x, %x at %p, %p, %t
      : !lm.kv_cache<8 x 8 x 8, f16>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
  %o = lm.attention %x, %c at %p, %p, %t {scale = 0.35 : f32}
      : tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  %q = lm.scale %o, 3.0 : tensor<?x64xf32>
  %r = lm.attention %q, %c at %p, %p, %t {scale = 0.35 : f32}
      : tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  %z = arith.addf %o, %r : tensor<?x64xf32>
  return %z, %c : tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>
}

// -----

// Attention directly behind attention: the slice between them is empty, and the value stays where it is.
// CHECK-LABEL: func.func @no_computation_between
// CHECK-SAME: mpmd.cut_bytes = array<i64: 0, 0>
// CHECK: %[[M:.*]] = mpmd.fragment @memory "attention0"
// CHECK-NOT: mpmd.transfer
// CHECK: mpmd.fragment @compute "slice1"() : () -> () {
// CHECK-NEXT: }
// CHECK-NEXT: %[[N:.*]] = mpmd.fragment @memory "attention1"({{.*}} = %[[M]]
// CHECK: %[[BACK:.*]] = mpmd.transfer %[[N]]
// CHECK: mpmd.fragment @compute "slice2"() : () -> () {
// CHECK: return %[[BACK]] : !mpmd.placed<tensor<?x64xf32>, @compute>
func.func @no_computation_between(%x: tensor<?x64xf32>, %cache: !lm.kv_cache<8 x 8 x 8, f16>, %batch: !lm.batch) -> tensor<?x64xf32> {
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
  %o = lm.attention %x, %cache at %p, %p, %t {scale = 0.35 : f32}
      : tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  %r = lm.attention %o, %cache at %p, %p, %t {scale = 0.35 : f32}
      : tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// -----

// A step without attention is one slice.
// CHECK-LABEL: func.func @no_attention
// CHECK-SAME: mpmd.cut_bytes = array<i64>
// CHECK: mpmd.fragment @compute "slice0"
// CHECK-NOT: mpmd.fragment
func.func @no_attention(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = lm.scale %x, 3.0 : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// A narrower value is kept instead of what is computed from it. A position table that is returned to the caller is
// computed once, like any result, and after the cut, where nothing has to be kept of it.
// CHECK-LABEL: func.func @keeps_the_narrow_value
// CHECK-SAME: mpmd.cut_bytes = array<i64: 128>
// CHECK: mpmd.fragment @compute "slice1"
// CHECK: lm.linear
// CHECK: lm.rope_table
lm.weight @up : tensor<64x32x!lm.block<q4_0>> from [#lm.source<"up" : q4_0, 0 at 0>]
func.func @keeps_the_narrow_value(%x: tensor<?x64xf32>, %s: tensor<?x32xf32>, %cache: !lm.kv_cache<8 x 8 x 8, f16>, %batch: !lm.batch)
    -> (tensor<?x64xf32>, tensor<?x8xf32>) {
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
  %up = lm.get_weight @up : tensor<64x32x!lm.block<q4_0>>
  %wide = lm.linear %s, %up : (tensor<?x32xf32>, tensor<64x32x!lm.block<q4_0>>) -> tensor<?x64xf32>
  %table = lm.rope_table %p {frequencies = array<f64: 1.0, 0.1, 0.01, 0.001>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x8xf32>
  %o = lm.attention %x, %cache at %p, %p, %t {scale = 0.35 : f32}
      : tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  %z = arith.addf %o, %wide : tensor<?x64xf32>
  return %z, %table : tensor<?x64xf32>, tensor<?x8xf32>
}
