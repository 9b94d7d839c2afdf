// RUN: lamina-opt %s --plan-assign-offsets -split-input-file -verify-diagnostics | FileCheck %s

// A chain of four buffers of 64 tokens of 64 elements, 16 KiB each: two of them are alive at a time, so the arena is half
// of their sum. What is alive over the whole chain keeps a place of its own.
!rows = !plan.buffer<tensor<?x64xf32>>
module @chain attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  plan.kernel @scale {
  ^bb0(%x: tensor<?x64xf32>):
    %0 = lm.scale %x, 2.0 : tensor<?x64xf32>
    plan.yield %0 : tensor<?x64xf32>
  }
  // CHECK-LABEL: plan.program @chain0 on @compute arena 32768 weights 0
  plan.program @chain0 on @compute {
    // CHECK: plan.buffer arena "a" extent tokens at [[FIRST:[0-9]+]] :
    // CHECK: plan.buffer arena "b" extent tokens at [[SECOND:[0-9]+]] :
    // CHECK: plan.buffer arena "c" extent tokens at [[FIRST]] :
    // CHECK: plan.buffer arena "d" extent tokens at [[SECOND]] :
    %a = plan.buffer arena "a" extent tokens : !rows
    %b = plan.buffer arena "b" extent tokens : !rows
    %c = plan.buffer arena "c" extent tokens : !rows
    %d = plan.buffer arena "d" extent tokens : !rows
    plan.dispatch @scale(%a) -> (%b) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.dispatch @scale(%b) -> (%c) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.dispatch @scale(%c) -> (%d) "" extent tokens slice 0 : (!rows) -> (!rows)
  }
  // CHECK-LABEL: plan.program @residual0 on @compute arena 49152 weights 0
  plan.program @residual0 on @compute {
    // CHECK: plan.buffer arena "a" extent tokens at [[RESIDUAL:[0-9]+]] :
    // CHECK-NOT: at [[RESIDUAL]] :
    // CHECK: plan.dispatch
    %a = plan.buffer arena "a" extent tokens : !rows
    %b = plan.buffer arena "b" extent tokens : !rows
    %c = plan.buffer arena "c" extent tokens : !rows
    %d = plan.buffer arena "d" extent tokens : !rows
    plan.dispatch @scale(%a) -> (%b) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.dispatch @scale(%b) -> (%c) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.dispatch @scale(%c) -> (%d) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.dispatch @scale(%d) -> (%a) "" extent tokens slice 0 : (!rows) -> (!rows)
  }
}

// -----

// What arrives is alive from its recv, not from its wait, and up to the wait even if nothing reads it: the peer writes in
// between. Logits are alive to the end.
!rows = !plan.buffer<tensor<?x64xf32>>
module @arrival attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  plan.kernel @scale {
  ^bb0(%x: tensor<?x64xf32>):
    %0 = lm.scale %x, 2.0 : tensor<?x64xf32>
    plan.yield %0 : tensor<?x64xf32>
  }
  // CHECK-LABEL: plan.program @arrival0 on @compute arena 49152 weights 0
  plan.program @arrival0 on @compute {
    %in = plan.buffer arena "in" extent tokens : !rows
    %a = plan.buffer arena "a" extent tokens : !rows
    %b = plan.buffer arena "b" extent tokens : !rows
    plan.recv 0 @peer(%in) "in" slice 0 : !rows
    plan.dispatch @scale(%a) -> (%b) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.wait 0 slice 0
    plan.dispatch @scale(%in) -> (%a) "" extent tokens slice 0 : (!rows) -> (!rows)
  }
  // CHECK-LABEL: plan.program @unread0 on @compute arena 49152 weights 0
  plan.program @unread0 on @compute {
    %in = plan.buffer arena "in" extent tokens : !rows
    %a = plan.buffer arena "a" extent tokens : !rows
    %b = plan.buffer arena "b" extent tokens : !rows
    plan.recv 1 @peer(%in) "in" slice 0 : !rows
    plan.dispatch @scale(%a) -> (%b) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.wait 1 slice 0
  }
  // What the front end reads is used until the end.
  // CHECK-LABEL: plan.program @candidates0 on @compute arena 49152 weights 0
  plan.program @candidates0 on @compute {
    %ids = plan.buffer arena "candidate_ids" extent tokens : !rows
    %a = plan.buffer arena "a" extent tokens : !rows
    %b = plan.buffer arena "b" extent tokens : !rows
    plan.dispatch @scale(%a) -> (%ids) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.dispatch @scale(%a) -> (%b) "" extent tokens slice 0 : (!rows) -> (!rows)
  }
  // CHECK-LABEL: plan.program @logits0 on @compute arena 49152 weights 0
  plan.program @logits0 on @compute {
    %logits = plan.buffer arena "logits" extent tokens : !rows
    %a = plan.buffer arena "a" extent tokens : !rows
    %b = plan.buffer arena "b" extent tokens : !rows
    plan.dispatch @scale(%a) -> (%logits) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.dispatch @scale(%a) -> (%b) "" extent tokens slice 0 : (!rows) -> (!rows)
  }
}

// -----

// Sizes: rows are padded to 16 elements, vectors of indices are not; output rows have their own limit. Weights follow one
// another in the order of their buffers, big ones (64 KiB and more) on pages.
module @sizes attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  lm.weight @norm : tensor<40xf32> from [#lm.source<"norm" : f32, 0 at 0>]
  lm.weight @small : tensor<16x32x!lm.block<f32>> from [#lm.source<"small" : f32, 0 at 0>]
  lm.weight @big : tensor<256x64x!lm.block<f32>> from [#lm.source<"big" : f32, 0 at 0>]
  // 64 tokens x 48 elements x 4 bytes.
  // CHECK-LABEL: plan.program @padded0 on @compute arena 12288
  plan.program @padded0 on @compute {
    %a = plan.buffer arena "a" extent tokens : !plan.buffer<tensor<?x40xf32>>
  }
  // 64 tokens x 4 bytes.
  // CHECK-LABEL: plan.program @indices0 on @compute arena 256
  plan.program @indices0 on @compute {
    %a = plan.buffer arena "a" extent tokens : !plan.buffer<tensor<?xi32>>
  }
  // 64 tokens x 2 experts x 16 elements x 4 bytes.
  // CHECK-LABEL: plan.program @experts0 on @compute arena 8192
  plan.program @experts0 on @compute {
    %a = plan.buffer arena "a" extent tokens : !plan.buffer<tensor<?x2x8xf32>>
  }
  // 8 rows x 64 elements x 4 bytes.
  // CHECK-LABEL: plan.program @output0 on @compute arena 2048
  plan.program @output0 on @compute {
    %a = plan.buffer arena "a" extent output_rows : !plan.buffer<tensor<?x64xf32>>
  }
  // 8 rows x 2 blocks x 64 bytes, for each of 3 experts.
  // CHECK-LABEL: plan.program @quantized0 on @compute arena 4096
  plan.program @quantized0 on @compute {
    // CHECK: "a" extent output_rows at 3072
    // CHECK: "b" extent output_rows at 0
    %a = plan.buffer arena "a" extent output_rows : !plan.buffer<tensor<?x64x!lm.q8>>
    %b = plan.buffer arena "b" extent output_rows : !plan.buffer<tensor<?x3x64x!lm.q8>>
  }
  // CHECK-LABEL: plan.program @weights0 on @compute arena 0 weights 69632
  plan.program @weights0 on @compute {
    // CHECK: "norm" extent fixed at 0 from @norm
    %norm = plan.buffer weight "norm" extent fixed from @norm : !plan.buffer<tensor<40xf32>>
    // CHECK: "small" extent fixed at 192 from @small
    %small = plan.buffer weight "small" extent fixed from @small : !plan.buffer<tensor<16x32x!lm.block<f32>>>
    // CHECK: "big" extent fixed at 4096 from @big
    %big = plan.buffer weight "big" extent fixed from @big : !plan.buffer<tensor<256x64x!lm.block<f32>>>
    // The index of a cache stays as it is.
    // CHECK: plan.buffer cache "cache.1" extent fixed at 1
    %cache = plan.buffer cache "cache.1" extent fixed at 1 : !plan.buffer<!lm.kv_cache<1 x 16 x 16, f16>>
  }
}

// -----

// expected-error @below {{expected a positive 'max_batch_tokens' in the attribute plan.limits}}
module @no_limits {
}

// -----

// expected-error @below {{expected a positive 'kv_pages' in the attribute plan.limits}}
module @limit_of_zero attributes {plan.limits = {kv_pages = 0 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
}
