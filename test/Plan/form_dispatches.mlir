// RUN: lamina-opt %s --plan-form-dispatches -split-input-file | FileCheck %s --implicit-check-not=plan.kernel --implicit-check-not=plan.call

// Equal layers: two calls, one kernel; labels come from the locations. The residual may stand on either side.
!rows = !mpmd.placed<tensor<?x64xf32>, @compute>
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
lm.weight @w0 : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w0" : q4_0, 0 at 0>]
lm.weight @w1 : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w1" : q4_0, 0 at 4096>]
// CHECK:       plan.kernel @linear_addf {
// CHECK-NEXT:  ^bb0(%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<64x64x!lm.block<q4_0>>, %[[R:.*]]: tensor<?x64xf32>):
// CHECK-NEXT:    %[[Y:.*]] = lm.linear %[[X]], %[[W]]
// CHECK-NEXT:    %[[Z:.*]] = arith.addf %[[R]], %[[Y]]
// CHECK-NEXT:    plan.yield %[[Z]]
// CHECK:       plan.kernel @linear_addf_0 {
// CHECK:         %[[Y:.*]] = lm.linear
// CHECK-NEXT:    arith.addf %[[Y]], %{{.*}}
// CHECK-LABEL: func.func @equal_layers
func.func @equal_layers(%x: !rows, %r: !rows) -> !rows {
  %y = mpmd.fragment @compute "slice0"(%a = %x, %b = %r) : (!rows, !rows) -> (!rows) {
    // CHECK: %[[W0:.*]] = lm.get_weight @w0
    %w0 = lm.get_weight @w0 : tensor<64x64x!lm.block<q4_0>>
    // CHECK: %[[W1:.*]] = lm.get_weight @w1
    %w1 = lm.get_weight @w1 : tensor<64x64x!lm.block<q4_0>>
    // CHECK-NOT: lm.linear
    // CHECK: %[[A:.*]] = plan.call @linear_addf(%[[X0:.*]], %[[W0]], %[[R0:.*]]) "blk.0.ffn_down"
    %0 = lm.linear %a, %w0 : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32> loc("blk.0.ffn_down")
    %1 = arith.addf %b, %0 : tensor<?x64xf32>
    // CHECK: %[[B:.*]] = plan.call @linear_addf(%[[A]], %[[W1]], %[[R0]]) "blk.1.ffn_down"
    %2 = lm.linear %1, %w1 : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32> loc("blk.1.ffn_down")
    %3 = arith.addf %b, %2 : tensor<?x64xf32>
    // CHECK: %[[C:.*]] = plan.call @linear_addf_0(%[[B]], %[[W0]], %[[R0]]) ""
    %4 = lm.linear %3, %w0 : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    %5 = arith.addf %4, %b : tensor<?x64xf32>
    // CHECK: mpmd.return %[[C]]
    mpmd.return %5 : tensor<?x64xf32>
  }
  return %y : !rows
}

// -----

// A tail of several elementwise operations; an embedding and a whole-row norm take one too.
!rows = !mpmd.placed<tensor<?x64xf32>, @compute>
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
lm.weight @b : tensor<64xf32> from [#lm.source<"b" : f32, 0 at 0>]
// CHECK: plan.kernel @embedding_scale {
// CHECK: plan.kernel @rms_norm_addf {
// CHECK: plan.kernel @linear_bias_add_scale_soft_cap {
// CHECK-LABEL: func.func @tails
func.func @tails(%batch: !lm.batch) -> !rows {
  %y = mpmd.fragment @compute "slice0"(%a = %batch) : (!lm.batch) -> (!rows) {
    %ids = lm.batch_field %a, token_ids : tensor<?xi32>
    %w = lm.get_weight @w : tensor<64x64x!lm.block<q4_0>>
    %b = lm.get_weight @b : tensor<64xf32>
    // CHECK: %[[X:.*]] = plan.call @embedding_scale(
    %0 = lm.embedding %ids, %w : (tensor<?xi32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    %1 = lm.scale %0, 8.0 : tensor<?x64xf32>
    // CHECK: %[[N:.*]] = plan.call @rms_norm_addf(%[[X]], %{{.*}})
    %2 = lm.rms_norm %1, %b {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %3 = arith.addf %1, %2 : tensor<?x64xf32>
    // CHECK: plan.call @linear_bias_add_scale_soft_cap(%[[N]], %{{.*}}, %{{.*}})
    %4 = lm.linear %3, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    %5 = lm.bias_add %4, %b : tensor<?x64xf32>, tensor<64xf32>
    %6 = lm.scale %5, 2.0 : tensor<?x64xf32>
    %7 = lm.soft_cap %6, 30.0 : tensor<?x64xf32>
    mpmd.return %7 : tensor<?x64xf32>
  }
  return %y : !rows
}

// -----

// A value that two operations use, or that leaves the fragment, has to be written: no tail joins it.
!rows = !mpmd.placed<tensor<?x64xf32>, @compute>
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
// CHECK: plan.kernel @linear {
// CHECK: plan.kernel @scale {
// CHECK: plan.kernel @addf {
// CHECK-LABEL: func.func @used_twice
func.func @used_twice(%x: !rows) -> (!rows, !rows) {
  %y:2 = mpmd.fragment @compute "slice0"(%a = %x) : (!rows) -> (!rows, !rows) {
    %w = lm.get_weight @w : tensor<64x64x!lm.block<q4_0>>
    // CHECK: %[[A:.*]] = plan.call @linear(
    %0 = lm.linear %a, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    // CHECK: %[[B:.*]] = plan.call @scale(%[[A]])
    %1 = lm.scale %0, 2.0 : tensor<?x64xf32>
    // CHECK: %[[C:.*]] = plan.call @addf(%[[A]], %[[B]])
    %2 = arith.addf %0, %1 : tensor<?x64xf32>
    // CHECK: %[[D:.*]] = plan.call @linear(
    %3 = lm.linear %2, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    // CHECK: %[[E:.*]] = plan.call @scale(%[[D]])
    %4 = lm.scale %3, 2.0 : tensor<?x64xf32>
    // CHECK: mpmd.return %[[D]], %[[E]]
    mpmd.return %3, %4 : tensor<?x64xf32>, tensor<?x64xf32>
  }
  return %y#0, %y#1 : !rows, !rows
}

// -----

// Gate and up become one pass over their common input; with different inputs, or with a bias between, they do not.
!rows = !mpmd.placed<tensor<?x64xf32>, @compute>
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
lm.weight @gate : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"gate" : q4_0, 0 at 0>]
lm.weight @up : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"up" : q4_0, 0 at 4096>]
// CHECK: plan.kernel @linear_linear_gated_activation {
// CHECK: plan.kernel @linear {
// CHECK: plan.kernel @gated_activation {
// CHECK: plan.kernel @linear_scale_linear {
// CHECK-LABEL: func.func @gated
func.func @gated(%x: !rows, %z: !rows) -> !rows {
  %y = mpmd.fragment @compute "slice0"(%a = %x, %b = %z) : (!rows, !rows) -> (!rows) {
    // CHECK: %[[GATE:.*]] = lm.get_weight @gate
    %gate = lm.get_weight @gate : tensor<64x64x!lm.block<q4_0>>
    // CHECK: %[[UP:.*]] = lm.get_weight @up
    %up = lm.get_weight @up : tensor<64x64x!lm.block<q4_0>>
    // CHECK: %[[H:.*]] = plan.call @linear_linear_gated_activation(%[[A:[a-z0-9]+]], %[[GATE]], %[[UP]])
    %0 = lm.linear %a, %gate : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    %1 = lm.linear %a, %up : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    %2 = lm.gated_activation silu %0, %1 : tensor<?x64xf32>
    // CHECK: %[[G:.*]] = plan.call @linear(%[[H]], %[[GATE]])
    %3 = lm.linear %2, %gate : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    // CHECK: %[[U:.*]] = plan.call @linear(%[[B:.*]], %[[UP]])
    %4 = lm.linear %b, %up : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    // CHECK: %[[I:.*]] = plan.call @gated_activation(%[[G]], %[[U]])
    %5 = lm.gated_activation silu %3, %4 : tensor<?x64xf32>
    // CHECK: %[[J:.*]]:2 = plan.call @linear_scale_linear(%[[I]], %[[GATE]], %[[UP]])
    %6 = lm.linear %5, %gate : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    %7 = lm.scale %6, 2.0 : tensor<?x64xf32>
    %8 = lm.linear %5, %up : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    // CHECK: plan.call @gated_activation(%[[J]]#0, %[[J]]#1)
    %9 = lm.gated_activation silu %7, %8 : tensor<?x64xf32>
    mpmd.return %9 : tensor<?x64xf32>
  }
  return %y : !rows
}

// -----

// A rotation joins the norm of its heads, not the norm of whole rows, and not a linear; a head norm takes no tail.
!rows = !mpmd.placed<tensor<?x64xf32>, @compute>
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
lm.weight @head : tensor<16xf32> from [#lm.source<"head" : f32, 0 at 0>]
lm.weight @row : tensor<64xf32> from [#lm.source<"row" : f32, 0 at 64>]
// CHECK: plan.kernel @rope_table {
// CHECK: plan.kernel @rms_norm_rotary_embedding {
// CHECK: plan.kernel @rms_norm {
// CHECK: plan.kernel @rotary_embedding {
// CHECK: plan.kernel @linear {
// CHECK: plan.kernel @rms_norm_0 {
// CHECK: plan.kernel @scale {
// CHECK-LABEL: func.func @rotated
func.func @rotated(%x: !rows, %batch: !lm.batch) -> !rows {
  %y = mpmd.fragment @compute "slice0"(%a = %x, %b = %batch) : (!rows, !lm.batch) -> (!rows) {
    %positions = lm.batch_field %b, positions : tensor<?xi32>
    %w = lm.get_weight @w : tensor<64x64x!lm.block<q4_0>>
    %head = lm.get_weight @head : tensor<16xf32>
    %row = lm.get_weight @row : tensor<64xf32>
    // CHECK: %[[T:.*]] = plan.call @rope_table(
    %t = lm.rope_table %positions {frequencies = array<f64: 1.0, 0.1>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x4xf32>
    // CHECK: plan.call @rms_norm_rotary_embedding(%{{.*}}, %{{.*}}, %[[T]])
    %0 = lm.rms_norm %a, %head {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<16xf32>
    %1 = lm.rotary_embedding %0, %t {head_length = 16 : i64} : tensor<?x64xf32>, tensor<?x4xf32>
    // CHECK: plan.call @rms_norm(
    %2 = lm.rms_norm %1, %row {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    // CHECK: plan.call @rotary_embedding(
    %3 = lm.rotary_embedding %2, %t {head_length = 16 : i64} : tensor<?x64xf32>, tensor<?x4xf32>
    // CHECK: plan.call @linear(
    %4 = lm.linear %3, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    // CHECK: plan.call @rotary_embedding(
    %5 = lm.rotary_embedding %4, %t {head_length = 16 : i64} : tensor<?x64xf32>, tensor<?x4xf32>
    // CHECK: plan.call @rms_norm_0(
    %6 = lm.rms_norm %5, %head {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<16xf32>
    // CHECK: plan.call @scale(
    %7 = lm.scale %6, 2.0 : tensor<?x64xf32>
    mpmd.return %7 : tensor<?x64xf32>
  }
  return %y : !rows
}

// -----

// Kernels that differ in an attribute alone are two; fusion never reaches over the border of a fragment.
!rows = !mpmd.placed<tensor<?x64xf32>, @compute>
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
// CHECK: plan.kernel @linear {
// CHECK: plan.kernel @scale {
// CHECK: 2.000000e+00
// CHECK: plan.kernel @scale_0 {
// CHECK: 4.000000e+00
// CHECK-LABEL: func.func @borders
func.func @borders(%x: !rows) -> !rows {
  // CHECK: mpmd.fragment @compute "slice0"
  %y = mpmd.fragment @compute "slice0"(%a = %x) : (!rows) -> (!rows) {
    %w = lm.get_weight @w : tensor<64x64x!lm.block<q4_0>>
    // CHECK: plan.call @linear(
    %0 = lm.linear %a, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    mpmd.return %0 : tensor<?x64xf32>
  }
  // CHECK: mpmd.fragment @compute "slice1"
  %z = mpmd.fragment @compute "slice1"(%a = %y) : (!rows) -> (!rows) {
    // CHECK: plan.call @scale(
    %0 = lm.scale %a, 2.0 : tensor<?x64xf32>
    // CHECK: plan.call @scale_0(
    %1 = lm.scale %0, 4.0 : tensor<?x64xf32>
    mpmd.return %1 : tensor<?x64xf32>
  }
  return %z : !rows
}

// -----

// Rounding joins the row that it rounds; a kernel gives that row too where something else reads it.
!rows = !mpmd.placed<tensor<?x64xf32>, @compute>
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
lm.weight @g : tensor<64xf32> from [#lm.source<"g" : f32, 0 at 0>]
lm.weight @head : tensor<16xf32> from [#lm.source<"head" : f32, 0 at 0>]
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
// CHECK:       plan.kernel @rms_norm_quantize {
// CHECK-NEXT:  ^bb0(%[[X:.*]]: tensor<?x64xf32>, %[[G:.*]]: tensor<64xf32>):
// CHECK-NEXT:    %[[N:.*]] = lm.rms_norm %[[X]], %[[G]]
// CHECK-NEXT:    %[[Q:.*]] = lm.quantize %[[N]]
// CHECK-NEXT:    plan.yield %[[N]], %[[Q]] : tensor<?x64xf32>, tensor<?x64x!lm.q8>
// CHECK:       plan.kernel @linear_quantize {
// CHECK:       plan.kernel @addf_quantize {
// CHECK:         %[[Q:.*]] = lm.quantize
// CHECK-NEXT:    plan.yield %[[Q]] : tensor<?x64x!lm.q8>
// CHECK:       plan.kernel @linear {
// CHECK:       plan.kernel @linear_addf {
// CHECK:       plan.kernel @rms_norm {
// CHECK:       plan.kernel @quantize {
// CHECK-LABEL: func.func @rounding
func.func @rounding(%x: !rows) -> !rows {
  %y = mpmd.fragment @compute "slice0"(%a = %x) : (!rows) -> (!rows) {
    %g = lm.get_weight @g : tensor<64xf32>
    %h = lm.get_weight @head : tensor<16xf32>
    %w = lm.get_weight @w : tensor<64x64x!lm.block<q4_0>>
    // CHECK: %[[NQ:.*]]:2 = plan.call @rms_norm_quantize(
    %0 = lm.rms_norm %a, %g {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %1 = lm.quantize %0 : tensor<?x64xf32> -> tensor<?x64x!lm.q8>
    // CHECK: %[[L:.*]] = plan.call @linear_quantize(%[[NQ]]#1, %{{.*}})
    %2 = lm.linear %1, %w : (tensor<?x64x!lm.q8>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    %3 = lm.quantize %2 : tensor<?x64xf32> -> tensor<?x64x!lm.q8>
    // CHECK: %[[S:.*]] = plan.call @addf_quantize(%[[NQ]]#0, %{{.*}})
    %4 = arith.addf %0, %a : tensor<?x64xf32>
    %5 = lm.quantize %4 : tensor<?x64xf32> -> tensor<?x64x!lm.q8>
    // CHECK: %[[M:.*]] = plan.call @linear(%[[L]], %{{.*}})
    %6 = lm.linear %3, %w : (tensor<?x64x!lm.q8>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    // CHECK: plan.call @linear_addf(%[[S]], %{{.*}}, %[[M]])
    %10 = lm.linear %5, %w : (tensor<?x64x!lm.q8>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    %11 = arith.addf %10, %6 : tensor<?x64xf32>
    // A norm of heads has no whole row at hand.
    // CHECK: %[[H:.*]] = plan.call @rms_norm(
    // CHECK: plan.call @quantize(%[[H]])
    %7 = lm.rms_norm %11, %h {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<16xf32>
    %8 = lm.quantize %7 : tensor<?x64xf32> -> tensor<?x64x!lm.q8>
    // CHECK: plan.call @linear(
    %9 = lm.linear %8, %w : (tensor<?x64x!lm.q8>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    mpmd.return %9 : tensor<?x64xf32>
  }
  return %y : !rows
}

// -----

// Products of one input are one dispatch that stands where the first did, and gives the results of all of them: what they
// need is moved there. One that needs something later stays where it is, and so does one of another input.
!rows = !mpmd.placed<tensor<?x64xf32>, @compute>
!keys = !mpmd.placed<tensor<?x32xf32>, @compute>
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
lm.weight @k : tensor<32x64x!lm.block<q4_0>> from [#lm.source<"k" : q4_0, 0 at 0>]
lm.weight @v : tensor<64x64x!lm.block<q6_k>> from [#lm.source<"v" : q6_k, 0 at 0>]
lm.weight @bias : tensor<32xf32> from [#lm.source<"bias" : f32, 0 at 0>]
// CHECK:       plan.kernel @linear_bias_add_linear {
// CHECK:         %[[K:.*]] = lm.linear
// CHECK-NEXT:    %[[B:.*]] = lm.bias_add %[[K]]
// CHECK-NEXT:    %[[V:.*]] = lm.linear
// CHECK-NEXT:    plan.yield %[[B]], %[[V]] : tensor<?x32xf32>, tensor<?x64xf32>
// CHECK:       plan.kernel @rms_norm {
// CHECK:       plan.kernel @linear {
// CHECK:       plan.kernel @linear_addf {
// CHECK-LABEL: func.func @siblings
func.func @siblings(%x: !rows) -> (!rows, !keys) {
  %y, %z = mpmd.fragment @compute "slice0"(%a = %x) : (!rows) -> (!rows, !keys) {
    %k = lm.get_weight @k : tensor<32x64x!lm.block<q4_0>>
    %b = lm.get_weight @bias : tensor<32xf32>
    // CHECK: %[[W:.*]] = lm.get_weight @v
    // CHECK: %[[KV:.*]]:2 = plan.call @linear_bias_add_linear(%[[X:.*]], %{{.*}}, %{{.*}}, %[[W]])
    %0 = lm.linear %a, %k : (tensor<?x64xf32>, tensor<32x64x!lm.block<q4_0>>) -> tensor<?x32xf32>
    %1 = lm.bias_add %0, %b : tensor<?x32xf32>, tensor<32xf32>
    // CHECK: plan.call @rms_norm(%[[KV]]#0, %{{.*}})
    %2 = lm.rms_norm %1, %b {epsilon = 1.0e-5 : f32} : tensor<?x32xf32>, tensor<32xf32>
    %v = lm.get_weight @v : tensor<64x64x!lm.block<q6_k>>
    %3 = lm.linear %a, %v : (tensor<?x64xf32>, tensor<64x64x!lm.block<q6_k>>) -> tensor<?x64xf32>
    // CHECK: %[[L:.*]] = plan.call @linear(%[[KV]]#1, %[[W]])
    %4 = lm.linear %3, %v : (tensor<?x64xf32>, tensor<64x64x!lm.block<q6_k>>) -> tensor<?x64xf32>
    // CHECK: plan.call @linear_addf(%[[X]], %[[W]], %[[L]])
    %5 = lm.linear %a, %v : (tensor<?x64xf32>, tensor<64x64x!lm.block<q6_k>>) -> tensor<?x64xf32>
    %6 = arith.addf %5, %4 : tensor<?x64xf32>
    mpmd.return %6, %2 : tensor<?x64xf32>, tensor<?x32xf32>
  }
  return %y, %z : !rows, !keys
}
