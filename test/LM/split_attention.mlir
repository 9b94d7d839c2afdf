// RUN: lamina-opt %s -split-input-file --lm-split-attention=max-batch-tokens=64 | FileCheck %s

// 2048 positions are four ranges; 8 tokens of them are 32 slots, for which 64 rows of one slot are room enough.
module attributes {lm.context_length = 2048 : i64} {
  // CHECK-LABEL: func.func @step
  func.func @step(%q: tensor<?x64xf32>, %c: !lm.kv_cache<2 x 16 x 8, f16>, %p: tensor<?xi32>, %s: tensor<?xi32>, %t: tensor<?x?xi32>) -> tensor<?x32xf32> {
    // CHECK:      %[[X:.*]] = lm.online_attention %arg0, %arg1 at %arg2, %arg3, %arg4
    // CHECK-SAME: {range = 512 : i64, ranges = 4 : i64, scale = 2.500000e-01 : f32, soft_cap = 3.000000e+01 : f32, split_tokens = 8 : i64, window = 100 : i64}
    // CHECK-SAME: -> tensor<?x80xf32>
    // CHECK:      %[[O:.*]] = lm.attention_combine %[[X]] at %arg2 {heads = 4 : i64, range = 512 : i64, ranges = 4 : i64, split_tokens = 8 : i64, window = 100 : i64}
    // CHECK-SAME: (tensor<?x80xf32>, tensor<?xi32>) -> tensor<?x32xf32>
    // CHECK:      return %[[O]]
    %o = lm.attention %q, %c at %p, %s, %t {scale = 0.25 : f32, soft_cap = 30.0 : f32, window = 100 : i64} : tensor<?x64xf32>, !lm.kv_cache<2 x 16 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x32xf32>
    return %o : tensor<?x32xf32>
  }
}

// -----

// Without a length the default of 4096: eight ranges, 64 slots, just as many as rows.
module {
  // CHECK-LABEL: func.func @default_context
  func.func @default_context(%q: tensor<?x16xf32>, %c: !lm.kv_cache<1 x 16 x 16, f16>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) -> tensor<?x16xf32> {
    // CHECK: ranges = 8 : i64, {{.*}} split_tokens = 8 : i64} {{.*}} -> tensor<?x32xf32>
    %o = lm.attention %q, %c at %p, %p, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}

// -----

// One range: nothing to split.
module attributes {lm.context_length = 512 : i64} {
  // CHECK-LABEL: func.func @short
  func.func @short(%q: tensor<?x16xf32>, %c: !lm.kv_cache<1 x 16 x 16, f16>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) -> tensor<?x16xf32> {
    // CHECK: ranges = 1 : i64, {{.*}} split_tokens = 0 : i64}
    %o = lm.attention %q, %c at %p, %p, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}
