// The contract of phase mark: what holds, then one case for each promise, named after what breaks it.
// RUN: lamina-opt %s -split-input-file -verify-diagnostics --allow-unregistered-dialect --lm-verify-mark

module @two_layers attributes {lm.layers = 2 : i64} {
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %cache1: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %c0 = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %y = lm.attention %x, %c0 at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    %c1 = lm.cache_append %cache1, %y, %y at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %y, %c1 at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}

// -----

// Without lm.layers the caches are the only count.
module @layers_not_said {
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %c = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %x, %c at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}

// -----

module @part_of_nothing {
  func.func @step(%batch: !lm.batch, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    // expected-error @below {{'math.tanh' op is part of nothing that lm has: expected operations of lm and sums of rows}}
    %y = math.tanh %x : tensor<?x16xf32>
    return %y : tensor<?x16xf32>
  }
}

// -----

module @sum_of_heads {
  func.func @step(%batch: !lm.batch, %x: tensor<?x2x8xf32>) -> tensor<?x2x8xf32> {
    // expected-error @below {{expected a sum of rows, got: 'tensor<?x2x8xf32>'}}
    %y = arith.addf %x, %x : tensor<?x2x8xf32>
    return %y : tensor<?x2x8xf32>
  }
}

// -----

module @mask_of_nothing {
  func.func @step(%batch: !lm.batch, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    // expected-error @below {{'lm.causal_mask' op is left of attention that was not recognised}}
    %m = lm.causal_mask %p : (tensor<?xi32>) -> tensor<?x?xf32>
    return %x : tensor<?x16xf32>
  }
}

// -----

// expected-error @below {{expected a function 'step' with a body}}
module @no_step {
}

// -----

// expected-error @below {{expected a function 'step' with a body}}
module @step_without_body {
  func.func private @step(!lm.batch)
}

// -----

module @cache_that_nothing_reads {
  // expected-error @below {{'func.func' op expected one append and one attention on cache 0}}
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    return %x : tensor<?x16xf32>
  }
}

// -----

module @attention_before_append {
  // expected-error @below {{'func.func' op expected one append and one attention on cache 0}}
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %o = lm.attention %x, %cache0 at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}

// -----

module @two_appends {
  // expected-error @below {{'func.func' op expected one append and one attention on cache 0}}
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %c = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %d = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %x, %c at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}

// -----

module @append_without_attention {
  // expected-error @below {{'func.func' op expected one append and one attention on cache 0}}
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %c = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    return %x : tensor<?x16xf32>
  }
}

// -----

module @two_attentions_on_one_cache {
  // expected-error @below {{'func.func' op expected one append and one attention on cache 0}}
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %c = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %y = lm.attention %x, %c at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    %o = lm.attention %y, %c at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}

// -----

module @append_twice_in_a_row {
  // expected-error @below {{'func.func' op expected one append and one attention on cache 0}}
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %c = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %d = lm.cache_append %c, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %x, %d at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}

// -----

module @second_cache_unused {
  // expected-error @below {{'func.func' op expected one append and one attention on cache 1}}
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %cache1: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %c = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %x, %c at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}

// -----

module @attention_hidden_in_matrix_products attributes {lm.layers = 2 : i64} {
  // expected-error @below {{'func.func' op expected an attention for each of 2 layers, got: 1}}
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %c = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %x, %c at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}

// -----

module @attention_on_no_argument {
  // expected-error @below {{'func.func' op expected an attention for each of 1 layers, got: 2}}
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>) -> tensor<?x16xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %c = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %y = lm.attention %x, %c at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    %made = "test.cache"() : () -> !lm.kv_cache<1 x 16 x 16, f16>
    %o = lm.attention %y, %made at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    return %o : tensor<?x16xf32>
  }
}

// -----

module @sum_that_is_no_norm {
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %x: tensor<?x16xf32>, %zero: tensor<?xf32>) -> tensor<?xf32> {
    %p = lm.batch_field %batch, positions : tensor<?xi32>
    %s = lm.batch_field %batch, sequences : tensor<?xi32>
    %t = lm.batch_field %batch, block_table : tensor<?x?xi32>
    %c = lm.cache_append %cache0, %x, %x at %p, %s, %t : !lm.kv_cache<1 x 16 x 16, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %x, %c at %p, %s, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
    // expected-error @below {{'linalg.reduce' op is part of nothing that lm has}}
    %y = linalg.reduce { arith.addf } ins(%o : tensor<?x16xf32>) outs(%zero : tensor<?xf32>) dimensions = [1]
    return %y : tensor<?xf32>
  }
}
