// One case for each line of the verifiers, named after the mistake.
// RUN: lamina-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{expected cache elements of f32, f16, bf16, f8E4M3FN or !lm.block<q8_0>, got: 'i8'}}
func.func private @cache_of_bytes(!lm.kv_cache<1 x 8 x 8, i8>)

// -----

// expected-error @+1 {{expected at most 65536 heads and elements of a head, got: 4294967296 x 4294967296 x 8}}
func.func private @cache_of_too_many_heads(!lm.kv_cache<4294967296 x 4294967296 x 8, f16>)

// -----

// expected-error @+1 {{expected positive heads and lengths, got: 0 x 8 x 8}}
func.func private @cache_without_heads(!lm.kv_cache<0 x 8 x 8, f16>)

// -----

// expected-error @+1 {{expected a static shape}}
lm.weight @dynamic : tensor<?xf32> from [#lm.source<"w" : f32, 0 at 0>]

// -----

// expected-error @+1 {{expected at least one source}}
lm.weight @from_nowhere : tensor<4xf32> from []

// -----

// expected-error @+1 {{expected sources that divide the leading dimension}}
lm.weight @uneven_sources : tensor<3x4xf32> from [#lm.source<"a" : f32, 0 at 0>, #lm.source<"b" : f32, 0 at 64>]

// -----

// expected-error @+1 {{expected rope_heads and rope_length together}}
lm.weight @heads_alone : tensor<16x4xf32> from [#lm.source<"a" : f32, 0 at 0>] {rope_heads = 2 : i64}

// -----

// expected-error @+1 {{expected rope_heads that divide 16 rows, got: 3}}
lm.weight @uneven_heads : tensor<16x4xf32> from [#lm.source<"a" : f32, 0 at 0>] {rope_heads = 3 : i64, rope_length = 4 : i64}

// -----

// expected-error @+1 {{expected an even rope_length up to 8, got: 10}}
lm.weight @long_rope : tensor<16x4xf32> from [#lm.source<"a" : f32, 0 at 0>] {rope_heads = 2 : i64, rope_length = 10 : i64}

// -----

func.func @no_such_weight() {
  // expected-error @+1 {{expected the name of an lm.weight, got: @nothing}}
  %0 = lm.get_weight @nothing : tensor<4xf32>
  return
}

// -----

// expected-note @+1 {{weight declared here}}
lm.weight @w : tensor<4xf32> from [#lm.source<"w" : f32, 0 at 0>]
func.func @weight_of_another_type() {
  // expected-error @+1 {{expected the weight's type 'tensor<4xf32>'}}
  %0 = lm.get_weight @w : tensor<8xf32>
  return
}

// -----

func.func @block_table_of_rank_one(%b: !lm.batch) {
  // expected-error @+1 {{expected rank of 2, got: 1}}
  %0 = lm.batch_field %b, block_table : tensor<?xi32>
  return
}

// -----

func.func @embedding_width(%i: tensor<?xi32>, %t: tensor<8x32x!lm.block<f16>>) {
  // expected-error @+1 {{expected result width of 32, got: 16}}
  %0 = lm.embedding %i, %t : (tensor<?xi32>, tensor<8x32x!lm.block<f16>>) -> tensor<?x16xf32>
  return
}

// -----

func.func @gather_width(%x: tensor<?x8xf32>, %i: tensor<?xi32>) {
  // expected-error @+1 {{expected result width of 8, got: 4}}
  %0 = lm.gather_rows %x, %i : (tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @linear_input(%x: tensor<?x8xf32>, %w: tensor<4x16x!lm.block<f16>>) {
  // expected-error @+1 {{expected input width of 16, got: 8}}
  %0 = lm.linear %x, %w : (tensor<?x8xf32>, tensor<4x16x!lm.block<f16>>) -> tensor<?x4xf32>
  return
}

// -----

func.func @linear_result(%x: tensor<?x16xf32>, %w: tensor<4x16x!lm.block<f16>>) {
  // expected-error @+1 {{expected result width of 4, got: 5}}
  %0 = lm.linear %x, %w : (tensor<?x16xf32>, tensor<4x16x!lm.block<f16>>) -> tensor<?x5xf32>
  return
}

// -----

func.func @static_tokens(%x: tensor<3x16xf32>, %w: tensor<4x16x!lm.block<f16>>) {
  // expected-error @+1 {{must be an f32 or q8 tensor with dynamic leading dimension}}
  %0 = lm.linear %x, %w : (tensor<3x16xf32>, tensor<4x16x!lm.block<f16>>) -> tensor<?x4xf32>
  return
}

// -----

func.func @bias_length(%x: tensor<?x8xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{expected bias length of 8, got: 4}}
  %0 = lm.bias_add %x, %b : tensor<?x8xf32>, tensor<4xf32>
  return
}

// -----

func.func @negative_cap(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{expected a positive cap}}
  %0 = lm.soft_cap %x, -1.0 : tensor<?x8xf32>
  return
}

// -----

func.func @norm_group(%x: tensor<?x8xf32>, %g: tensor<3xf32>) {
  // expected-error @+1 {{expected a weight whose length divides 8, got: 3}}
  %0 = lm.rms_norm %x, %g {epsilon = 1.0e-5 : f32} : tensor<?x8xf32>, tensor<3xf32>
  return
}

// -----

func.func @negative_epsilon(%x: tensor<?x8xf32>, %g: tensor<8xf32>) {
  // expected-error @+1 {{expected a non-negative epsilon}}
  %0 = lm.rms_norm %x, %g {epsilon = -1.0 : f32} : tensor<?x8xf32>, tensor<8xf32>
  return
}

// -----

func.func @layer_norm_weight(%x: tensor<?x8xf32>, %g: tensor<4xf32>, %b: tensor<8xf32>) {
  // expected-error @+1 {{expected weight length of 8, got: 4}}
  %0 = lm.layer_norm %x, %g, %b {epsilon = 1.0e-5 : f32} : tensor<?x8xf32>, tensor<4xf32>, tensor<8xf32>
  return
}

// -----

func.func @layer_norm_bias(%x: tensor<?x8xf32>, %g: tensor<8xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{expected bias length of 8, got: 4}}
  %0 = lm.layer_norm %x, %g, %b {epsilon = 1.0e-5 : f32} : tensor<?x8xf32>, tensor<8xf32>, tensor<4xf32>
  return
}

// -----

func.func @layer_norm_epsilon(%x: tensor<?x8xf32>, %g: tensor<8xf32>) {
  // expected-error @+1 {{expected a non-negative epsilon}}
  %0 = lm.layer_norm %x, %g, %g {epsilon = -1.0 : f32} : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>
  return
}

// -----

// expected-error @+1 {{expected column_pitch on a matrix, got: 'tensor<16xf32>'}}
lm.weight @pitch_of_a_vector : tensor<16xf32> from [#lm.source<"a" : f32, 0 at 0>] {column_pitch = 16 : i64}

// -----

// expected-error @+1 {{expected a column_pitch of at least 16, got: 8}}
lm.weight @narrow_pitch : tensor<16x4xf32> from [#lm.source<"a" : f32, 0 at 0>] {column_pitch = 8 : i64}

// -----

func.func @rope_columns(%p: tensor<?xi32>) {
  // expected-error @+1 {{expected result width of 4, got: 6}}
  %0 = lm.rope_table %p {frequencies = array<f64: 1.0, 0.1>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x6xf32>
  return
}

// -----

func.func @uneven_rotary_heads(%x: tensor<?x16xf32>, %t: tensor<?x4xf32>) {
  // expected-error @+1 {{expected a head length that divides 16, got: 5}}
  %0 = lm.rotary_embedding %x, %t {head_length = 5 : i64} : tensor<?x16xf32>, tensor<?x4xf32>
  return
}

// -----

func.func @table_wider_than_head(%x: tensor<?x16xf32>, %t: tensor<?x12xf32>) {
  // expected-error @+1 {{expected a table of at most 8 columns, got: 12}}
  %0 = lm.rotary_embedding %x, %t {head_length = 8 : i64} : tensor<?x16xf32>, tensor<?x12xf32>
  return
}

// -----

func.func @key_width(%c: !lm.kv_cache<2 x 8 x 8, f16>, %k: tensor<?x8xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected key width of 16, got: 8}}
  %0 = lm.cache_append %c, %k, %k at %p, %p, %t : !lm.kv_cache<2 x 8 x 8, f16>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
  return
}

// -----

func.func @keys_of_the_wrong_size(%c: !lm.kv_cache<2 x 8 x 8, f16>, %k: tensor<?x3x8xf32>) {
  // expected-error @+1 {{expected row size of 16, got: 24}}
  %0 = lm.concat_cache keys %c, %k : !lm.kv_cache<2 x 8 x 8, f16>, tensor<?x3x8xf32>
  return
}

// -----

func.func @values_of_a_dynamic_size(%c: !lm.kv_cache<2 x 8 x 8, f16>, %v: tensor<?x?xf32>) {
  // expected-error @+1 {{expected rows of a static shape, got: 'tensor<?x?xf32>'}}
  %0 = lm.concat_cache values %c, %v : !lm.kv_cache<2 x 8 x 8, f16>, tensor<?x?xf32>
  return
}

// -----

func.func @mask_of_pairs(%p: tensor<?x?xi32>) {
  // expected-error @+1 {{expected positions rank of 1, got: 2}}
  %0 = lm.causal_mask %p : (tensor<?x?xi32>) -> tensor<?x?xi1>
  return
}

// -----

func.func @mask_that_sees_nothing(%p: tensor<?xi32>) {
  // expected-error @+1 {{expected a positive window, got: 0}}
  %0 = lm.causal_mask %p {window = 0 : i64} : (tensor<?xi32>) -> tensor<?x?xi1>
  return
}

// -----

func.func @query_width(%c: !lm.kv_cache<2 x 8 x 8, f16>, %q: tensor<?x24xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected a query width that is a multiple of 16, got: 24}}
  %0 = lm.attention %q, %c at %p, %p, %t {scale = 1.0 : f32} : tensor<?x24xf32>, !lm.kv_cache<2 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x24xf32>
  return
}

// -----

func.func @attention_result(%c: !lm.kv_cache<2 x 8 x 4, f16>, %q: tensor<?x32xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected result width of 16, got: 32}}
  %0 = lm.attention %q, %c at %p, %p, %t {scale = 1.0 : f32} : tensor<?x32xf32>, !lm.kv_cache<2 x 8 x 4, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x32xf32>
  return
}

// -----

func.func @empty_window(%c: !lm.kv_cache<2 x 8 x 8, f16>, %q: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected a positive window, got: 0}}
  %0 = lm.attention %q, %c at %p, %p, %t {scale = 1.0 : f32, window = 0 : i64} : tensor<?x16xf32>, !lm.kv_cache<2 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
  return
}

// -----

func.func @block_table_rank(%c: !lm.kv_cache<2 x 8 x 8, f16>, %q: tensor<?x16xf32>, %p: tensor<?xi32>) {
  // expected-error @+1 {{expected block table rank of 2, got: 1}}
  %0 = lm.attention %q, %c at %p, %p, %p {scale = 1.0 : f32} : tensor<?x16xf32>, !lm.kv_cache<2 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x16xf32>
  return
}

// -----

func.func @more_experts_than_there_are(%x: tensor<?x2xf32>) {
  // expected-error @+1 {{expected at most 2 chosen experts, got: 3}}
  %0, %1 = lm.route_experts %x : (tensor<?x2xf32>) -> (tensor<?x3xi32>, tensor<?x3xf32>)
  return
}

// -----

func.func @expert_rows(%x: tensor<?x16xf32>, %i: tensor<?x2xi32>, %w: tensor<4x8x16x!lm.block<f16>>) {
  // expected-error @+1 {{expected result width of 8, got: 9}}
  %0 = lm.expert_linear %x, %i, %w : (tensor<?x16xf32>, tensor<?x2xi32>, tensor<4x8x16x!lm.block<f16>>) -> tensor<?x2x9xf32>
  return
}

// -----

func.func @combine_weights(%y: tensor<?x2x8xf32>, %w: tensor<?x3xf32>) {
  // expected-error @+1 {{expected weights per token of 2, got: 3}}
  %0 = lm.combine_experts %y, %w : (tensor<?x2x8xf32>, tensor<?x3xf32>) -> tensor<?x8xf32>
  return
}

// -----

// expected-error @+1 {{expected positive heads and lengths, got: 1 x 8 x 0}}
func.func private @cache_without_values(!lm.kv_cache<1 x 8 x 0, f16>)

// -----

// expected-error @+1 {{expected a static shape}}
lm.weight @scalar : tensor<f32> from [#lm.source<"w" : f32, 0 at 0>]

// -----

// expected-error @+1 {{expected rope_heads that divide 16 rows, got: 0}}
lm.weight @no_heads : tensor<16x4xf32> from [#lm.source<"a" : f32, 0 at 0>] {rope_heads = 0 : i64, rope_length = 4 : i64}

// -----

// expected-error @+1 {{expected an even rope_length up to 8, got: 3}}
lm.weight @odd_rope : tensor<16x4xf32> from [#lm.source<"a" : f32, 0 at 0>] {rope_heads = 2 : i64, rope_length = 3 : i64}

// -----

// expected-error @+1 {{expected an even rope_length up to 8, got: 0}}
lm.weight @empty_rope : tensor<16x4xf32> from [#lm.source<"a" : f32, 0 at 0>] {rope_heads = 2 : i64, rope_length = 0 : i64}

// -----

func.func private @function()
func.func @weight_of_a_function() {
  // expected-error @+1 {{expected the name of an lm.weight, got: @function}}
  %0 = lm.get_weight @function : tensor<4xf32>
  return
}

// -----

func.func @positions_of_rank_two(%b: !lm.batch) {
  // expected-error @+1 {{expected rank of 1, got: 2}}
  %0 = lm.batch_field %b, positions : tensor<?x?xi32>
  return
}

// -----

func.func @embedding_ids_of_rank_two(%i: tensor<?x?xi32>, %t: tensor<8x32x!lm.block<f16>>) {
  // expected-error @+1 {{expected ids rank of 1, got: 2}}
  %0 = lm.embedding %i, %t : (tensor<?x?xi32>, tensor<8x32x!lm.block<f16>>) -> tensor<?x32xf32>
  return
}

// -----

func.func @gather_rows_of_rank_two(%x: tensor<?x8xf32>, %i: tensor<?x?xi32>) {
  // expected-error @+1 {{expected rows rank of 1, got: 2}}
  %0 = lm.gather_rows %x, %i : (tensor<?x8xf32>, tensor<?x?xi32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @linear_on_a_vector(%x: tensor<?xf32>, %w: tensor<4x16x!lm.block<f16>>) {
  // expected-error @+1 {{expected input rank of 2, got: 1}}
  %0 = lm.linear %x, %w : (tensor<?xf32>, tensor<4x16x!lm.block<f16>>) -> tensor<?x4xf32>
  return
}

// -----

func.func @linear_to_a_vector(%x: tensor<?x16xf32>, %w: tensor<4x16x!lm.block<f16>>) {
  // expected-error @+1 {{expected result rank of 2, got: 1}}
  %0 = lm.linear %x, %w : (tensor<?x16xf32>, tensor<4x16x!lm.block<f16>>) -> tensor<?xf32>
  return
}

// -----

func.func @linear_by_plain_floats(%x: tensor<?x16xf32>, %w: tensor<4x16xf32>) {
  // expected-error @+1 {{must be a matrix of blocks}}
  %0 = lm.linear %x, %w : (tensor<?x16xf32>, tensor<4x16xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @rope_positions_of_rank_two(%p: tensor<?x?xi32>) {
  // expected-error @+1 {{expected positions rank of 1, got: 2}}
  %0 = lm.rope_table %p {frequencies = array<f64: 1.0, 0.1>, magnitude = 1.0 : f32} : (tensor<?x?xi32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @no_head_length(%x: tensor<?x16xf32>, %t: tensor<?x4xf32>) {
  // expected-error @+1 {{expected a head length that divides 16, got: 0}}
  %0 = lm.rotary_embedding %x, %t {head_length = 0 : i64} : tensor<?x16xf32>, tensor<?x4xf32>
  return
}

// -----

func.func @value_width(%c: !lm.kv_cache<2 x 8 x 4, f16>, %k: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected value width of 8, got: 16}}
  %0 = lm.cache_append %c, %k, %k at %p, %p, %t : !lm.kv_cache<2 x 8 x 4, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
  return
}

// -----

func.func @append_positions_rank(%c: !lm.kv_cache<2 x 8 x 8, f16>, %k: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected positions rank of 1, got: 2}}
  %0 = lm.cache_append %c, %k, %k at %t, %p, %t : !lm.kv_cache<2 x 8 x 8, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x?xi32>, tensor<?xi32>, tensor<?x?xi32>
  return
}

// -----

func.func @append_sequences_rank(%c: !lm.kv_cache<2 x 8 x 8, f16>, %k: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected sequences rank of 1, got: 2}}
  %0 = lm.cache_append %c, %k, %k at %p, %t, %t : !lm.kv_cache<2 x 8 x 8, f16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?x?xi32>, tensor<?x?xi32>
  return
}

// -----

func.func @negative_soft_cap(%c: !lm.kv_cache<2 x 8 x 8, f16>, %q: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected a positive soft cap}}
  %0 = lm.attention %q, %c at %p, %p, %t {scale = 1.0 : f32, soft_cap = -1.0 : f32} : tensor<?x16xf32>, !lm.kv_cache<2 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
  return
}

// -----

func.func @experts_without_weights(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expected experts and weights of one shape}}
  %0, %1 = lm.route_experts %x : (tensor<?x4xf32>) -> (tensor<?x3xi32>, tensor<?x2xf32>)
  return
}

// -----

func.func @experts_in_a_matrix(%x: tensor<?x16xf32>, %i: tensor<?x2xi32>, %w: tensor<4x8x16x!lm.block<f16>>) {
  // expected-error @+1 {{expected result rank of 3, got: 2}}
  %0 = lm.expert_linear %x, %i, %w : (tensor<?x16xf32>, tensor<?x2xi32>, tensor<4x8x16x!lm.block<f16>>) -> tensor<?x8xf32>
  return
}

// -----

func.func @one_expert_for_each_token(%x: tensor<?x16xf32>, %i: tensor<?xi32>, %w: tensor<4x8x16x!lm.block<f16>>) {
  // expected-error @+1 {{expected experts rank of 2, got: 1}}
  %0 = lm.expert_linear %x, %i, %w : (tensor<?x16xf32>, tensor<?xi32>, tensor<4x8x16x!lm.block<f16>>) -> tensor<?x2x8xf32>
  return
}

// -----

func.func @expert_input(%x: tensor<?x12xf32>, %i: tensor<?x2xi32>, %w: tensor<4x8x16x!lm.block<f16>>) {
  // expected-error @+1 {{expected input width of 16, got: 12}}
  %0 = lm.expert_linear %x, %i, %w : (tensor<?x12xf32>, tensor<?x2xi32>, tensor<4x8x16x!lm.block<f16>>) -> tensor<?x2x8xf32>
  return
}

// -----

func.func @chosen_experts(%x: tensor<?x16xf32>, %i: tensor<?x2xi32>, %w: tensor<4x8x16x!lm.block<f16>>) {
  // expected-error @+1 {{expected chosen experts of 2, got: 3}}
  %0 = lm.expert_linear %x, %i, %w : (tensor<?x16xf32>, tensor<?x2xi32>, tensor<4x8x16x!lm.block<f16>>) -> tensor<?x3x8xf32>
  return
}

// -----

func.func @combine_a_matrix(%y: tensor<?x8xf32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{expected input rank of 3, got: 2}}
  %0 = lm.combine_experts %y, %w : (tensor<?x8xf32>, tensor<?x2xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @combine_width(%y: tensor<?x2x8xf32>, %w: tensor<?x2xf32>) {
  // expected-error @+1 {{expected result width of 8, got: 4}}
  %0 = lm.combine_experts %y, %w : (tensor<?x2x8xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @empty_norm_weight(%x: tensor<?x8xf32>, %g: tensor<0xf32>) {
  // expected-error @+1 {{expected a weight whose length divides 8, got: 0}}
  %0 = lm.rms_norm %x, %g {epsilon = 1.0e-5 : f32} : tensor<?x8xf32>, tensor<0xf32>
  return
}

// -----

func.func @quantize_part_of_a_block(%x: tensor<?x48xf32>) {
  // expected-error @+1 {{expected rows of a multiple of 32 elements, got: 48}}
  %0 = lm.quantize %x : tensor<?x48xf32> -> tensor<?x48x!lm.q8>
  return
}

// -----

func.func @quantize_to_another_shape(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{expected a result of the input's shape, got: 'tensor<?x32x!lm.q8>'}}
  %0 = lm.quantize %x : tensor<?x64xf32> -> tensor<?x32x!lm.q8>
  return
}

// -----

func.func @quantize_to_floats(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{result #0 must be a q8 tensor with dynamic leading dimension}}
  %0 = lm.quantize %x : tensor<?x64xf32> -> tensor<?x64xf32>
  return
}

// -----

func.func @quantize_twice(%x: tensor<?x64x!lm.q8>) {
  // expected-error @+1 {{operand #0 must be an f32 tensor with dynamic leading dimension}}
  %0 = lm.quantize %x : tensor<?x64x!lm.q8> -> tensor<?x64x!lm.q8>
  return
}

// -----

func.func @quantized_input_of_a_plain_weight(%x: tensor<?x32x!lm.q8>, %w: tensor<4x32x!lm.block<bf16>>) {
  // expected-error @+1 {{expected a weight in a quantised format for input of '!lm.q8', got: bf16}}
  %0 = lm.linear %x, %w : (tensor<?x32x!lm.q8>, tensor<4x32x!lm.block<bf16>>) -> tensor<?x4xf32>
  return
}

// -----

func.func @quantized_input_of_plain_experts(%x: tensor<?x32x!lm.q8>, %i: tensor<?x2xi32>, %w: tensor<4x8x32x!lm.block<f32>>) {
  // expected-error @+1 {{expected a weight in a quantised format for input of '!lm.q8', got: f32}}
  %0 = lm.expert_linear %x, %i, %w : (tensor<?x32x!lm.q8>, tensor<?x2xi32>, tensor<4x8x32x!lm.block<f32>>) -> tensor<?x2x8xf32>
  return
}

// -----

func.func @scale_of_quantized(%x: tensor<?x32x!lm.q8>) {
  // expected-error @+1 {{operand #0 must be an f32 tensor with dynamic leading dimension}}
  %0 = lm.scale %x, 2.0 : tensor<?x32x!lm.q8>
  return
}

// -----

// expected-error @+1 {{expected keys and values of whole blocks of 32 elements in a cache of q8_0, got: 64 and 80}}
func.func private @cache_of_broken_blocks(!lm.kv_cache<1 x 64 x 80, !lm.block<q8_0>>)

// -----

func.func @range_of_no_blocks(%c: !lm.kv_cache<2 x 8 x 8, f16>, %q: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected a range of whole blocks of 128 positions, got: 100}}
  %0 = lm.online_attention %q, %c at %p, %p, %t {scale = 1.0 : f32, range = 100, ranges = 2, split_tokens = 8} : tensor<?x16xf32>, !lm.kv_cache<2 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x48xf32>
  return
}

// -----

func.func @query_without_heads(%c: !lm.kv_cache<2 x 8 x 8, f16>, %q: tensor<?x0xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected a query width that is a multiple of 16, got: 0}}
  %0 = lm.online_attention %q, %c at %p, %p, %t {scale = 1.0 : f32, range = 512, ranges = 2, split_tokens = 8} : tensor<?x0xf32>, !lm.kv_cache<2 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x48xf32>
  return
}

// -----

func.func @slots(%c: !lm.kv_cache<2 x 8 x 8, f16>, %q: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) {
  // expected-error @+1 {{expected partial results in slots of 48, got: 40}}
  %0 = lm.online_attention %q, %c at %p, %p, %t {scale = 1.0 : f32, range = 512, ranges = 2, split_tokens = 8} : tensor<?x16xf32>, !lm.kv_cache<2 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x40xf32>
  return
}

// -----

func.func @combined_heads(%x: tensor<?x48xf32>, %p: tensor<?xi32>) {
  // expected-error @+1 {{expected heads that divide 16, got: 3}}
  %0 = lm.attention_combine %x at %p {heads = 3, range = 512, ranges = 2, split_tokens = 8} : (tensor<?x48xf32>, tensor<?xi32>) -> tensor<?x16xf32>
  return
}

// -----

func.func @cached_ranges_computed_and_taken(%c: !lm.kv_cache<2 x 8 x 8, f16>, %q: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>, %e: tensor<?x48xf32>) {
  // expected-error @+1 {{expected cached_only or cached ranges to go on from, got both}}
  %0 = lm.online_attention %q, %c at %p, %p, %t after %e : tensor<?x48xf32> {cached_only, scale = 1.0 : f32, range = 128, ranges = 2, split_tokens = 8} : tensor<?x16xf32>, !lm.kv_cache<2 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x48xf32>
  return
}

// -----

func.func @cached_ranges_in_other_slots(%c: !lm.kv_cache<2 x 8 x 8, f16>, %q: tensor<?x16xf32>, %p: tensor<?xi32>, %t: tensor<?x?xi32>, %e: tensor<?x96xf32>) {
  // expected-error @+1 {{expected cached ranges in slots like the result's, got: 'tensor<?x96xf32>'}}
  %0 = lm.online_attention %q, %c at %p, %p, %t after %e : tensor<?x96xf32> {scale = 1.0 : f32, range = 128, ranges = 2, split_tokens = 8} : tensor<?x16xf32>, !lm.kv_cache<2 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x48xf32>
  return
}

// -----

func.func @attention_without_result(%x: tensor<9x4xf32>) {
  // expected-error @+1 {{expected at least one result}}
  lm.tensor_attention softmax %x over %x, %x : (tensor<9x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>) -> () {
  ^bb0(%q: tensor<9x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>):
    lm.yield
  }
  return
}

// -----

func.func @attention_of_other_operands(%x: tensor<9x4xf32>) {
  // expected-error @+1 {{expected body arguments of types ('tensor<9x4xf32>', 'tensor<9x4xf32>', 'tensor<9x4xf32>'), got: ('tensor<9x4xf32>')}}
  %y = lm.tensor_attention softmax %x over %x, %x : (tensor<9x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>) -> tensor<9x4xf32> {
  ^bb0(%q: tensor<9x4xf32>):
    lm.yield %q : tensor<9x4xf32>
  }
  return
}

// -----

func.func @attention_that_does_not_yield(%x: tensor<9x4xf32>) {
  // expected-error @+1 {{expected a body that ends with lm.yield}}
  %y = lm.tensor_attention softmax %x over %x, %x : (tensor<9x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>) -> tensor<9x4xf32> {
  ^bb0(%q: tensor<9x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>):
    linalg.yield %q : tensor<9x4xf32>
  }
  return
}

// -----

func.func @attention_of_another_result(%x: tensor<9x4xf32>) {
  %y = lm.tensor_attention softmax %x over %x, %x : (tensor<9x4xf32>, tensor<9x4xf32>, tensor<9x4xf32>) -> tensor<9x5xf32> {
  ^bb0(%q: tensor<9x4xf32>, %k: tensor<9x4xf32>, %v: tensor<9x4xf32>):
    // expected-error @+1 {{expected values of types ('tensor<9x5xf32>'), got: ('tensor<9x4xf32>')}}
    lm.yield %q : tensor<9x4xf32>
  }
  return
}

// -----

func.func @more_columns_than_there_are(%x: tensor<?x16xf32>) {
  // expected-error @+1 {{expected at most 16 columns, got: 32}}
  %0, %1 = lm.top_k %x : (tensor<?x16xf32>) -> (tensor<?x32xf32>, tensor<?x32xi32>)
  return
}

// -----

func.func @values_without_ids(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{expected values and ids of one shape}}
  %0, %1 = lm.top_k %x : (tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x16xi32>)
  return
}

// -----

func.func @top_of_a_row_of_heads(%x: tensor<?x4x64xf32>) {
  // expected-error @+1 {{expected input rank of 2, got: 3}}
  %0, %1 = lm.top_k %x : (tensor<?x4x64xf32>) -> (tensor<?x16xf32>, tensor<?x16xi32>)
  return
}

// -----

func.func @top_of_heads(%x: tensor<?x64xf32>) {
  // expected-error @+1 {{expected values rank of 2, got: 3}}
  %0, %1 = lm.top_k %x : (tensor<?x64xf32>) -> (tensor<?x4x16xf32>, tensor<?x4x16xi32>)
  return
}
