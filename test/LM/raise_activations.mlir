// RUN: lamina-opt %s --lm-raise-activations | FileCheck %s

// CHECK-LABEL: func.func @gated
func.func @gated(%g: tensor<?x64xf32>, %u: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: %[[R:.*]] = lm.gated_activation silu %arg0, %arg1
  // CHECK-NEXT: return %[[R]]
  %s = lm.activation sigmoid %g : tensor<?x64xf32>
  %a = arith.mulf %s, %g : tensor<?x64xf32>
  %r = arith.mulf %u, %a : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @gelu_gate
func.func @gelu_gate(%g: tensor<?x64xf32>, %u: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: lm.gated_activation gelu %arg0, %arg1
  %a = lm.activation gelu %g : tensor<?x64xf32>
  %r = arith.mulf %a, %u : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// A gate that something else reads too stays; so does the product with the sigmoid of another value, which is a gate.
// CHECK-LABEL: func.func @near_misses
func.func @near_misses(%g: tensor<?x64xf32>, %u: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK: %[[A:.*]] = lm.activation gelu %arg0
  %a = lm.activation gelu %g : tensor<?x64xf32>
  // CHECK: arith.mulf %[[A]], %arg1
  %r = arith.mulf %a, %u : tensor<?x64xf32>
  // CHECK: lm.gated_activation sigmoid %arg0, %arg1
  %s = lm.activation sigmoid %g : tensor<?x64xf32>
  %t = arith.mulf %s, %u : tensor<?x64xf32>
  return %r, %t, %a : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
