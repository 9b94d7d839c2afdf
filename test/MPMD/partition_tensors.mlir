// Attention of a model without a cache: its tensors are of known sizes.
// RUN: lamina-opt %s -split-input-file --mpmd-default-topology --mpmd-partition --mpmd-verify-partition | FileCheck %s
// RUN: lamina-opt %s -split-input-file --mpmd-default-topology=monolithic=true --mpmd-partition --mpmd-verify-partition | FileCheck %s --check-prefix=MONO

// The cut keeps the narrower of two tensors, 8 x 2 elements of two bytes. The mask follows from a weight, so the memory class computes it
// itself; the attributes of arguments and results stay.
// CHECK-LABEL: func.func @main
// CHECK-SAME: (%[[X:.*]]: !mpmd.placed<tensor<8x4xf32>, @compute> {plan.port = "input"}) -> (!mpmd.placed<tensor<8x4xf32>, @compute> {plan.port = "output"})
// CHECK-SAME: mpmd.cut_bytes = array<i64: 32>
// CHECK: %[[S:.*]]:{{.*}} = mpmd.fragment @compute "slice0"(%{{.*}} = %[[X]])
// CHECK: arith.truncf
// CHECK: %[[A:.*]] = mpmd.fragment @memory "attention0"(
// CHECK-NEXT: %[[W:.*]] = lm.get_weight @w
// CHECK-NEXT: %[[M:.*]] = arith.negf %[[W]]
// CHECK-NEXT: lm.tensor_attention softmax %{{.*}} over %{{.*}}, %{{.*}} with %[[M]]
// CHECK: mpmd.transfer %[[A]]
// CHECK: mpmd.fragment @compute "slice1"
// CHECK: arith.extf

// MONO: mpmd.fragment @compute "model"
// MONO: lm.tensor_attention
// MONO-NOT: mpmd.fragment
// MONO: return
lm.weight @w : tensor<8x4xf32> from [#lm.source<"w" : f32, 0 at 0>]
func.func @main(%x: tensor<8x4xf32> {plan.port = "input"}) -> (tensor<8x4xf32> {plan.port = "output"}) {
  %w = lm.get_weight @w : tensor<8x4xf32>
  %m = arith.negf %w : tensor<8x4xf32>
  %k = arith.mulf %x, %x : tensor<8x4xf32>
  %half = tensor.extract_slice %k[0, 0] [8, 2] [1, 1] : tensor<8x4xf32> to tensor<8x2xf32>
  %kept = arith.truncf %half : tensor<8x2xf32> to tensor<8x2xf16>
  %o = lm.tensor_attention softmax %x over %k, %k with %m : (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32> {
  ^bb0(%query: tensor<8x4xf32>, %key: tensor<8x4xf32>, %value: tensor<8x4xf32>, %mask: tensor<8x4xf32>):
    %0 = arith.addf %query, %mask : tensor<8x4xf32>
    lm.yield %0 : tensor<8x4xf32>
  }
  %wide = arith.extf %kept : tensor<8x2xf16> to tensor<8x2xf32>
  %y = tensor.insert_slice %wide into %o[0, 0] [8, 2] [1, 1] : tensor<8x2xf32> into tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

// What follows from weights alone is repeated where it is needed, but not an attention.
// CHECK-LABEL: func.func @main
// CHECK: %[[A:.*]] = mpmd.fragment @memory "attention0"()
// CHECK: lm.tensor_attention
// CHECK: mpmd.transfer %[[A]]
// CHECK: mpmd.fragment @compute "slice1"
// CHECK-NOT: lm.tensor_attention
lm.weight @w : tensor<8x4xf32> from [#lm.source<"w" : f32, 0 at 0>]
func.func @main() -> tensor<8x4xf32> {
  %w = lm.get_weight @w : tensor<8x4xf32>
  %o = lm.tensor_attention softmax %w over %w, %w : (tensor<8x4xf32>, tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32> {
  ^bb0(%query: tensor<8x4xf32>, %key: tensor<8x4xf32>, %value: tensor<8x4xf32>):
    lm.yield %query : tensor<8x4xf32>
  }
  %y = arith.negf %o : tensor<8x4xf32>
  %z = arith.addf %y, %o : tensor<8x4xf32>
  return %z : tensor<8x4xf32>
}
