// RUN: lamina-opt %s --lm-hoist-gathers | FileCheck %s

// CHECK-LABEL: func.func @norm_and_head
func.func @norm_and_head(%x: tensor<?x64xf32>, %rows: tensor<?xi32>, %g: tensor<64xf32>, %w: tensor<96x64x!lm.block<f16>>) -> tensor<?x96xf32> {
  // CHECK-NEXT: %[[G:.*]] = lm.gather_rows %arg0, %arg1 : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  // CHECK-NEXT: %[[N:.*]] = lm.rms_norm %[[G]], %arg2
  // CHECK-NEXT: %[[L:.*]] = lm.linear %[[N]], %arg3
  // CHECK-NEXT: return %[[L]]
  %n = lm.rms_norm %x, %g {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %y = lm.linear %n, %w : (tensor<?x64xf32>, tensor<96x64x!lm.block<f16>>) -> tensor<?x96xf32>
  %out = lm.gather_rows %y, %rows : (tensor<?x96xf32>, tensor<?xi32>) -> tensor<?x96xf32>
  return %out : tensor<?x96xf32>
}

// All rows of the norm are read by something else: it stays before the gather.
// CHECK-LABEL: func.func @norm_that_is_read_twice
func.func @norm_that_is_read_twice(%x: tensor<?x64xf32>, %rows: tensor<?xi32>, %g: tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK-NEXT: %[[N:.*]] = lm.rms_norm %arg0
  // CHECK-NEXT: lm.gather_rows %[[N]]
  %n = lm.rms_norm %x, %g {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %out = lm.gather_rows %n, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %out, %n : tensor<?x64xf32>, tensor<?x64xf32>
}

// A sum needs rows of two values.
// CHECK-LABEL: func.func @sum
func.func @sum(%x: tensor<?x64xf32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: %[[S:.*]] = arith.addf
  // CHECK-NEXT: lm.gather_rows %[[S]]
  %s = arith.addf %x, %x : tensor<?x64xf32>
  %out = lm.gather_rows %s, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %out : tensor<?x64xf32>
}
