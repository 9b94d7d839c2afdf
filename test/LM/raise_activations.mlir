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

// Gelu as optimum writes it: each factor of it somewhere.
// CHECK-LABEL: func.func @gelu_by_tanh
func.func @gelu_by_tanh(%x: tensor<?x64xf32>, %n: index) -> tensor<?x64xf32> {
  // CHECK-NEXT: %[[R:.*]] = lm.activation gelu_tanh %arg0
  // CHECK-NEXT: return %[[R]]
  %one = arith.constant 1.0 : f32
  %ones = tensor.splat %one[%n] : tensor<?x64xf32>
  %h = lm.scale %x, 0.5 : tensor<?x64xf32>
  %x2 = arith.mulf %x, %x : tensor<?x64xf32>
  %x3 = arith.mulf %x2, %x : tensor<?x64xf32>
  %c = lm.scale %x3, 0.044715 : tensor<?x64xf32>
  %s = arith.addf %x, %c : tensor<?x64xf32>
  %a = lm.scale %s, 0.797884583 : tensor<?x64xf32>
  %t = math.tanh %a : tensor<?x64xf32>
  %p = arith.addf %t, %ones : tensor<?x64xf32>
  %y = arith.mulf %h, %p : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @gelu_by_erf_of_a_sum
func.func @gelu_by_erf_of_a_sum(%a: tensor<?x64xf32>, %u: tensor<?x64xf32>, %n: index) -> tensor<?x64xf32> {
  // CHECK-NEXT: %[[X:.*]] = arith.addf %arg0, %arg1
  // CHECK-NEXT: %[[R:.*]] = lm.gated_activation gelu %[[X]], %arg1
  // CHECK-NEXT: return %[[R]]
  %one = arith.constant 1.0 : f32
  %ones = tensor.splat %one[%n] : tensor<?x64xf32>
  %x = arith.addf %a, %u : tensor<?x64xf32>
  %d = lm.scale %x, 0.707106769 : tensor<?x64xf32>
  %e = math.erf %d : tensor<?x64xf32>
  %p = arith.addf %e, %ones : tensor<?x64xf32>
  %m = arith.mulf %x, %p : tensor<?x64xf32>
  %y = lm.scale %m, 0.5 : tensor<?x64xf32>
  %r = arith.mulf %u, %y : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @silu_by_exp_and_cap
func.func @silu_by_exp_and_cap(%x: tensor<?x64xf32>, %n: index) -> tensor<?x64xf32> {
  // CHECK-NEXT: %[[S:.*]] = lm.activation silu %arg0
  // CHECK-NEXT: lm.soft_cap %[[S]], 3.000000e+01
  %one = arith.constant 1.0 : f32
  %ones = tensor.splat %one[%n] : tensor<?x64xf32>
  %m = arith.negf %x : tensor<?x64xf32>
  %e = math.exp %m : tensor<?x64xf32>
  %d = arith.addf %ones, %e : tensor<?x64xf32>
  %y = arith.divf %x, %d : tensor<?x64xf32>
  %i = lm.scale %y, 0.0333333333 : tensor<?x64xf32>
  %t = math.tanh %i : tensor<?x64xf32>
  %r = lm.scale %t, 30.0 : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// Another factor under the tanh, and a cap that is not what was divided by.
// CHECK-LABEL: func.func @other_functions
func.func @other_functions(%x: tensor<?x64xf32>, %n: index) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK-NOT: lm.activation
  // CHECK-NOT: lm.soft_cap
  // CHECK: return
  %one = arith.constant 1.0 : f32
  %ones = tensor.splat %one[%n] : tensor<?x64xf32>
  %h = lm.scale %x, 0.5 : tensor<?x64xf32>
  %a = lm.scale %x, 0.79 : tensor<?x64xf32>
  %t = math.tanh %a : tensor<?x64xf32>
  %p = arith.addf %t, %ones : tensor<?x64xf32>
  %y = arith.mulf %h, %p : tensor<?x64xf32>
  %i = lm.scale %x, 0.05 : tensor<?x64xf32>
  %u = math.tanh %i : tensor<?x64xf32>
  %r = lm.scale %u, 30.0 : tensor<?x64xf32>
  return %y, %r : tensor<?x64xf32>, tensor<?x64xf32>
}
