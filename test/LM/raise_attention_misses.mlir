// What is nearly attention: it stays, and lm-verify-mark says of each candidate why.
// RUN: lamina-opt %s -split-input-file -verify-diagnostics --allow-unregistered-dialect --lm-raise-attention --lm-verify-mark

// Not a mask that is added.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  %s2 = arith.addf %s1, %sz : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  // expected-note @below {{candidate: what is added to its scores is no causal mask}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// Without a mask.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  %s2 = lm.scale %s1, 1.0 : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  // expected-note @below {{candidate: its mask is scaled, or there is none}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// The weights are read by something else too.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  // expected-note @below {{candidate: its result is read by 2 operations}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  "test.read"(%w0) : (tensor<?x4x?xf32>) -> ()
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// Heads are repeated one after another, not each.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<2 x 16 x 16, f16>, %cache1: !lm.kv_cache<2 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x32xf32>, %vr: tensor<?x32xf32>) -> tensor<?x4x16xf32> {
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
  %k5 = linalg.broadcast ins(%k : tensor<?x2x16xf32>) outs(%ke : tensor<?x2x2x16xf32>) dimensions = [1]
  %kx = tensor.collapse_shape %k5 [[0], [1, 2], [3]] : tensor<?x2x2x16xf32> into tensor<?x4x16xf32>
  %v5 = linalg.broadcast ins(%v : tensor<?x2x16xf32>) outs(%ke : tensor<?x2x2x16xf32>) dimensions = [1]
  %vx = tensor.collapse_shape %v5 [[0], [1, 2], [3]] : tensor<?x2x2x16xf32> into tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %kx : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  // expected-note @below {{candidate: the heads of its keys are not those of the cache in order}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %vx : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// Values are not behind those of the cache.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  // expected-note @below {{candidate: its values are not those of a cache and this step's behind them}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %k : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// Two masks, of different positions.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  %p2 = lm.batch_field %batch, sequences : tensor<?xi32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %k : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xi1>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xi1>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xi1>) outs(%maske : tensor<?x4x?xi1>) dimensions = [1]
  %hidden = tensor.splat %lowest[%n, %c] : tensor<?x4x?xf32>
  %s3 = arith.select %maskb, %s1, %hidden : tensor<?x4x?xi1>, tensor<?x4x?xf32>
  %window = lm.causal_mask %p2 {window = 8 : i64} : (tensor<?xi32>) -> tensor<?x?xf32>
  %windowe = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %windowb = linalg.broadcast ins(%window : tensor<?x?xf32>) outs(%windowe : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s3, %windowb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  // expected-note @below {{candidate: its scores have masks of different positions}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// Two caches.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant -3.4e38 : f32
  %p = lm.batch_field %batch, positions : tensor<?xi32>
  %n = tensor.dim %p, %c0 : tensor<?xi32>
  %q = tensor.expand_shape %qr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %ki = tensor.expand_shape %kr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %vi = tensor.expand_shape %vr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %k = lm.concat_cache keys %cache, %ki : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %v = lm.concat_cache values %cache1, %vi : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
  %c = tensor.dim %k, %c0 : tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %k : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  // expected-note @below {{candidate: keys and values are of different caches}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// Values are scaled.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  %vs = lm.scale %v, 2.0 : tensor<?x4x16xf32>
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%q, %k : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  // expected-note @below {{candidate: its values are scaled}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %vs : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// Scores of another function.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  %s1 = arith.mulf %s0, %s0 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  // expected-note @below {{candidate: its scores are made by 'arith.mulf'}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// The mask hides too little.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  %hidden = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s2 = arith.select %maskb, %s1, %hidden : tensor<?x4x?xi1>, tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  // expected-note @below {{candidate: what chooses its scores is no causal mask}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// Over heads instead of positions.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  // expected-note @below {{candidate: it is not over positions of the context, which are last}}
  %w0 = linalg.softmax dimension(1) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// A cap of what is capped.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  %sc = lm.soft_cap %s0, 30.0 : tensor<?x4x?xf32>
  %s1 = lm.soft_cap %sc, 50.0 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  // expected-note @below {{candidate: its scores are scaled or capped after a soft cap}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// Products of queries with heads turned round.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  %qe = tensor.empty(%n) : tensor<?x16x4xf32>
  %qt0 = tensor.expand_shape %qr [[0], [1, 2]] output_shape [%n, 16, 4] : tensor<?x64xf32> into tensor<?x16x4xf32>
  %qte = tensor.empty(%n) : tensor<?x4x16xf32>
  %qt = linalg.transpose ins(%qt0 : tensor<?x16x4xf32>) outs(%qte : tensor<?x4x16xf32>) permutation = [0, 2, 1]
  %sz = tensor.splat %zero[%n, %c] : tensor<?x4x?xf32>
  %s0 = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, c)>] ins(%qt, %k : tensor<?x4x16xf32>, tensor<?x4x16xf32>) outs(%sz : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %s1 = lm.scale %s0, 0.25 : tensor<?x4x?xf32>
  %mask = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
  %maske = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  %maskb = linalg.broadcast ins(%mask : tensor<?x?xf32>) outs(%maske : tensor<?x4x?xf32>) dimensions = [1]
  %s2 = arith.addf %s1, %maskb : tensor<?x4x?xf32>
  %we = tensor.empty(%n, %c) : tensor<?x4x?xf32>
  // expected-note @below {{candidate: the heads of its queries are not one after another}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}

// -----

// Queries in an order that keys have not.
// expected-error @below {{has 1 of softmax, in which no attention was recognised}}
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 16 x 16, f16>, %cache1: !lm.kv_cache<4 x 16 x 16, f16>, %qr: tensor<?x64xf32>, %kr: tensor<?x64xf32>, %vr: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
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
  %kj = tensor.expand_shape %kr [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
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
  // expected-note @below {{candidate: the elements of its queries and keys are in different orders}}
  %w0 = linalg.softmax dimension(2) ins(%s2 : tensor<?x4x?xf32>) outs(%we : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
  %oz = tensor.splat %zero[%n] : tensor<?x4x16xf32>
  %o = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, c)>, affine_map<(s, h, c, d) -> (c, h, d)>, affine_map<(s, h, c, d) -> (s, h, d)>] ins(%w0, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) outs(%oz : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return %o : tensor<?x4x16xf32>
}
