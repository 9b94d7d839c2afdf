// Every operation prints what it parses.
// RUN: lamina-opt %s --allow-unregistered-dialect --verify-roundtrip | FileCheck %s

// CHECK: lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"a.weight" : q4_0, 0 at 128>] {rope_heads = 8 : i64, rope_length = 8 : i64}
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"a.weight" : q4_0, 0 at 128>] {rope_heads = 8 : i64, rope_length = 8 : i64}
lm.weight @e : tensor<4x32x64x!lm.block<f16>> from [#lm.source<"e0" : f16, 0 at 0>, #lm.source<"e1" : f16, 1 at 0>]
lm.weight @g : tensor<64xf32> from [#lm.source<"g" : f32, 0 at 0>]

// CHECK-LABEL: func.func @decoder
func.func @decoder(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 8 x 8, f16>) -> tensor<?x64xf32> {
  // CHECK: lm.batch_field %{{.*}}, token_ids : tensor<?xi32>
  %ids = lm.batch_field %batch, token_ids : tensor<?xi32>
  %pos = lm.batch_field %batch, positions : tensor<?xi32>
  %seq = lm.batch_field %batch, sequences : tensor<?xi32>
  %rows = lm.batch_field %batch, output_rows : tensor<?xi32>
  %table = lm.batch_field %batch, block_table : tensor<?x?xi32>
  // CHECK: lm.get_weight @w : tensor<64x64x!lm.block<q4_0>>
  %w = lm.get_weight @w : tensor<64x64x!lm.block<q4_0>>
  %g = lm.get_weight @g : tensor<64xf32>
  // CHECK: lm.embedding
  %x = lm.embedding %ids, %w : (tensor<?xi32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  // CHECK: lm.scale %{{.*}}, 8.000000e+00 : tensor<?x64xf32>
  %s = lm.scale %x, 8.0 : tensor<?x64xf32>
  // CHECK: lm.rms_norm %{{.*}}, %{{.*}} {epsilon = 9.99999974E-6 : f32}
  %n = lm.rms_norm %s, %g {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: lm.layer_norm %{{.*}}, %{{.*}}, %{{.*}} {epsilon = 9.99999974E-6 : f32}
  %ln = lm.layer_norm %s, %g, %g {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>, tensor<64xf32>
  // CHECK: lm.layer_norm %{{.*}}, %{{.*}} {epsilon = 9.99999974E-6 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %scaled = lm.layer_norm %s, %g {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: lm.activation gelu %{{.*}} : tensor<?x64xf32>
  %act = lm.activation gelu %ln : tensor<?x64xf32>
  // CHECK: lm.linear
  %q = lm.linear %n, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  // CHECK: lm.quantize %{{.*}} : tensor<?x64xf32> -> tensor<?x64x!lm.q8>
  %n8 = lm.quantize %n : tensor<?x64xf32> -> tensor<?x64x!lm.q8>
  // CHECK: lm.linear %{{.*}} : (tensor<?x64x!lm.q8>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  %q8 = lm.linear %n8, %w : (tensor<?x64x!lm.q8>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  // CHECK: lm.bias_add
  %b = lm.bias_add %q, %g : tensor<?x64xf32>, tensor<64xf32>
  // CHECK: lm.rope_table %{{.*}} {frequencies = array<f64: 1.000000e+00, 1.000000e-01>, magnitude = 1.000000e+00 : f32}
  %t = lm.rope_table %pos {frequencies = array<f64: 1.0, 0.1>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x4xf32>
  // CHECK: lm.rotary_embedding %{{.*}}, %{{.*}} {head_length = 8 : i64}
  %r = lm.rotary_embedding %b, %t {head_length = 8 : i64} : tensor<?x64xf32>, tensor<?x4xf32>
  %k = "test.k"(%n) : (tensor<?x64xf32>) -> tensor<?x32xf32>
  // CHECK: lm.cache_append %{{.*}}, %{{.*}}, %{{.*}} at
  %c = lm.cache_append %cache, %k, %k at %pos, %seq, %table : !lm.kv_cache<4 x 8 x 8, f16>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
  // CHECK: lm.attention %{{.*}}, %{{.*}} at %{{.*}} {scale = 1.250000e-01 : f32, soft_cap = 5.000000e+01 : f32, window = 16 : i64}
  %o = lm.attention %r, %c at %pos, %seq, %table {scale = 0.125 : f32, soft_cap = 50.0 : f32, window = 16 : i64} : tensor<?x64xf32>, !lm.kv_cache<4 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  // CHECK: lm.online_attention %{{.*}}, %{{.*}} at %{{.*}} {range = 512 : i64, ranges = 2 : i64, scale = 1.250000e-01 : f32, split_tokens = 8 : i64}
  %parts = lm.online_attention %r, %c at %pos, %seq, %table {scale = 0.125 : f32, range = 512, ranges = 2, split_tokens = 8} : tensor<?x64xf32>, !lm.kv_cache<4 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x144xf32>
  // CHECK: lm.attention_combine %{{.*}} at %{{.*}} {heads = 8 : i64
  %merged = lm.attention_combine %parts at %pos {heads = 8, range = 512, ranges = 2, split_tokens = 8} : (tensor<?x144xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  // CHECK: lm.gated_activation silu
  %a = lm.gated_activation silu %o, %n : tensor<?x64xf32>
  // CHECK: lm.soft_cap %{{.*}}, 3.000000e+01 : tensor<?x64xf32>
  %p = lm.soft_cap %a, 30.0 : tensor<?x64xf32>
  // CHECK: lm.gather_rows
  %out = lm.gather_rows %p, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  return %out : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @products_and_softmax
func.func @products_and_softmax(%cache: !lm.kv_cache<4 x 16 x 8, f16>, %pos: tensor<?xi32>, %k: tensor<?x4x16xf32>, %v: tensor<?x32xf32>) {
  // CHECK: lm.concat_cache keys %{{.*}}, %{{.*}} : <4 x 16 x 8, f16>, tensor<?x4x16xf32>
  %keys = lm.concat_cache keys %cache, %k : !lm.kv_cache<4 x 16 x 8, f16>, tensor<?x4x16xf32>
  // CHECK: lm.concat_cache values
  %values = lm.concat_cache values %cache, %v : !lm.kv_cache<4 x 16 x 8, f16>, tensor<?x32xf32>
  // CHECK: lm.causal_mask %{{.*}} : (tensor<?xi32>) -> tensor<?x?xi1>
  %seen = lm.causal_mask %pos : (tensor<?xi32>) -> tensor<?x?xi1>
  // CHECK: lm.causal_mask %{{.*}} {window = 16 : i64} : (tensor<?xi32>) -> tensor<?x?xf32>
  %added = lm.causal_mask %pos {window = 16 : i64} : (tensor<?xi32>) -> tensor<?x?xf32>
  return
}

// CHECK-LABEL: func.func @experts
func.func @experts(%x: tensor<?x64xf32>, %logits: tensor<?x4xf32>) -> tensor<?x32xf32> {
  %e = lm.get_weight @e : tensor<4x32x64x!lm.block<f16>>
  // CHECK: lm.route_experts %{{.*}} {normalize} : (tensor<?x4xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>)
  %i, %w = lm.route_experts %logits {normalize} : (tensor<?x4xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>)
  // CHECK: lm.expert_linear
  %y = lm.expert_linear %x, %i, %e : (tensor<?x64xf32>, tensor<?x2xi32>, tensor<4x32x64x!lm.block<f16>>) -> tensor<?x2x32xf32>
  // CHECK: lm.combine_experts
  %z = lm.combine_experts %y, %w : (tensor<?x2x32xf32>, tensor<?x2xf32>) -> tensor<?x32xf32>
  return %z : tensor<?x32xf32>
}

// CHECK-LABEL: func.func @tensors
func.func @tensors(%q: tensor<9x4xf32>, %k: tensor<4x9xf32>, %m: tensor<9xi1>) -> (tensor<9x4xf32>, tensor<9xi1>) {
  // CHECK: lm.tensor_attention linear %{{.*}} over %{{.*}}, %{{.*}} with %{{.*}} : (tensor<9x4xf32>, tensor<4x9xf32>, tensor<9x4xf32>, tensor<9xi1>) -> (tensor<9x4xf32>, tensor<9xi1>) {
  // CHECK-NEXT: ^bb0(%[[Q:.*]]: tensor<9x4xf32>, %{{.*}}: tensor<4x9xf32>, %{{.*}}: tensor<9x4xf32>, %[[M:.*]]: tensor<9xi1>):
  // CHECK-NEXT:   lm.yield %[[Q]], %[[M]] : tensor<9x4xf32>, tensor<9xi1>
  %y:2 = lm.tensor_attention linear %q over %k, %q with %m : (tensor<9x4xf32>, tensor<4x9xf32>, tensor<9x4xf32>, tensor<9xi1>) -> (tensor<9x4xf32>, tensor<9xi1>) {
  ^bb0(%query: tensor<9x4xf32>, %key: tensor<4x9xf32>, %value: tensor<9x4xf32>, %mask: tensor<9xi1>):
    lm.yield %query, %mask : tensor<9x4xf32>, tensor<9xi1>
  }
  return %y#0, %y#1 : tensor<9x4xf32>, tensor<9xi1>
}

// CHECK-LABEL: func.func @sampling
func.func @sampling(%logits: tensor<?x512xf32>) -> (tensor<?x64xf32>, tensor<?x64xi32>) {
  // CHECK: lm.top_k %{{.*}} : (tensor<?x512xf32>) -> (tensor<?x64xf32>, tensor<?x64xi32>)
  %values, %ids = lm.top_k %logits : (tensor<?x512xf32>) -> (tensor<?x64xf32>, tensor<?x64xi32>)
  return %values, %ids : tensor<?x64xf32>, tensor<?x64xi32>
}
