// Attention written as products and a softmax, in the forms that exporters write.
// RUN: lamina-opt %s --lm-raise-attention | FileCheck %s

// CHECK-LABEL: func.func @scale_after_the_product(
func.func @scale_after_the_product(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
  // CHECK-DAG: %[[P:.*]] = lm.batch_field %arg0, positions
  // CHECK-DAG: %[[S:.*]] = lm.batch_field %arg0, sequences
  // CHECK-DAG: %[[T:.*]] = lm.batch_field %arg0, block_table
  // CHECK: %[[C:.*]] = lm.cache_append %arg1, %arg4, %arg5 at %[[P]], %[[S]], %[[T]]
  // CHECK-NEXT: %[[R:.*]] = lm.attention %arg3, %[[C]] at %[[P]], %[[S]], %[[T]] {scale = 2.500000e-01 : f32}
  // CHECK: %[[E:.*]] = tensor.expand_shape %[[R]]
  // CHECK-NEXT: return %[[E]]
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant -3.4e38 : f32
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %n = tensor.dim %p, %c0 : tensor<?xi32>
  %q = tensor.expand_shape %qr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %ki = tensor.expand_shape %kr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %vi = tensor.expand_shape %vr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %k = lm.concat_cache keys %cache, %ki : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %v = lm.concat_cache values %cache, %vi : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %c = tensor.dim %k, %c0 : tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %k : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// CHECK-LABEL: func.func @scale_on_both_sides(
func.func @scale_on_both_sides(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
  // CHECK: lm.attention %arg3, {{.*}} {scale = 2.500000e-01 : f32, window = 8 : i64}
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant -3.4e38 : f32
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %n = tensor.dim %p, %c0 : tensor<?xi32>
  %q = tensor.expand_shape %qr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %ki = tensor.expand_shape %kr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %vi = tensor.expand_shape %vr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %k = lm.concat_cache keys %cache, %ki : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %v = lm.concat_cache values %cache, %vi : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %c = tensor.dim %k, %c0 : tensor<?x4x16xf32>
  %qs = lm.scale %q, 0.5 : tensor<?x4x16xf32>
  %ks = lm.scale %k, 0.5 : tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%qs, %ks : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %mask = lm.causal_mask %p {window = 8 : i64} : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %maskb, %s0 : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// CHECK-LABEL: func.func @mask_that_chooses_and_a_guard(
func.func @mask_that_chooses_and_a_guard(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
  // CHECK: lm.attention %arg3, {{.*}} {scale = 2.500000e-01 : f32}
  // CHECK-NOT: linalg.softmax
  // CHECK: return
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant -3.4e38 : f32
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %n = tensor.dim %p, %c0 : tensor<?xi32>
  %q = tensor.expand_shape %qr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %ki = tensor.expand_shape %kr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %vi = tensor.expand_shape %vr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %k = lm.concat_cache keys %cache, %ki : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %v = lm.concat_cache values %cache, %vi : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %c = tensor.dim %k, %c0 : tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %k : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xi1>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xi1>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xi1>) outs(%maske : tensor<?x4x?xi1>) dimensions = [1]
  %hidden = tensor.splat %lowest[%n, %c] : tensor<?x4x?xf32>
  %s2 = arith.select %maskb, %s1, %hidden : tensor<?x4x?xi1>, tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %nan = arith.cmpf uno, %w0, %w0 : tensor<?x4x?xf32>
  %none = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %w1 = arith.select %nan, %none, %w0 : tensor<?x4x?xi1>, tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w1, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// CHECK-LABEL: func.func @soft_cap(
func.func @soft_cap(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
  // CHECK: lm.attention %arg3, {{.*}} {scale = 2.500000e-01 : f32, soft_cap = 5.000000e+01 : f32}
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant -3.4e38 : f32
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %n = tensor.dim %p, %c0 : tensor<?xi32>
  %q = tensor.expand_shape %qr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %ki = tensor.expand_shape %kr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %vi = tensor.expand_shape %vr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %k = lm.concat_cache keys %cache, %ki : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %v = lm.concat_cache values %cache, %vi : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %c = tensor.dim %k, %c0 : tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %k : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %sc = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %s1 = lm.soft_cap %sc, 50.0 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// CHECK-LABEL: func.func @two_masks(
func.func @two_masks(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
  // CHECK: lm.attention %arg3, {{.*}} {scale = 2.500000e-01 : f32, window = 8 : i64}
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant -3.4e38 : f32
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %n = tensor.dim %p, %c0 : tensor<?xi32>
  %q = tensor.expand_shape %qr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %ki = tensor.expand_shape %kr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %vi = tensor.expand_shape %vr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %k = lm.concat_cache keys %cache, %ki : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %v = lm.concat_cache values %cache, %vi : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %c = tensor.dim %k, %c0 : tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %k : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xi1>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xi1>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xi1>) outs(%maske : tensor<?x4x?xi1>) dimensions = [1]
  %hidden = tensor.splat %lowest[%n, %c] : tensor<?x4x?xf32>
  %s3 = arith.select %maskb, %s1, %hidden : tensor<?x4x?xi1>, tensor<?x4x?xf32>
  %window = lm.causal_mask %p {window = 8 : i64} : (tensor<?xi32>) -> tensor<?x?xf32>
  %windowe = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %windowb = linalg.broadcast ins(%window : tensor<?x?xf32>) outs(%windowe : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s3, %windowb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// CHECK-LABEL: func.func @repeated_heads(
func.func @repeated_heads(%batch: !lm.batch, %cache: !lm.kv_cache<2 x 16 x 16, f16>, %cache1: !lm.kv_cache<2 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x32xf32>, %vr: tensor<?x32xf32>) -> tensor<?x4x16xf32> {
  // CHECK: lm.cache_append %arg1, %arg4, %arg5
  // CHECK: lm.attention %arg3, {{.*}} : tensor<?x64xf32>, <2 x 16 x 16, f16>
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant -3.4e38 : f32
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %n = tensor.dim %p, %c0 : tensor<?xi32>
  %q = tensor.expand_shape %qr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %ki = tensor.expand_shape %kr [[0], [1, 2]] output_shape [%n, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
  %vi = tensor.expand_shape %vr [[0], [1, 2]] output_shape [%n, 2, 16] : tensor<?x32xf32> into tensor<?x2x16xf32>
  %k = lm.concat_cache keys %cache, %ki : !lm.kv_cache<2 x 16 x 16, f16>, tensor<?x2x16xf32>
  %v = lm.concat_cache values %cache, %vi : !lm.kv_cache<2 x 16 x 16, f16>, tensor<?x2x16xf32>
  %c = tensor.dim %k, %c0 : tensor<?x2x16xf32>
  %ke = tensor.empty(%c) : tensor<?x2x2x16xf32>
  %k5 = linalg.broadcast ins(%k : tensor<?x2x16xf32>) outs(%ke : tensor<?x2x2x16xf32>) dimensions = [2]
  %kx = tensor.collapse_shape %k5 [[0], [1, 2], [3]] : tensor<?x2x2x16xf32> into tensor<?x4x16xf32>
  %v5 = linalg.broadcast ins(%v : tensor<?x2x16xf32>) outs(%ke : tensor<?x2x2x16xf32>) dimensions = [2]
  %vx = tensor.collapse_shape %v5 [[0], [1, 2], [3]] : tensor<?x2x2x16xf32> into tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %kx : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %vx : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// CHECK-LABEL: func.func @rotated_keys(
func.func @rotated_keys(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
  // CHECK: %[[R:.*]] = lm.rotary_embedding %arg4
  // CHECK: lm.cache_append %arg1, %[[R]], %arg5
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant -3.4e38 : f32
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %n = tensor.dim %p, %c0 : tensor<?xi32>
  %q = tensor.expand_shape %qr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %ki = tensor.expand_shape %kr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %vi = tensor.expand_shape %vr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %table = lm.rope_table %p {frequencies = array<f64: 1.0>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x2xf32>
  %rot = lm.rotary_embedding %kr, %table {head_length = 16} : tensor<?x64xf32>, tensor<?x2xf32>
  %kj = tensor.expand_shape %rot [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %k = lm.concat_cache keys %cache, %kj : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %v = lm.concat_cache values %cache, %vi : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %c = tensor.dim %k, %c0 : tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %k : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// CHECK-LABEL: func.func @an_order_that_queries_and_keys_share(
func.func @an_order_that_queries_and_keys_share(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
  // CHECK: %[[C:.*]] = lm.cache_append %arg1, %arg4, %arg5
  // CHECK-NEXT: lm.attention %arg3, %[[C]]
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant -3.4e38 : f32
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %n = tensor.dim %p, %c0 : tensor<?xi32>
  %q4 = tensor.expand_shape %qr [[0], [1, 2, 3]] output_shape [%n, 4, 8, 2] : tensor<?x64xf32> into tensor<?x4x8x2xf32>
  %qe = tensor.empty(%n) : tensor<?x4x2x8xf32>
  %qt = linalg.transpose ins(%q4 : tensor<?x4x8x2xf32>) outs(%qe : tensor<?x4x2x8xf32>) permutation = [0, 1, 3, 2]
  %q = tensor.collapse_shape %qt [[0], [1], [2, 3]] : tensor<?x4x2x8xf32> into tensor<?x4x16xf32>
  %vi = tensor.expand_shape %vr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %kj4 = tensor.expand_shape %kr [[0], [1, 2, 3]] output_shape [%n, 4, 8, 2] : tensor<?x64xf32> into tensor<?x4x8x2xf32>
  %kje = tensor.empty(%n) : tensor<?x4x2x8xf32>
  %kjt = linalg.transpose ins(%kj4 : tensor<?x4x8x2xf32>) outs(%kje : tensor<?x4x2x8xf32>) permutation = [0, 1, 3, 2]
  %kj = tensor.collapse_shape %kjt [[0], [1], [2, 3]] : tensor<?x4x2x8xf32> into tensor<?x4x16xf32>
  %k = lm.concat_cache keys %cache, %kj : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %v = lm.concat_cache values %cache, %vi : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %c = tensor.dim %k, %c0 : tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %k : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}
