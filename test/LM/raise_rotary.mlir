// Rotations written as products with cosines and sines.
// RUN: lamina-opt %s --lm-raise-rotary | FileCheck %s

// Values that are read twice are traced once, and no deeper than the stack is.
// RUN: %python %S/Inputs/deep_rows.py | lamina-opt --lm-raise-rotary | FileCheck %s --check-prefix=DEEP
// DEEP-COUNT-48: arith.addf
// DEEP-NOT:      lm.rotary_embedding

// x · cos + concat(-x2, x1) · sin, of two heads, with a table that has each frequency twice.
// CHECK-LABEL: func.func @halves
func.func @halves(%x: tensor<?x8xf32>, %p: tensor<?xi32>, %n: index) -> tensor<?x2x4xf32> {
  // CHECK-DAG: %[[T:.*]] = lm.rope_table %arg1 {frequencies = array<f64: 1.000000e+00, 1.000000e-01>, magnitude = 2.000000e+00 : f32}
  // CHECK: %[[R:.*]] = lm.rotary_embedding %arg0, %[[T]] {head_length = 4 : i64} : tensor<?x8xf32>, tensor<?x4xf32>
  // CHECK: %[[H:.*]] = tensor.expand_shape %[[R]]
  // CHECK: return %[[H]]
  %t = lm.rope_table %p {frequencies = array<f64: 1.0, 0.1, 1.0, 0.1>, magnitude = 2.0 : f32} : (tensor<?xi32>) -> tensor<?x8xf32>
  %cos = tensor.extract_slice %t[0, 0] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  %sin = tensor.extract_slice %t[0, 4] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  %e = tensor.empty(%n) : tensor<?x2x4xf32>
  %cosb = linalg.broadcast ins(%cos : tensor<?x4xf32>) outs(%e : tensor<?x2x4xf32>) dimensions = [1]
  %sinb = linalg.broadcast ins(%sin : tensor<?x4xf32>) outs(%e : tensor<?x2x4xf32>) dimensions = [1]
  %h = tensor.expand_shape %x [[0], [1, 2]] output_shape [%n, 2, 4] : tensor<?x8xf32> into tensor<?x2x4xf32>
  %a = arith.mulf %h, %cosb : tensor<?x2x4xf32>
  %h1 = tensor.extract_slice %h[0, 0, 0] [%n, 2, 2] [1, 1, 1] : tensor<?x2x4xf32> to tensor<?x2x2xf32>
  %h2 = tensor.extract_slice %h[0, 0, 2] [%n, 2, 2] [1, 1, 1] : tensor<?x2x4xf32> to tensor<?x2x2xf32>
  %m = arith.negf %h2 : tensor<?x2x2xf32>
  %turned = tensor.concat dim(2) %m, %h1 : (tensor<?x2x2xf32>, tensor<?x2x2xf32>) -> tensor<?x2x4xf32>
  %b = arith.mulf %turned, %sinb : tensor<?x2x4xf32>
  %y = arith.addf %a, %b : tensor<?x2x4xf32>
  return %y : tensor<?x2x4xf32>
}

// concat(x1 · cos - x2 · sin, x2 · cos + x1 · sin, rest): part of each head, by halves.
// CHECK-LABEL: func.func @part_of_a_head
func.func @part_of_a_head(%x: tensor<?x6xf32>, %p: tensor<?xi32>, %n: index) -> tensor<?x6xf32> {
  // CHECK: %[[T:.*]] = lm.rope_table
  // CHECK: %[[R:.*]] = lm.rotary_embedding %arg0, %[[T]] {head_length = 6 : i64}
  // CHECK: return %[[R]]
  %t = lm.rope_table %p {frequencies = array<f64: 1.0, 0.1>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x4xf32>
  %cos = tensor.extract_slice %t[0, 0] [%n, 2] [1, 1] : tensor<?x4xf32> to tensor<?x2xf32>
  %sin = tensor.extract_slice %t[0, 2] [%n, 2] [1, 1] : tensor<?x4xf32> to tensor<?x2xf32>
  %x1 = tensor.extract_slice %x[0, 0] [%n, 2] [1, 1] : tensor<?x6xf32> to tensor<?x2xf32>
  %x2 = tensor.extract_slice %x[0, 2] [%n, 2] [1, 1] : tensor<?x6xf32> to tensor<?x2xf32>
  %rest = tensor.extract_slice %x[0, 4] [%n, 2] [1, 1] : tensor<?x6xf32> to tensor<?x2xf32>
  %a = arith.mulf %x1, %cos : tensor<?x2xf32>
  %b = arith.mulf %x2, %sin : tensor<?x2xf32>
  %c = arith.mulf %x2, %cos : tensor<?x2xf32>
  %d = arith.mulf %sin, %x1 : tensor<?x2xf32>
  %y1 = arith.subf %a, %b : tensor<?x2xf32>
  %y2 = arith.addf %c, %d : tensor<?x2xf32>
  %y = tensor.concat dim(1) %y1, %y2, %rest : (tensor<?x2xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}

// Neighbours against each other, of two heads with a table that has each frequency twice: elements are moved before and back behind.
// CHECK-LABEL: func.func @neighbours
func.func @neighbours(%x: tensor<?x4xf32>, %p: tensor<?xi32>, %n: index) -> tensor<?x4xf32> {
  // CHECK-DAG: %[[T:.*]] = lm.rope_table %arg1 {frequencies = array<f64: 1.000000e+00, 1.000000e-01>
  // CHECK-DAG: %[[H:.*]] = tensor.expand_shape %arg0 {{.*}} into tensor<?x1x4xf32>
  // CHECK: %[[E:.*]] = tensor.expand_shape %{{.*}} into tensor<?x1x2x2xf32>
  // CHECK: %[[A:.*]] = linalg.transpose ins(%[[E]] : {{.*}}) outs({{.*}}) permutation = [0, 1, 3, 2]
  // CHECK: %[[B:.*]] = tensor.collapse_shape %[[A]]
  // CHECK: %[[R:.*]] = lm.rotary_embedding %[[B]], %[[T]] {head_length = 4 : i64}
  // CHECK: linalg.transpose
  // CHECK: %[[Y:.*]] = tensor.collapse_shape
  // CHECK: return %[[Y]]
  %t = lm.rope_table %p {frequencies = array<f64: 1.0, 1.0, 0.1, 0.1>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x8xf32>
  %cos = tensor.extract_slice %t[0, 0] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  %sin = tensor.extract_slice %t[0, 4] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  %a = arith.mulf %x, %cos : tensor<?x4xf32>
  %even = tensor.extract_slice %x[0, 0] [%n, 2] [1, 2] : tensor<?x4xf32> to tensor<?x2xf32>
  %odd = tensor.extract_slice %x[0, 1] [%n, 2] [1, 2] : tensor<?x4xf32> to tensor<?x2xf32>
  %m = arith.negf %odd : tensor<?x2xf32>
  %m1 = tensor.expand_shape %m [[0], [1, 2]] output_shape [%n, 2, 1] : tensor<?x2xf32> into tensor<?x2x1xf32>
  %e1 = tensor.expand_shape %even [[0], [1, 2]] output_shape [%n, 2, 1] : tensor<?x2xf32> into tensor<?x2x1xf32>
  %pairs = tensor.concat dim(2) %m1, %e1 : (tensor<?x2x1xf32>, tensor<?x2x1xf32>) -> tensor<?x2x2xf32>
  %turned = tensor.collapse_shape %pairs [[0], [1, 2]] : tensor<?x2x2xf32> into tensor<?x4xf32>
  %b = arith.mulf %turned, %sin : tensor<?x4xf32>
  %y = arith.addf %a, %b : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// Near misses: turned the other way; the second half with another frequency; neighbours of which one has another frequency.
// CHECK-LABEL: func.func @backwards
func.func @backwards(%x: tensor<?x2xf32>, %p: tensor<?xi32>, %n: index) -> tensor<?x2xf32> {
  // CHECK-NOT: lm.rotary_embedding
  // CHECK: return
  %t = lm.rope_table %p {frequencies = array<f64: 1.0>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x2xf32>
  %cos = tensor.extract_slice %t[0, 0] [%n, 1] [1, 1] : tensor<?x2xf32> to tensor<?x1xf32>
  %sin = tensor.extract_slice %t[0, 1] [%n, 1] [1, 1] : tensor<?x2xf32> to tensor<?x1xf32>
  %x1 = tensor.extract_slice %x[0, 0] [%n, 1] [1, 1] : tensor<?x2xf32> to tensor<?x1xf32>
  %x2 = tensor.extract_slice %x[0, 1] [%n, 1] [1, 1] : tensor<?x2xf32> to tensor<?x1xf32>
  %a = arith.mulf %x1, %cos : tensor<?x1xf32>
  %b = arith.mulf %x2, %sin : tensor<?x1xf32>
  %c = arith.mulf %x2, %cos : tensor<?x1xf32>
  %d = arith.mulf %x1, %sin : tensor<?x1xf32>
  %y1 = arith.addf %a, %b : tensor<?x1xf32>
  %y2 = arith.subf %c, %d : tensor<?x1xf32>
  %y = tensor.concat dim(1) %y1, %y2 : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @two_frequencies
func.func @two_frequencies(%x: tensor<?x2xf32>, %p: tensor<?xi32>, %n: index) -> tensor<?x2xf32> {
  // CHECK-NOT: lm.rotary_embedding
  // CHECK: return
  %t = lm.rope_table %p {frequencies = array<f64: 1.0, 0.5>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x4xf32>
  %cos = tensor.extract_slice %t[0, 0] [%n, 2] [1, 1] : tensor<?x4xf32> to tensor<?x2xf32>
  %sin = tensor.extract_slice %t[0, 2] [%n, 2] [1, 1] : tensor<?x4xf32> to tensor<?x2xf32>
  %a = arith.mulf %x, %cos : tensor<?x2xf32>
  %x1 = tensor.extract_slice %x[0, 0] [%n, 1] [1, 1] : tensor<?x2xf32> to tensor<?x1xf32>
  %x2 = tensor.extract_slice %x[0, 1] [%n, 1] [1, 1] : tensor<?x2xf32> to tensor<?x1xf32>
  %m = arith.negf %x2 : tensor<?x1xf32>
  %turned = tensor.concat dim(1) %m, %x1 : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x2xf32>
  %b = arith.mulf %turned, %sin : tensor<?x2xf32>
  %y = arith.addf %a, %b : tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// CHECK-LABEL: func.func @neighbours_of_two_frequencies
func.func @neighbours_of_two_frequencies(%x: tensor<?x4xf32>, %p: tensor<?xi32>, %n: index) -> tensor<?x4xf32> {
  // CHECK-NOT: lm.rotary_embedding
  // CHECK: return
  %t = lm.rope_table %p {frequencies = array<f64: 1.0, 0.5, 0.1, 0.1>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x8xf32>
  %cos = tensor.extract_slice %t[0, 0] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  %sin = tensor.extract_slice %t[0, 4] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  %a = arith.mulf %x, %cos : tensor<?x4xf32>
  %even = tensor.extract_slice %x[0, 0] [%n, 2] [1, 2] : tensor<?x4xf32> to tensor<?x2xf32>
  %odd = tensor.extract_slice %x[0, 1] [%n, 2] [1, 2] : tensor<?x4xf32> to tensor<?x2xf32>
  %m = arith.negf %odd : tensor<?x2xf32>
  %m1 = tensor.expand_shape %m [[0], [1, 2]] output_shape [%n, 2, 1] : tensor<?x2xf32> into tensor<?x2x1xf32>
  %e1 = tensor.expand_shape %even [[0], [1, 2]] output_shape [%n, 2, 1] : tensor<?x2xf32> into tensor<?x2x1xf32>
  %pairs = tensor.concat dim(2) %m1, %e1 : (tensor<?x2x1xf32>, tensor<?x2x1xf32>) -> tensor<?x2x2xf32>
  %turned = tensor.collapse_shape %pairs [[0], [1, 2]] : tensor<?x2x2xf32> into tensor<?x4xf32>
  %b = arith.mulf %turned, %sin : tensor<?x4xf32>
  %y = arith.addf %a, %b : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
