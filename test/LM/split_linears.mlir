// Parts of a product become products with parts of the weight; a weight that nothing reads any more goes.
// RUN: lamina-opt %s --lm-split-linears | FileCheck %s

// CHECK-NOT: lm.weight @columns :
// CHECK-DAG: lm.weight @columns.0to64 : tensor<64x64x!lm.block<f32>> from [#lm.source<"columns" : f32, 0 at 1024>] {column_pitch = 128 : i64}
// CHECK-DAG: lm.weight @columns.64to128 : tensor<64x64x!lm.block<f32>> from [#lm.source<"columns" : f32, 0 at 1280>] {column_pitch = 128 : i64}
// CHECK-DAG: lm.weight @bias.64to128 : tensor<64xf32> from [#lm.source<"bias" : f16, 0 at 128>]
// CHECK-DAG: lm.weight @blocks.2to4 : tensor<2x64x!lm.block<q4_0>> from [#lm.source<"blocks" : q4_0, 0 at 4168>]
// CHECK-DAG: lm.weight @turned : tensor<8x64x!lm.block<f32>>
// CHECK-DAG: lm.weight @pairs.16to32.apart : tensor<16x64x!lm.block<f32>> from [#lm.source<"pairs" : f32, 0 at 24096>] {rope_heads = 2 : i64, rope_length = 8 : i64}
// CHECK-DAG: lm.weight @pairs.0to16.apart : tensor<16x64x!lm.block<f32>> from [#lm.source<"pairs" : f32, 0 at 20000>] {rope_heads = 2 : i64, rope_length = 4 : i64}
lm.weight @pairs : tensor<32x64x!lm.block<f32>> from [#lm.source<"pairs" : f32, 0 at 20000>]
// CHECK-DAG: lm.weight @heads3.2to10in2 : tensor<4x64x!lm.block<f32>> from [#lm.source<"heads3" : f32, 0 at 20512>, #lm.source<"heads3" : f32, 0 at 22048>]
lm.weight @heads3 : tensor<12x64x!lm.block<f32>> from [#lm.source<"heads3" : f32, 0 at 20000>]
lm.weight @columns : tensor<128x64x!lm.block<f32>> from [#lm.source<"columns" : f32, 0 at 1024>] {column_pitch = 128 : i64}
lm.weight @bias : tensor<128xf32> from [#lm.source<"bias" : f16, 0 at 0>]
lm.weight @blocks : tensor<8x64x!lm.block<q4_0>> from [#lm.source<"blocks" : q4_0, 0 at 4096>]
lm.weight @turned : tensor<8x64x!lm.block<f32>> from [#lm.source<"turned" : f32, 0 at 9000>] {rope_heads = 2 : i64, rope_length = 4 : i64}

// CHECK-LABEL: func.func @packed
func.func @packed(%x: tensor<?x64xf32>, %n: index) -> (tensor<?x64xf32>, tensor<?x4x16xf32>) {
  // CHECK: %[[WA:.*]] = lm.get_weight @columns.0to64
  // CHECK: %[[BA:.*]] = lm.get_weight @bias.0to64
  // CHECK: %[[LA:.*]] = lm.linear %arg0, %[[WA]]
  // CHECK: %[[A:.*]] = lm.bias_add %[[LA]], %[[BA]]
  // CHECK: %[[WB:.*]] = lm.get_weight @columns.64to128
  // CHECK: %[[LB:.*]] = lm.linear %arg0, %[[WB]]
  // CHECK: %[[B:.*]] = lm.bias_add %[[LB]]
  // CHECK: %[[H:.*]] = tensor.expand_shape %[[B]]
  // CHECK: return %[[A]], %[[H]]
  %w = lm.get_weight @columns : tensor<128x64x!lm.block<f32>>
  %b = lm.get_weight @bias : tensor<128xf32>
  %y = lm.linear %x, %w : (tensor<?x64xf32>, tensor<128x64x!lm.block<f32>>) -> tensor<?x128xf32>
  %z = lm.bias_add %y, %b : tensor<?x128xf32>, tensor<128xf32>
  %first = tensor.extract_slice %z[0, 0] [%n, 64] [1, 1] : tensor<?x128xf32> to tensor<?x64xf32>
  %heads = tensor.expand_shape %z [[0], [1, 2]] output_shape [%n, 8, 16] : tensor<?x128xf32> into tensor<?x8x16xf32>
  %second = tensor.extract_slice %heads[0, 4, 0] [%n, 4, 16] [1, 1, 1] : tensor<?x8x16xf32> to tensor<?x4x16xf32>
  return %first, %second : tensor<?x64xf32>, tensor<?x4x16xf32>
}

// Of each head a query, a key and a value: the rows of one are runs.
// CHECK-LABEL: func.func @heads
func.func @heads(%x: tensor<?x64xf32>, %n: index) -> tensor<?x2x2xf32> {
  // CHECK: %[[W:.*]] = lm.get_weight @heads3.2to10in2
  // CHECK: %[[L:.*]] = lm.linear %arg0, %[[W]] {{.*}} -> tensor<?x4xf32>
  // CHECK: tensor.expand_shape %[[L]] {{.*}} into tensor<?x2x2xf32>
  %w = lm.get_weight @heads3 : tensor<12x64x!lm.block<f32>>
  %y = lm.linear %x, %w : (tensor<?x64xf32>, tensor<12x64x!lm.block<f32>>) -> tensor<?x12xf32>
  %heads = tensor.expand_shape %y [[0], [1, 2]] output_shape [%n, 2, 6] : tensor<?x12xf32> into tensor<?x2x6xf32>
  %keys = tensor.extract_slice %heads[0, 0, 2] [%n, 2, 2] [1, 1, 1] : tensor<?x2x6xf32> to tensor<?x2x2xf32>
  return %keys : tensor<?x2x2xf32>
}

// Halves that are put together again the other way round are no parts.
// CHECK-LABEL: func.func @halves
func.func @halves(%x: tensor<?x64xf32>, %n: index) -> tensor<?x12xf32> {
  // CHECK: tensor.extract_slice
  // CHECK: tensor.extract_slice
  %w = lm.get_weight @heads3 : tensor<12x64x!lm.block<f32>>
  %y = lm.linear %x, %w : (tensor<?x64xf32>, tensor<12x64x!lm.block<f32>>) -> tensor<?x12xf32>
  %a = tensor.extract_slice %y[0, 0] [%n, 6] [1, 1] : tensor<?x12xf32> to tensor<?x6xf32>
  %b = tensor.extract_slice %y[0, 6] [%n, 6] [1, 1] : tensor<?x12xf32> to tensor<?x6xf32>
  %m = arith.negf %b : tensor<?x6xf32>
  %turned = tensor.concat dim(1) %m, %a : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x12xf32>
  return %turned : tensor<?x12xf32>
}

// CHECK-LABEL: func.func @blocks_of_rows
func.func @blocks_of_rows(%x: tensor<?x64xf32>, %n: index) -> tensor<?x2xf32> {
  // CHECK: lm.get_weight @blocks.2to4
  %w = lm.get_weight @blocks : tensor<8x64x!lm.block<q4_0>>
  %y = lm.linear %x, %w : (tensor<?x64xf32>, tensor<8x64x!lm.block<q4_0>>) -> tensor<?x8xf32>
  %part = tensor.extract_slice %y[0, 2] [%n, 2] [1, 1] : tensor<?x8xf32> to tensor<?x2xf32>
  return %part : tensor<?x2xf32>
}

// Each second row is no part; rows of a weight that is read in another order are not where they seem to be.
// CHECK-LABEL: func.func @near_misses
func.func @near_misses(%x: tensor<?x64xf32>, %n: index) -> (tensor<?x2xf32>, tensor<?x4xf32>) {
  // CHECK: tensor.extract_slice
  // CHECK: tensor.extract_slice
  %w = lm.get_weight @blocks : tensor<8x64x!lm.block<q4_0>>
  %y = lm.linear %x, %w : (tensor<?x64xf32>, tensor<8x64x!lm.block<q4_0>>) -> tensor<?x8xf32>
  %every = tensor.extract_slice %y[0, 0] [%n, 2] [1, 2] : tensor<?x8xf32> to tensor<?x2xf32>
  %t = lm.get_weight @turned : tensor<8x64x!lm.block<f32>>
  %u = lm.linear %x, %t : (tensor<?x64xf32>, tensor<8x64x!lm.block<f32>>) -> tensor<?x8xf32>
  %half = tensor.extract_slice %u[0, 0] [%n, 4] [1, 1] : tensor<?x8xf32> to tensor<?x4xf32>
  return %every, %half : tensor<?x2xf32>, tensor<?x4xf32>
}

// Pairs side by side that are moved apart before a rotation: heads of 8, all of them or the first 4 elements of each.
// CHECK-LABEL: func.func @pairs_apart
func.func @pairs_apart(%x: tensor<?x64xf32>, %whole: tensor<?x8xf32>, %part: tensor<?x4xf32>, %n: index) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  // CHECK: %[[WA:.*]] = lm.get_weight @pairs.16to32.apart : tensor<16x64x!lm.block<f32>>
  // CHECK: %[[A:.*]] = lm.linear %arg0, %[[WA]]
  // CHECK: %[[RA:.*]] = lm.rotary_embedding %[[A]], %arg1
  // CHECK: %[[WB:.*]] = lm.get_weight @pairs.0to16.apart : tensor<16x64x!lm.block<f32>>
  // CHECK: %[[B:.*]] = lm.linear %arg0, %[[WB]]
  // CHECK: %[[RB:.*]] = lm.rotary_embedding %[[B]], %arg2
  // CHECK: return %[[RA]], %[[RB]]
  %w = lm.get_weight @pairs : tensor<32x64x!lm.block<f32>>
  %y = lm.linear %x, %w : (tensor<?x64xf32>, tensor<32x64x!lm.block<f32>>) -> tensor<?x32xf32>
  %second = tensor.extract_slice %y[0, 16] [%n, 16] [1, 1] : tensor<?x32xf32> to tensor<?x16xf32>
  %p = tensor.expand_shape %second [[0], [1, 2, 3]] output_shape [%n, 2, 4, 2] : tensor<?x16xf32> into tensor<?x2x4x2xf32>
  %pe = tensor.empty(%n) : tensor<?x2x2x4xf32>
  %pt = linalg.transpose ins(%p : tensor<?x2x4x2xf32>) outs(%pe : tensor<?x2x2x4xf32>) permutation = [0, 1, 3, 2]
  %pc = tensor.collapse_shape %pt [[0], [1, 2, 3]] : tensor<?x2x2x4xf32> into tensor<?x16xf32>
  %a = lm.rotary_embedding %pc, %whole {head_length = 8 : i64} : tensor<?x16xf32>, tensor<?x8xf32>
  %first = tensor.extract_slice %y[0, 0] [%n, 16] [1, 1] : tensor<?x32xf32> to tensor<?x16xf32>
  %h = tensor.expand_shape %first [[0], [1, 2]] output_shape [%n, 2, 8] : tensor<?x16xf32> into tensor<?x2x8xf32>
  %turned = tensor.extract_slice %h[0, 0, 0] [%n, 2, 4] [1, 1, 1] : tensor<?x2x8xf32> to tensor<?x2x4xf32>
  %rest = tensor.extract_slice %h[0, 0, 4] [%n, 2, 4] [1, 1, 1] : tensor<?x2x8xf32> to tensor<?x2x4xf32>
  %q = tensor.expand_shape %turned [[0], [1], [2, 3]] output_shape [%n, 2, 2, 2] : tensor<?x2x4xf32> into tensor<?x2x2x2xf32>
  %qe = tensor.empty(%n) : tensor<?x2x2x2xf32>
  %qt = linalg.transpose ins(%q : tensor<?x2x2x2xf32>) outs(%qe : tensor<?x2x2x2xf32>) permutation = [0, 1, 3, 2]
  %qc = tensor.collapse_shape %qt [[0], [1], [2, 3]] : tensor<?x2x2x2xf32> into tensor<?x2x4xf32>
  %both = tensor.concat dim(2) %qc, %rest : (tensor<?x2x4xf32>, tensor<?x2x4xf32>) -> tensor<?x2x8xf32>
  %flat = tensor.collapse_shape %both [[0], [1, 2]] : tensor<?x2x8xf32> into tensor<?x16xf32>
  %b = lm.rotary_embedding %flat, %part {head_length = 8 : i64} : tensor<?x16xf32>, tensor<?x4xf32>
  return %a, %b : tensor<?x16xf32>, tensor<?x16xf32>
}

// Pairs of heads of another length stay where they are.
// CHECK-LABEL: func.func @other_pairs
func.func @other_pairs(%x: tensor<?x64xf32>, %table: tensor<?x8xf32>, %n: index) -> tensor<?x16xf32> {
  // CHECK: linalg.transpose
  %v = lm.get_weight @pairs : tensor<32x64x!lm.block<f32>>
  %y = lm.linear %x, %v : (tensor<?x64xf32>, tensor<32x64x!lm.block<f32>>) -> tensor<?x32xf32>
  %first = tensor.extract_slice %y[0, 0] [%n, 16] [1, 1] : tensor<?x32xf32> to tensor<?x16xf32>
  %p = tensor.expand_shape %first [[0], [1, 2, 3]] output_shape [%n, 4, 2, 2] : tensor<?x16xf32> into tensor<?x4x2x2xf32>
  %pe = tensor.empty(%n) : tensor<?x4x2x2xf32>
  %pt = linalg.transpose ins(%p : tensor<?x4x2x2xf32>) outs(%pe : tensor<?x4x2x2xf32>) permutation = [0, 1, 3, 2]
  %pc = tensor.collapse_shape %pt [[0], [1, 2, 3]] : tensor<?x4x2x2xf32> into tensor<?x16xf32>
  %a = lm.rotary_embedding %pc, %table {head_length = 8 : i64} : tensor<?x16xf32>, tensor<?x8xf32>
  return %a : tensor<?x16xf32>
}
