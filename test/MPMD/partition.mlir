// One llama layer: the cut is the residual stream, hidden size 64 × 4 bytes of f32 per token.
// RUN: lamina-opt %s --mpmd-default-topology --mpmd-partition --mpmd-verify-partition | FileCheck %s
// RUN: lamina-opt %s --mpmd-default-topology=monolithic=true --mpmd-partition --mpmd-verify-partition | FileCheck %s --check-prefix=MONO
// RUN: lamina-opt %s --mpmd-default-topology --mpmd-partition --mpmd-split-fragments --mpmd-merge-transfers --mpmd-hoist-transfers --mpmd-verify-comm | FileCheck %s --check-prefix=COMM

lm.weight @embd : tensor<512x64x!lm.block<q4_0>> from [#lm.source<"token_embd.weight" : q4_0, 0 at 0>]
lm.weight @norm : tensor<64xf32> from [#lm.source<"norm" : f32, 0 at 20000>]
lm.weight @wq : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"q" : q4_0, 0 at 30000>]
lm.weight @wk : tensor<32x64x!lm.block<q4_0>> from [#lm.source<"k" : q4_0, 0 at 40000>]
lm.weight @wup : tensor<128x64x!lm.block<q4_0>> from [#lm.source<"up" : q4_0, 0 at 50000>]
lm.weight @wdown : tensor<64x128x!lm.block<q4_0>> from [#lm.source<"down" : q4_0, 0 at 60000>]

// CHECK: mpmd.topology @cluster
// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[BATCH:.*]]: !lm.batch, %[[CACHE:.*]]: !mpmd.placed<!lm.kv_cache<4 x 8 x 8, f16>, @memory>
// CHECK-SAME: -> !mpmd.placed<tensor<?x512xf32>, @compute>
// CHECK-SAME: mpmd.cut_bytes = array<i64: 256>
// CHECK-SAME: mpmd.operations = 18 : i64

// CHECK-NEXT: %[[S:.*]]:4 = mpmd.fragment @compute "slice0"(%[[B:.*]] = %[[BATCH]])
// CHECK-DAG: %[[IDS:.*]] = lm.batch_field %[[B]], token_ids
// CHECK-DAG: %[[TABLE:.*]] = lm.get_weight @embd
// CHECK: %[[X:.*]] = lm.embedding %[[IDS]], %[[TABLE]]
// CHECK: %[[N:.*]] = lm.rms_norm %[[X]]
// CHECK: lm.linear %[[N]]
// CHECK: lm.rope_table
// CHECK: %[[Q:.*]] = lm.rotary_embedding
// CHECK: %[[K:.*]] = lm.rotary_embedding
// CHECK: %[[V:.*]] = lm.linear %[[N]]
// CHECK: mpmd.return %[[X]], %[[Q]], %[[K]], %[[V]]

// CHECK: %[[SENT0:.*]] = mpmd.transfer %[[S]]#{{[123]}} :
// CHECK-NEXT: %[[SENT1:.*]] = mpmd.transfer %[[S]]#{{[123]}} :
// CHECK-NEXT: %[[SENT2:.*]] = mpmd.transfer %[[S]]#{{[123]}} :
// CHECK-NEXT: %[[ATT:.*]] = mpmd.fragment @memory "attention0"(
// CHECK-SAME: %{{.*}} = %[[CACHE]]
// CHECK: lm.batch_field %{{.*}}, block_table
// CHECK: lm.cache_append
// CHECK: %[[O:.*]] = lm.attention
// CHECK: mpmd.return %[[O]]

// The residual goes from slice to slice as an operand.
// CHECK: %[[BACK:.*]] = mpmd.transfer %[[ATT]]
// CHECK-NEXT: %[[LOGITS:.*]] = mpmd.fragment @compute "slice1"({{.*}} = %[[S]]#0
// CHECK: lm.gated_activation
// CHECK: lm.gather_rows
// CHECK: return %[[LOGITS]] : !mpmd.placed<tensor<?x512xf32>, @compute>

// MONO-NOT: mpmd.link
// MONO-LABEL: func.func @step(
// MONO-SAME: !mpmd.placed<!lm.kv_cache<4 x 8 x 8, f16>, @compute>
// MONO-SAME: mpmd.cut_bytes = array<i64>
// MONO-NEXT: mpmd.fragment @compute "model"
// MONO: lm.cache_append
// MONO-NEXT: lm.attention
// MONO-NOT: mpmd.fragment
// MONO-NOT: mpmd.transfer

// After phase comm the query leaves before keys and values are computed.
// COMM-LABEL: func.func @step(
// COMM: %[[S:.*]]:3 = mpmd.fragment @compute "slice0.q"
// COMM: %[[Q:.*]] = lm.rotary_embedding {{.*}} tensor<?x64xf32>
// COMM-NEXT: mpmd.return %{{.*}}, %{{.*}}, %[[Q]]
// COMM: mpmd.transfer %[[S]]#2 :
// COMM-NEXT: %[[KV:.*]]:2 = mpmd.fragment @compute "slice0.kv"
// COMM-COUNT-2: lm.linear {{.*}} -> tensor<?x32xf32>
// COMM: mpmd.transfer %[[KV]]#0, %[[KV]]#1 :
// COMM-NEXT: %[[M:.*]] = mpmd.fragment @memory "attention0"
// COMM: mpmd.transfer %[[M]] :
// COMM-NEXT: mpmd.fragment @compute "slice1"
// COMM-NOT: mpmd.transfer
func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<4 x 8 x 8, f16>) -> tensor<?x512xf32> {
  %ids = lm.batch_field %batch, token_ids : tensor<?xi32>
  %positions = lm.batch_field %batch, positions : tensor<?xi32>
  %sequences = lm.batch_field %batch, sequences : tensor<?xi32>
  %rows = lm.batch_field %batch, output_rows : tensor<?xi32>
  %blocks = lm.batch_field %batch, block_table : tensor<?x?xi32>
  %table = lm.get_weight @embd : tensor<512x64x!lm.block<q4_0>>
  %norm = lm.get_weight @norm : tensor<64xf32>
  %wq = lm.get_weight @wq : tensor<64x64x!lm.block<q4_0>>
  %wk = lm.get_weight @wk : tensor<32x64x!lm.block<q4_0>>
  %wup = lm.get_weight @wup : tensor<128x64x!lm.block<q4_0>>
  %wdown = lm.get_weight @wdown : tensor<64x128x!lm.block<q4_0>>
  %x = lm.embedding %ids, %table : (tensor<?xi32>, tensor<512x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  %rope = lm.rope_table %positions {frequencies = array<f64: 1.0, 0.1, 0.01, 0.001>, magnitude = 1.0 : f32}
      : (tensor<?xi32>) -> tensor<?x8xf32>
  %n = lm.rms_norm %x, %norm {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %q0 = lm.linear %n, %wq : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  %q = lm.rotary_embedding %q0, %rope {head_length = 8 : i64} : tensor<?x64xf32>, tensor<?x8xf32>
  %k0 = lm.linear %n, %wk : (tensor<?x64xf32>, tensor<32x64x!lm.block<q4_0>>) -> tensor<?x32xf32>
  %k = lm.rotary_embedding %k0, %rope {head_length = 8 : i64} : tensor<?x32xf32>, tensor<?x8xf32>
  %v = lm.linear %n, %wk : (tensor<?x64xf32>, tensor<32x64x!lm.block<q4_0>>) -> tensor<?x32xf32>
  %c = lm.cache_append %cache, %k, %v at %positions, %sequences, %blocks
      : !lm.kv_cache<4 x 8 x 8, f16>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
  %o = lm.attention %q, %c at %positions, %sequences, %blocks {scale = 0.35 : f32}
      : tensor<?x64xf32>, !lm.kv_cache<4 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  %p = lm.linear %o, %wq : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
  %y = arith.addf %x, %p : tensor<?x64xf32>
  %m = lm.rms_norm %y, %norm {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %gate = lm.linear %m, %wup : (tensor<?x64xf32>, tensor<128x64x!lm.block<q4_0>>) -> tensor<?x128xf32>
  %act = lm.gated_activation silu %gate, %gate : tensor<?x128xf32>
  %down = lm.linear %act, %wdown : (tensor<?x128xf32>, tensor<64x128x!lm.block<q4_0>>) -> tensor<?x64xf32>
  %z = arith.addf %y, %down : tensor<?x64xf32>
  %last = lm.gather_rows %z, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
  %logits = lm.linear %last, %table : (tensor<?x64xf32>, tensor<512x64x!lm.block<q4_0>>) -> tensor<?x512xf32>
  return %logits : tensor<?x512xf32>
}
