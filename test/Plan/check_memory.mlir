// What fits a device, to the byte, and what does not.
// RUN: lamina-opt %s --plan-check-memory -split-input-file -verify-diagnostics

// 1 MiB: a shard of 512 KiB, an arena of 384 KiB and four pages of 1 head x 16 tokens x (1024 + 1024) f16, 64 KiB each, make
// 1152 KiB.
module @fits attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  mpmd.topology @cluster {
    mpmd.device_class @memory : memory on cpu {memory_bytes = 1179648 : i64}
  }
  plan.program @memory0 on @memory arena 393216 weights 524288 {
    %0 = plan.buffer cache "cache.0" extent fixed at 0 : !plan.buffer<!lm.kv_cache<1 x 1024 x 1024, f16>>
  }
}

// -----

module @one_byte_too_small attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  mpmd.topology @cluster {
    // expected-error @below {{device class 'memory' lacks 0.0 MiB: the plan needs 1.1 MiB of 1.1 MiB; lower --max-context, --kv-tokens or --max-batch-tokens}}
    mpmd.device_class @memory : memory on cpu {memory_bytes = 1179647 : i64}
  }
  // expected-note @below {{weights 0.5 MiB, KV cache 0.2 MiB, activations 0.4 MiB}}
  plan.program @memory0 on @memory arena 393216 weights 524288 {
    %0 = plan.buffer cache "cache.0" extent fixed at 0 : !plan.buffer<!lm.kv_cache<1 x 1024 x 1024, f16>>
  }
}

// -----

// Each cache has its pages.
module @second_cache attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  mpmd.topology @cluster {
    // expected-error @below {{device class 'memory' lacks 0.2 MiB: the plan needs 1.4 MiB of 1.1 MiB}}
    mpmd.device_class @memory : memory on cpu {memory_bytes = 1179648 : i64}
  }
  // expected-note @below {{weights 0.5 MiB, KV cache 0.5 MiB, activations 0.4 MiB}}
  plan.program @memory0 on @memory arena 393216 weights 524288 {
    %0 = plan.buffer cache "cache.0" extent fixed at 0 : !plan.buffer<!lm.kv_cache<1 x 1024 x 1024, f16>>
    %1 = plan.buffer cache "cache.1" extent fixed at 1 : !plan.buffer<!lm.kv_cache<1 x 1024 x 1024, f16>>
  }
}

// -----

// A class that states no memory holds anything.
module @unknown_memory attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  mpmd.topology @cluster {
    mpmd.device_class @memory : memory on cpu
  }
  plan.program @memory0 on @memory arena 4611686018427387904 weights 0 {
  }
}

// -----

module @no_sizes_yet attributes {plan.limits = {kv_pages = 4 : i64, max_batch_tokens = 64 : i64, max_context = 64 : i64, max_output_rows = 8 : i64, max_sequences = 1 : i64}} {
  mpmd.topology @cluster {
    mpmd.device_class @memory : memory on cpu {memory_bytes = 4096 : i64}
  }
  // expected-error @below {{'plan.program' op has no memory sizes; run plan-assign-offsets first}}
  plan.program @memory0 on @memory {
  }
}

// -----

// expected-error @below {{expected a positive 'max_batch_tokens' in the attribute plan.limits}}
module @no_limits {
}
