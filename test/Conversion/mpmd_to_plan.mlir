// RUN: lamina-opt %s -split-input-file -verify-diagnostics --mpmd-to-plan="max-batch-tokens=32 max-output-rows=64 max-sequences=2 max-context=64" | FileCheck %s
// RUN: lamina-opt %s -split-input-file -verify-diagnostics --mpmd-to-plan="max-context=64 kv-tokens=100" | FileCheck %s --check-prefix=PAGES

// One layer: the query leaves first, keys arrive, the wait stands before the first use of each.
!rows = !mpmd.placed<tensor<?x16xf32>, @compute>
!there = !mpmd.placed<tensor<?x16xf32>, @memory>
!cache = !lm.kv_cache<1 x 16 x 16, f16>
// Output rows are bounded by tokens; four sequences of 64 tokens are 16 pages of 16.
// CHECK:      module @layer attributes {mpmd.cut_bytes = array<i64: 64>, plan.limits = {kv_pages = 16 : i64, max_batch_tokens = 32 : i64,
// CHECK-SAME:   max_context = 64 : i64, max_output_rows = 32 : i64, max_sequences = 2 : i64}}
// PAGES:      plan.limits = {kv_pages = 7 : i64, max_batch_tokens = 512 : i64, max_context = 64 : i64, max_output_rows = 64 : i64, max_sequences = 16 : i64}
module @layer {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
    mpmd.device_class @memory : memory on cpu
    mpmd.link @compute -> @memory
  }
  lm.weight @w : tensor<16x16x!lm.block<f32>> from [#lm.source<"w" : f32, 0 at 0>]
  plan.kernel @embedding {
  ^bb0(%ids: tensor<?xi32>, %w: tensor<16x16x!lm.block<f32>>):
    %0 = lm.embedding %ids, %w : (tensor<?xi32>, tensor<16x16x!lm.block<f32>>) -> tensor<?x16xf32>
    plan.yield %0 : tensor<?x16xf32>
  }
  plan.kernel @rope {
  ^bb0(%p: tensor<?xi32>):
    %0 = lm.rope_table %p {frequencies = array<f64: 1.0>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x2xf32>
    plan.yield %0 : tensor<?x2xf32>
  }
  plan.kernel @rotate {
  ^bb0(%x: tensor<?x16xf32>, %t: tensor<?x2xf32>):
    %0 = lm.rotary_embedding %x, %t {head_length = 16 : i64} : tensor<?x16xf32>, tensor<?x2xf32>
    plan.yield %0 : tensor<?x16xf32>
  }
  plan.kernel @append {
  ^bb0(%c: !cache, %k: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>):
    %0 = lm.cache_append %c, %k, %k at %p, %p, %t : !cache, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    plan.yield %0 : !cache
  }
  plan.kernel @attend {
  ^bb0(%q: tensor<?x16xf32>, %c: !cache, %p: tensor<?xi32>, %t: tensor<?x?xi32>):
    %0 = lm.attention %q, %c at %p, %p, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !cache, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    plan.yield %0 : tensor<?x16xf32>
  }
  plan.kernel @gather {
  ^bb0(%x: tensor<?x16xf32>, %r: tensor<?xi32>):
    %0 = lm.gather_rows %x, %r : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
    plan.yield %0 : tensor<?x16xf32>
  }
  plan.kernel @linear {
  ^bb0(%x: tensor<?x16xf32>, %w: tensor<16x16x!lm.block<f32>>):
    %0 = lm.linear %x, %w : (tensor<?x16xf32>, tensor<16x16x!lm.block<f32>>) -> tensor<?x16xf32>
    plan.yield %0 : tensor<?x16xf32>
  }

  // CHECK-NOT: func.func
  func.func @step(%batch: !lm.batch, %cache: !mpmd.placed<!cache, @memory>) -> !rows attributes {mpmd.cut_bytes = array<i64: 64>} {
    %s0:2 = mpmd.fragment @compute "slice0.q"(%b = %batch) : (!lm.batch) -> (!rows, !rows) {
      %ids = lm.batch_field %b, token_ids : tensor<?xi32>
      %p = lm.batch_field %b, positions : tensor<?xi32>
      %w = lm.get_weight @w : tensor<16x16x!lm.block<f32>>
      %x = plan.call @embedding(%ids, %w) "token_embd" : (tensor<?xi32>, tensor<16x16x!lm.block<f32>>) -> tensor<?x16xf32>
      %t = plan.call @rope(%p) "rope" : (tensor<?xi32>) -> tensor<?x2xf32>
      %q = plan.call @rotate(%x, %t) "blk.0.attn_q" : (tensor<?x16xf32>, tensor<?x2xf32>) -> tensor<?x16xf32>
      mpmd.return %x, %q : tensor<?x16xf32>, tensor<?x16xf32>
    }
    %q = mpmd.transfer %s0#1 : (!rows) -> !there
    %s1 = mpmd.fragment @compute "slice0.kv"(%x = %s0#0, %b = %batch) : (!rows, !lm.batch) -> (!rows) {
      %p = lm.batch_field %b, positions : tensor<?xi32>
      %t = plan.call @rope(%p) "rope" : (tensor<?xi32>) -> tensor<?x2xf32>
      %k = plan.call @rotate(%x, %t) "blk.0.attn_k" : (tensor<?x16xf32>, tensor<?x2xf32>) -> tensor<?x16xf32>
      mpmd.return %k : tensor<?x16xf32>
    }
    %k = mpmd.transfer %s1 : (!rows) -> !there
    %a = mpmd.fragment @memory "attention0"(%c = %cache, %ka = %k, %qa = %q, %b = %batch) : (!mpmd.placed<!cache, @memory>, !there, !there, !lm.batch) -> (!there) {
      %p = lm.batch_field %b, positions : tensor<?xi32>
      %t = lm.batch_field %b, block_table : tensor<?x?xi32>
      %d = plan.call @append(%c, %ka, %p, %t) "blk.0.attention" : (!cache, tensor<?x16xf32>, tensor<?xi32>, tensor<?x?xi32>) -> !cache
      %o = plan.call @attend(%qa, %d, %p, %t) "blk.0.attention" : (tensor<?x16xf32>, !cache, tensor<?xi32>, tensor<?x?xi32>) -> tensor<?x16xf32>
      mpmd.return %o : tensor<?x16xf32>
    }
    %o = mpmd.transfer %a : (!there) -> !rows
    %s2 = mpmd.fragment @compute "slice1"(%x = %o, %b = %batch) : (!rows, !lm.batch) -> (!rows) {
      %r = lm.batch_field %b, output_rows : tensor<?xi32>
      %w = lm.get_weight @w : tensor<16x16x!lm.block<f32>>
      %y = plan.call @gather(%x, %r) "output" : (tensor<?x16xf32>, tensor<?xi32>) -> tensor<?x16xf32>
      %z = plan.call @linear(%y, %w) "output" : (tensor<?x16xf32>, tensor<16x16x!lm.block<f32>>) -> tensor<?x16xf32>
      mpmd.return %z : tensor<?x16xf32>
    }
    return %s2 : !rows
  }

  // The weight that two fragments use is one buffer; so is what depends on the batch alone.
  // CHECK-LABEL: plan.program @compute0 on @compute {
  // CHECK:         %[[IDS:.*]] = plan.buffer batch "token_ids" extent tokens at 0
  // CHECK:         %[[W:.*]] = plan.buffer weight "w" extent fixed from @w
  // CHECK:         %[[X:.*]] = plan.buffer arena "token_embd" extent tokens :
  // CHECK:         plan.dispatch @embedding(%[[IDS]], %[[W]]) -> (%[[X]]) "token_embd" extent tokens slice 0
  // CHECK:         plan.dispatch @rope(%{{.*}}) -> (%[[T:.*]]) "rope" extent tokens slice 0
  // CHECK:         plan.dispatch @rotate(%[[X]], %[[T]]) -> (%[[Q:.*]]) "blk.0.attn_q" extent tokens slice 0
  // CHECK:         plan.send 0 @memory0(%[[Q]]) "blk.0.attn_q" slice 1
  // CHECK-NOT:     plan.dispatch @rope
  // CHECK:         plan.dispatch @rotate(%[[X]], %[[T]]) -> (%[[K:.*]]) "blk.0.attn_k" extent tokens slice 1
  // CHECK:         plan.send 1 @memory0(%[[K]]) "blk.0.attn_k" slice 2
  // CHECK:         plan.recv 2 @memory0(%[[O:.*]]) "blk.0.attention" slice 3
  // CHECK:         plan.wait 2 slice 3
  // CHECK:         plan.dispatch @gather(%[[O]], %[[R:.*]]) -> (%[[Y:.*]]) "output" extent output_rows slice 3
  // CHECK-NOT:     plan.buffer weight
  // CHECK:         %[[LOGITS:.*]] = plan.buffer arena "logits" extent output_rows
  // CHECK:         plan.dispatch @linear(%[[Y]], %[[W]]) -> (%[[LOGITS]]) "output" extent output_rows slice 3

  // Both arrive while the worker waits for the keys alone; the cache is updated in place.
  // CHECK-LABEL: plan.program @memory0 on @memory {
  // CHECK:         %[[CACHE:.*]] = plan.buffer cache "cache.0" extent fixed at 0
  // CHECK:         %[[Q:.*]] = plan.buffer arena "blk.0.attn_q" extent tokens :
  // CHECK:         plan.recv 0 @compute0(%[[Q]])
  // CHECK:         plan.recv 1 @compute0(%[[K:.*]])
  // CHECK-NOT:     plan.wait 0
  // CHECK:         plan.wait 1 slice 2
  // CHECK-NEXT:    plan.dispatch @append(%[[CACHE]], %[[K]], %{{.*}}, %{{.*}}) -> ()
  // CHECK-NEXT:    plan.wait 0 slice 2
  // CHECK:         plan.dispatch @attend(%[[Q]], %[[CACHE]], %{{.*}}, %{{.*}}) -> (%[[A:.*]]) "blk.0.attention"
  // CHECK:         plan.send 2 @compute0(%[[A]]) "blk.0.attention" slice 3
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
!rows = !mpmd.placed<tensor<?x16xf32>, @compute>
func.func @operation_without_kernel(%x: !rows) -> !rows {
  %y = mpmd.fragment @compute "slice0"(%a = %x) : (!rows) -> (!rows) {
    // expected-error @below {{'lm.scale' op expected a plan.call; run plan-form-dispatches first}}
    %0 = lm.scale %a, 2.0 : tensor<?x16xf32>
    mpmd.return %0 : tensor<?x16xf32>
  }
  return %y : !rows
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
func.func @operation_in_no_fragment(%x: tensor<?x16xf32>) {
  // expected-error @below {{'lm.scale' op expected only fragments and transfers in a step function; run the comm phase first}}
  %0 = lm.scale %x, 2.0 : tensor<?x16xf32>
  return
}

// -----

// The runtime finds what a step returns by name.
!logits = !mpmd.placed<tensor<?x64xf32>, @compute>
!values = !mpmd.placed<tensor<?x8xf32>, @compute>
!ids = !mpmd.placed<tensor<?x8xi32>, @compute>
module @candidates {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cuda
  }
  lm.weight @w : tensor<16x64x!lm.block<f32>> from [#lm.source<"w" : f32, 0 at 0>]
  plan.kernel @top {
  ^bb0(%ids: tensor<?xi32>, %w: tensor<16x64x!lm.block<f32>>):
    %0 = lm.embedding %ids, %w : (tensor<?xi32>, tensor<16x64x!lm.block<f32>>) -> tensor<?x64xf32>
    %v, %i = lm.top_k %0 : (tensor<?x64xf32>) -> (tensor<?x8xf32>, tensor<?x8xi32>)
    plan.yield %0, %v, %i : tensor<?x64xf32>, tensor<?x8xf32>, tensor<?x8xi32>
  }
  // CHECK-LABEL: plan.program @compute0 on @compute {
  // CHECK-DAG:     %[[L:.*]] = plan.buffer arena "logits" extent
  // CHECK-DAG:     %[[V:.*]] = plan.buffer arena "candidate_logits" extent
  // CHECK-DAG:     %[[I:.*]] = plan.buffer arena "candidate_ids" extent
  // CHECK:         plan.dispatch @top({{.*}}) -> (%[[L]], %[[V]], %[[I]])
  func.func @step(%batch: !lm.batch) -> (!logits, !values, !ids) {
    %r:3 = mpmd.fragment @compute "slice0"(%b = %batch) : (!lm.batch) -> (!logits, !values, !ids) {
      %ids = lm.batch_field %b, token_ids : tensor<?xi32>
      %w = lm.get_weight @w : tensor<16x64x!lm.block<f32>>
      %l, %v, %i = plan.call @top(%ids, %w) "output" : (tensor<?xi32>, tensor<16x64x!lm.block<f32>>) -> (tensor<?x64xf32>, tensor<?x8xf32>, tensor<?x8xi32>)
      mpmd.return %l, %v, %i : tensor<?x64xf32>, tensor<?x8xf32>, tensor<?x8xi32>
    }
    return %r#0, %r#1, %r#2 : !logits, !values, !ids
  }
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
!rows = !mpmd.placed<tensor<?x16xf32>, @compute>
func.func @more_results_than_have_names(%x: !rows) -> (!rows, !rows, !rows, !rows) {
  // expected-error @below {{'func.return' op expected logits and candidates, got: 4 results}}
  return %x, %x, %x, %x : !rows, !rows, !rows, !rows
}

// -----

// expected-error @below {{'func.func' op has no body to convert}}
func.func private @step(!lm.batch)

// -----

func.func @result_without_place(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
  // expected-error @below {{'func.return' op expected results with a place; run the comm phase first}}
  return %x : tensor<?x16xf32>
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{expected argument 1 on a device class of the topology, got: @nowhere}}
func.func @argument_on_an_unknown_class(%batch: !lm.batch, %cache: !mpmd.placed<!lm.kv_cache<1 x 16 x 16, f16>, @nowhere>) {
  return
}
