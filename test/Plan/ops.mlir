// Every operation prints what it parses.
// RUN: lamina-opt %s --verify-roundtrip | FileCheck %s

!rows = !plan.buffer<tensor<?x64xf32>>
!matrix = !plan.buffer<tensor<64x64x!lm.block<q4_0>>>
!pages = !plan.buffer<!lm.kv_cache<4 x 16 x 16, f16>>

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]

// CHECK-LABEL: plan.kernel @linear_addf {
// CHECK-NEXT:  ^bb0(%{{.*}}: tensor<?x64xf32>, %{{.*}}: tensor<64x64x!lm.block<q4_0>>):
// CHECK:       plan.yield %{{.*}} : tensor<?x64xf32>
plan.kernel @linear_addf {
^bb0(%x: tensor<?x64xf32>, %w: tensor<64x64x!lm.block<q4_0>>):
  %0 = lm.linear %x, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  %1 = arith.addf %0, %x : tensor<?x64xf32>
  plan.yield %1 : tensor<?x64xf32>
}

// A kernel without results needs no words for its end.
// CHECK-LABEL: plan.kernel @nothing {
// CHECK-NOT:   plan.yield
// CHECK:       }
plan.kernel @nothing {
}

// A yielded cache is its operand after an update in place.
// CHECK-LABEL: plan.kernel @update {
// CHECK:       plan.yield %{{.*}}, %{{.*}} : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x64xf32>
plan.kernel @update {
^bb0(%cache: !lm.kv_cache<4 x 16 x 16, f16>, %x: tensor<?x64xf32>):
  plan.yield %cache, %x : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x64xf32>
}

// CHECK-LABEL: func.func @call
// CHECK:       plan.call @linear_addf(%{{.*}}, %{{.*}}) "blk.0.attn_output" : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
func.func @call(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = lm.get_weight @w : tensor<64x64x!lm.block<q4_0>>
  %y = plan.call @linear_addf(%x, %w) "blk.0.attn_output" : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Before places are assigned.
// CHECK-LABEL: plan.program @compute0 on @compute {
plan.program @compute0 on @compute {
  // CHECK: plan.buffer batch "positions" extent tokens at 1 : <tensor<?xi32>>
  %positions = plan.buffer batch "positions" extent tokens at 1 : !plan.buffer<tensor<?xi32>>
  // CHECK: plan.buffer weight "w" extent fixed from @w : <tensor<64x64x!lm.block<q4_0>>>
  %w = plan.buffer weight "w" extent fixed from @w : !matrix
  // CHECK: %[[X:.*]] = plan.buffer arena "x" extent output_rows : <tensor<?x64xf32>>
  %x = plan.buffer arena "x" extent output_rows : !rows
  %y = plan.buffer arena "y" extent output_rows : !rows
  // CHECK: plan.recv 1 @memory0(%[[X]]) "x" slice 0 : !plan.buffer<tensor<?x64xf32>>
  plan.recv 1 @memory0(%x) "x" slice 0 : !rows
  // CHECK: plan.wait 1 slice 2
  plan.wait 1 slice 2
  // CHECK: plan.dispatch @linear_addf(%[[X]], %{{.*}}) -> (%[[Y:.*]]) "blk.0.attn_output" extent output_rows slice 2 :
  // CHECK-SAME: (!plan.buffer<tensor<?x64xf32>>, !plan.buffer<tensor<64x64x!lm.block<q4_0>>>) -> !plan.buffer<tensor<?x64xf32>>
  plan.dispatch @linear_addf(%x, %w) -> (%y) "blk.0.attn_output" extent output_rows slice 2 : (!rows, !matrix) -> !rows
  // CHECK: plan.send 2 @memory0(%[[X]], %[[Y]]) "y" slice 3 : !plan.buffer<tensor<?x64xf32>>, !plan.buffer<tensor<?x64xf32>>
  plan.send 2 @memory0(%x, %y) "y" slice 3 : !rows, !rows
}

// After.
// CHECK-LABEL: plan.program @memory0 on @memory arena 4096 weights 2304 {
plan.program @memory0 on @memory arena 4096 weights 2304 {
  // CHECK: plan.buffer cache "cache.0" extent fixed at 0 : <!lm.kv_cache<4 x 16 x 16, f16>>
  %cache = plan.buffer cache "cache.0" extent fixed at 0 : !pages
  // CHECK: plan.buffer arena "x" extent tokens at 2048 : <tensor<?x64xf32>>
  %x = plan.buffer arena "x" extent tokens at 2048 : !rows
  %y = plan.buffer arena "y" extent tokens at 0 : !rows
  // CHECK: plan.buffer weight "w" extent fixed at 0 from @w : <tensor<64x64x!lm.block<q4_0>>>
  %w = plan.buffer weight "w" extent fixed at 0 from @w : !matrix
  // The cache that the kernel yields has no place among the results.
  // CHECK: plan.dispatch @update(%{{.*}}, %{{.*}}) -> (%{{.*}}) "blk.0.attention" extent tokens slice 1
  plan.dispatch @update(%cache, %x) -> (%y) "blk.0.attention" extent tokens slice 1 : (!pages, !rows) -> !rows
  // CHECK: plan.dispatch @nothing() -> () "" extent fixed slice 1 : () -> ()
  plan.dispatch @nothing() -> () "" extent fixed slice 1 : () -> ()
}
