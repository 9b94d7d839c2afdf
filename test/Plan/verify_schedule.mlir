// What the executor relies on: what holds, then one case for each promise, named after what breaks it.
// RUN: lamina-opt %s -split-input-file -verify-diagnostics --plan-verify-schedule

// Two programs that answer each other; the memory of what is over is used again.
!rows = !plan.buffer<tensor<?x64xf32>>
module @holds attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  lm.weight @w : tensor<16x32x!lm.block<f32>> from [#lm.source<"w" : f32, 0 at 0>]
  plan.kernel @scale {
  ^bb0(%x: tensor<?x64xf32>):
    %0 = lm.scale %x, 2.0 : tensor<?x64xf32>
    plan.yield %0 : tensor<?x64xf32>
  }
  plan.program @compute0 on @compute arena 32768 weights 4096 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    %y = plan.buffer arena "y" extent tokens at 16384 : !rows
    %z = plan.buffer arena "z" extent tokens at 0 : !rows
    %w = plan.buffer weight "w" extent fixed at 0 from @w : !plan.buffer<tensor<16x32x!lm.block<f32>>>
    %v = plan.buffer weight "v" extent fixed at 2048 from @w : !plan.buffer<tensor<16x32x!lm.block<f32>>>
    plan.dispatch @scale(%x) -> (%y) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.send 0 @memory0(%y) "" slice 0 : !rows
    plan.recv 1 @memory0(%z) "" slice 0 : !rows
    plan.wait 1 slice 0
    plan.dispatch @scale(%z) -> (%y) "" extent tokens slice 0 : (!rows) -> (!rows)
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
    %q = plan.buffer arena "q" extent tokens at 0 : !rows
    %o = plan.buffer arena "o" extent tokens at 16384 : !rows
    plan.recv 0 @compute0(%q) "" slice 0 : !rows
    plan.wait 0 slice 0
    plan.dispatch @scale(%q) -> (%o) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.send 1 @compute0(%o) "" slice 0 : !rows
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @recv_without_send attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    // expected-error @below {{'plan.recv' op has no send of transfer 0}}
    plan.recv 0 @memory0(%x) "" slice 0 : !rows
    plan.wait 0 slice 0
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @send_without_recv attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    // expected-error @below {{'plan.send' op has no recv of transfer 0}}
    plan.send 0 @memory0(%x) "" slice 0 : !rows
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @sent_twice attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    plan.send 0 @memory0(%x) "" slice 0 : !rows
    // expected-error @below {{'plan.send' op sends transfer 0 a second time}}
    plan.send 0 @memory0(%x) "" slice 0 : !rows
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @received_twice attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    plan.recv 0 @memory0(%x) "" slice 0 : !rows
    // expected-error @below {{'plan.recv' op receives transfer 0 a second time}}
    plan.recv 0 @memory0(%x) "" slice 0 : !rows
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @mismatched_buffers attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    // expected-note @below {{send is here}}
    plan.send 0 @memory0(%x) "" slice 0 : !rows
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !plan.buffer<tensor<?x32xf32>>
    // expected-error @below {{'plan.recv' op does not match the send of transfer 0}}
    plan.recv 0 @compute0(%x) "" slice 0 : !plan.buffer<tensor<?x32xf32>>
    plan.wait 0 slice 0
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @mismatched_counts attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    %y = plan.buffer arena "y" extent tokens at 16384 : !rows
    // expected-note @below {{send is here}}
    plan.send 0 @memory0(%x, %y) "" slice 0 : !rows, !rows
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    // expected-error @below {{'plan.recv' op does not match the send of transfer 0}}
    plan.recv 0 @compute0(%x) "" slice 0 : !rows
    plan.wait 0 slice 0
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @send_to_another_program attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    // expected-note @below {{send is here}}
    plan.send 0 @other0(%x) "" slice 0 : !rows
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    // expected-error @below {{'plan.recv' op does not match the send of transfer 0}}
    plan.recv 0 @compute0(%x) "" slice 0 : !rows
    plan.wait 0 slice 0
  }
  plan.program @other0 on @other arena 65536 weights 0 {
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @recv_from_another_program attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    // expected-note @below {{send is here}}
    plan.send 0 @memory0(%x) "" slice 0 : !rows
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    // expected-error @below {{'plan.recv' op does not match the send of transfer 0}}
    plan.recv 0 @other0(%x) "" slice 0 : !rows
    plan.wait 0 slice 0
  }
  plan.program @other0 on @other arena 65536 weights 0 {
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @wait_before_recv attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    plan.send 0 @memory0(%x) "" slice 0 : !rows
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    // expected-error @below {{'plan.wait' op waits for transfer 0 before its recv}}
    plan.wait 0 slice 0
    plan.recv 0 @compute0(%x) "" slice 0 : !rows
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @wait_twice attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    plan.send 0 @memory0(%x) "" slice 0 : !rows
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    plan.recv 0 @compute0(%x) "" slice 0 : !rows
    plan.wait 0 slice 0
    // expected-error @below {{'plan.wait' op waits for transfer 0 before its recv}}
    plan.wait 0 slice 0
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @recv_without_wait attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    plan.send 0 @memory0(%x) "" slice 0 : !rows
  }
  // expected-error @below {{'plan.program' op receives transfer 0 without a wait}}
  plan.program @memory0 on @memory arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    plan.recv 0 @compute0(%x) "" slice 0 : !rows
  }
}

// -----

// Each waits for what the other sends afterwards.
!rows = !plan.buffer<tensor<?x64xf32>>
module @circular_wait attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    %y = plan.buffer arena "y" extent tokens at 16384 : !rows
    plan.recv 1 @memory0(%y) "" slice 0 : !rows
    // expected-error @below {{'plan.wait' op waits for ever: its transfer depends on what comes later}}
    plan.wait 1 slice 0
    plan.send 0 @memory0(%x) "" slice 0 : !rows
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    %y = plan.buffer arena "y" extent tokens at 16384 : !rows
    plan.recv 0 @compute0(%x) "" slice 0 : !rows
    plan.wait 0 slice 0
    plan.send 1 @compute0(%y) "" slice 0 : !rows
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @wait_for_its_own_later_send attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    %y = plan.buffer arena "y" extent tokens at 16384 : !rows
    plan.recv 0 @compute0(%y) "" slice 0 : !rows
    // expected-error @below {{'plan.wait' op waits for ever}}
    plan.wait 0 slice 0
    plan.send 0 @compute0(%x) "" slice 0 : !rows
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @overlap_while_alive attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.kernel @scale {
  ^bb0(%x: tensor<?x64xf32>):
    %0 = lm.scale %x, 2.0 : tensor<?x64xf32>
    plan.yield %0 : tensor<?x64xf32>
  }
  plan.program @compute0 on @compute arena 65536 weights 0 {
    // expected-note @below {{the other buffer}}
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    // expected-error @below {{'plan.buffer' op shares memory with a buffer alive at the same time}}
    %y = plan.buffer arena "y" extent tokens at 8192 : !rows
    plan.dispatch @scale(%x) -> (%y) "" extent tokens slice 0 : (!rows) -> (!rows)
  }
}

// -----

// Between recv and wait the peer writes.
!rows = !plan.buffer<tensor<?x64xf32>>
module @overlap_with_an_arrival attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.kernel @scale {
  ^bb0(%x: tensor<?x64xf32>):
    %0 = lm.scale %x, 2.0 : tensor<?x64xf32>
    plan.yield %0 : tensor<?x64xf32>
  }
  plan.program @compute0 on @compute arena 65536 weights 0 {
    // expected-note @below {{the other buffer}}
    %in = plan.buffer arena "in" extent tokens at 0 : !rows
    // expected-error @below {{'plan.buffer' op shares memory with a buffer alive at the same time}}
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
    %y = plan.buffer arena "y" extent tokens at 16384 : !rows
    plan.recv 0 @memory0(%in) "" slice 0 : !rows
    plan.dispatch @scale(%x) -> (%y) "" extent tokens slice 0 : (!rows) -> (!rows)
    plan.wait 0 slice 0
  }
  plan.program @memory0 on @memory arena 65536 weights 0 {
    %o = plan.buffer arena "o" extent tokens at 0 : !rows
    plan.send 0 @compute0(%o) "" slice 0 : !rows
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @outside_the_arena attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    // expected-error @below {{'plan.buffer' op reaches beyond the arena}}
    %x = plan.buffer arena "x" extent tokens at 49216 : !rows
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @arena_of_unknown_size attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute  {
    // expected-error @below {{'plan.buffer' op reaches beyond the arena}}
    %x = plan.buffer arena "x" extent tokens at 0 : !rows
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @activation_without_place attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  plan.program @compute0 on @compute arena 65536 weights 0 {
    // expected-error @below {{'plan.buffer' op has no place; run plan-assign-offsets first}}
    %x = plan.buffer arena "x" extent tokens : !rows
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @weight_without_place attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  lm.weight @w : tensor<16x32x!lm.block<f32>> from [#lm.source<"w" : f32, 0 at 0>]
  plan.program @compute0 on @compute arena 65536 weights 0 {
    // expected-error @below {{'plan.buffer' op has no place; run plan-assign-offsets first}}
    %w = plan.buffer weight "w" extent fixed from @w : !plan.buffer<tensor<16x32x!lm.block<f32>>>
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @weight_outside_the_shard attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  lm.weight @w : tensor<16x32x!lm.block<f32>> from [#lm.source<"w" : f32, 0 at 0>]
  plan.program @compute0 on @compute arena 0 weights 4096 {
    // expected-error @below {{'plan.buffer' op reaches beyond the weight shard}}
    %w = plan.buffer weight "w" extent fixed at 2112 from @w : !plan.buffer<tensor<16x32x!lm.block<f32>>>
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @shard_of_unknown_size attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  lm.weight @w : tensor<16x32x!lm.block<f32>> from [#lm.source<"w" : f32, 0 at 0>]
  plan.program @compute0 on @compute  {
    // expected-error @below {{'plan.buffer' op reaches beyond the weight shard}}
    %w = plan.buffer weight "w" extent fixed at 0 from @w : !plan.buffer<tensor<16x32x!lm.block<f32>>>
  }
}

// -----

!rows = !plan.buffer<tensor<?x64xf32>>
module @overlapping_weights attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  lm.weight @w : tensor<16x32x!lm.block<f32>> from [#lm.source<"w" : f32, 0 at 0>]
  plan.program @compute0 on @compute arena 0 weights 4096 {
    %v = plan.buffer weight "v" extent fixed at 0 from @w : !plan.buffer<tensor<16x32x!lm.block<f32>>>
    // expected-error @below {{'plan.buffer' op shares memory with the weight before it}}
    %w = plan.buffer weight "w" extent fixed at 1024 from @w : !plan.buffer<tensor<16x32x!lm.block<f32>>>
  }
}

// -----

// expected-error @below {{expected a positive 'max_batch_tokens' in the attribute plan.limits}}
module @no_limits {
}

// -----

module @weight_of_another_size attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  lm.weight @w : tensor<48xf32> from [#lm.source<"w" : f32, 0 at 0>]
  plan.program @compute0 on @compute arena 0 weights 4096 {
    // expected-error @below {{'plan.buffer' op expected an lm.weight of as many bytes, got: @w}}
    %w = plan.buffer weight "w" extent fixed at 0 from @w : !plan.buffer<memref<4x4xf32>>
  }
}
