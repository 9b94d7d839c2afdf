// RUN: lamina-opt %s --lm-quantize-activations | FileCheck %s

lm.weight @q : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"q" : q4_0, 0 at 0>]
lm.weight @f : tensor<64x64x!lm.block<f16>> from [#lm.source<"f" : f16, 0 at 0>]
lm.weight @e : tensor<4x64x64x!lm.block<q8_0>> from [#lm.source<"e" : q8_0, 0 at 0>]

// One rounding for all readers of a value; other operations go on reading f32.
// CHECK-LABEL: func.func @shared
// CHECK-SAME:  (%[[X:.*]]: tensor<?x64xf32>)
// CHECK:       %[[Q:.*]] = lm.quantize %[[X]] : tensor<?x64xf32> -> tensor<?x64x!lm.q8>
// CHECK-NOT:   lm.quantize
// CHECK:       lm.linear %[[Q]], %{{.*}} : (tensor<?x64x!lm.q8>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
// CHECK:       %[[B:.*]] = lm.linear %[[Q]], %{{.*}} : (tensor<?x64x!lm.q8>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
// CHECK:       arith.addf %[[B]], %[[X]]
func.func @shared(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %w = lm.get_weight @q : tensor<64x64x!lm.block<q4_0>>
  %a = lm.linear %x, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  %b = lm.linear %x, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  %c = arith.addf %b, %x : tensor<?x64xf32>
  return %a, %c : tensor<?x64xf32>, tensor<?x64xf32>
}

// Plain weights keep f32, beside a quantised reader of the same value too.
// CHECK-LABEL: func.func @plain
// CHECK-SAME:  (%[[X:.*]]: tensor<?x64xf32>)
// CHECK:       %[[Q:.*]] = lm.quantize %[[X]]
// CHECK:       lm.linear %[[X]], %{{.*}} : (tensor<?x64xf32>, tensor<64x64x!lm.block<f16>>) -> tensor<?x64xf32>
// CHECK-NEXT:  lm.linear %[[Q]]
func.func @plain(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  %w = lm.get_weight @f : tensor<64x64x!lm.block<f16>>
  %v = lm.get_weight @q : tensor<64x64x!lm.block<q4_0>>
  %a = lm.linear %x, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<f16>>) -> tensor<?x64xf32>
  %b = lm.linear %x, %v : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  return %a, %b : tensor<?x64xf32>, tensor<?x64xf32>
}

// Experts read one row for all of them or a row each.
// CHECK-LABEL: func.func @experts
// CHECK:       lm.quantize %{{.*}} : tensor<?x64xf32> -> tensor<?x64x!lm.q8>
// CHECK:       %[[Y:.*]] = lm.expert_linear %{{.*}} : (tensor<?x64x!lm.q8>, tensor<?x2xi32>, tensor<4x64x64x!lm.block<q8_0>>) -> tensor<?x2x64xf32>
// CHECK:       %[[Q:.*]] = lm.quantize %[[Y]] : tensor<?x2x64xf32> -> tensor<?x2x64x!lm.q8>
// CHECK:       lm.expert_linear %[[Q]]
func.func @experts(%x: tensor<?x64xf32>, %i: tensor<?x2xi32>) -> tensor<?x2x64xf32> {
  %w = lm.get_weight @e : tensor<4x64x64x!lm.block<q8_0>>
  %a = lm.expert_linear %x, %i, %w : (tensor<?x64xf32>, tensor<?x2xi32>, tensor<4x64x64x!lm.block<q8_0>>) -> tensor<?x2x64xf32>
  %b = lm.expert_linear %a, %i, %w : (tensor<?x2x64xf32>, tensor<?x2xi32>, tensor<4x64x64x!lm.block<q8_0>>) -> tensor<?x2x64xf32>
  return %b : tensor<?x2x64xf32>
}

// Each fragment rounds for itself: what goes from one to another stays f32.
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
!rows = !mpmd.placed<tensor<?x64xf32>, @compute>
// CHECK-LABEL: func.func @fragments
// CHECK:         lm.rms_norm
// CHECK-NEXT:    lm.quantize
// CHECK:         mpmd.return %{{.*}}, %{{.*}} : tensor<?x64xf32>, tensor<?x64xf32>
// CHECK:         lm.quantize
func.func @fragments(%x: !rows) -> (!rows, !rows) {
  %n, %q = mpmd.fragment @compute "slice0.q"(%a = %x) : (!rows) -> (!rows, !rows) {
    %g = lm.get_weight @g : tensor<64xf32>
    %w = lm.get_weight @q : tensor<64x64x!lm.block<q4_0>>
    %0 = lm.rms_norm %a, %g {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %1 = lm.linear %0, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    mpmd.return %0, %1 : tensor<?x64xf32>, tensor<?x64xf32>
  }
  %k = mpmd.fragment @compute "slice0.kv"(%a = %n) : (!rows) -> (!rows) {
    %w = lm.get_weight @q : tensor<64x64x!lm.block<q4_0>>
    %0 = lm.linear %a, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    mpmd.return %0 : tensor<?x64xf32>
  }
  return %q, %k : !rows, !rows
}
lm.weight @g : tensor<64xf32> from [#lm.source<"g" : f32, 0 at 0>]
