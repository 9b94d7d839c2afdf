// The contract of phase import: what holds, then one case for each promise, named after what breaks it.
// RUN: lamina-opt %s -split-input-file -verify-diagnostics --lm-verify-import

module @holds {
  lm.weight @output : tensor<40x32x!lm.block<q4_0>> from [#lm.source<"output" : q4_0, 0 at 64>]
  // A vector may change its element type on the way in: norm weights are f32 wherever they come from.
  lm.weight @norm : tensor<32xf32> from [#lm.source<"norm" : f16, 0 at 0>]
  func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<1 x 16 x 16, f16>, %cache1: !lm.kv_cache<1 x 16 x 16, f16>) -> tensor<?x40xf32> {
    %ids = lm.batch_field %batch, token_ids : tensor<?xi32>
    %output = lm.get_weight @output : tensor<40x32x!lm.block<q4_0>>
    %norm = lm.get_weight @norm : tensor<32xf32>
    %x = lm.embedding %ids, %output : (tensor<?xi32>, tensor<40x32x!lm.block<q4_0>>) -> tensor<?x32xf32>
    %n = lm.rms_norm %x, %norm {epsilon = 1.0e-5 : f32} : tensor<?x32xf32>, tensor<32xf32>
    %logits = lm.linear %n, %output : (tensor<?x32xf32>, tensor<40x32x!lm.block<q4_0>>) -> tensor<?x40xf32>
    return %logits : tensor<?x40xf32>
  }
}

// -----

// expected-error @below {{expected a function 'step' with a body}}
module @no_step {
  func.func @main(%batch: !lm.batch, %x: tensor<?x40xf32>) -> tensor<?x40xf32> {
    return %x : tensor<?x40xf32>
  }
}

// -----

// expected-error @below {{expected a function 'step' with a body}}
module @step_without_body {
  func.func private @step(!lm.batch) -> tensor<?x40xf32>
}

// -----

module @no_arguments {
  // expected-error @below {{'func.func' op expected an !lm.batch and caches as arguments}}
  func.func @step() {
    return
  }
}

// -----

module @no_batch {
  // expected-error @below {{'func.func' op expected an !lm.batch and caches as arguments}}
  func.func @step(%cache: !lm.kv_cache<1 x 16 x 16, f16>) {
    return
  }
}

// -----

module @activation_as_argument {
  // expected-error @below {{'func.func' op expected an !lm.batch and caches as arguments}}
  func.func @step(%batch: !lm.batch, %x: tensor<?x40xf32>) -> tensor<?x40xf32> {
    return %x : tensor<?x40xf32>
  }
}

// -----

module @no_logits {
  // expected-error @below {{'func.func' op expected one tensor of logits as result}}
  func.func @step(%batch: !lm.batch) {
    return
  }
}

// -----

module @cache_as_result {
  // expected-error @below {{'func.func' op expected one tensor of logits as result}}
  func.func @step(%batch: !lm.batch, %cache: !lm.kv_cache<1 x 16 x 16, f16>) -> !lm.kv_cache<1 x 16 x 16, f16> {
    return %cache : !lm.kv_cache<1 x 16 x 16, f16>
  }
}

// -----

module @weight_that_nothing_uses {
  // expected-error @below {{'lm.weight' op is not used}}
  lm.weight @unused : tensor<32xf32> from [#lm.source<"norm" : f32, 0 at 0>]
  func.func @step(%batch: !lm.batch) -> tensor<?xi32> {
    %ids = lm.batch_field %batch, token_ids : tensor<?xi32>
    return %ids : tensor<?xi32>
  }
}

// -----

module @matrix_in_another_format {
  // expected-error @below {{'lm.weight' op expected the file's format q4_0, got: '!lm.block<q8_0>'}}
  lm.weight @output : tensor<40x32x!lm.block<q8_0>> from [#lm.source<"output" : q4_0, 0 at 64>]
  func.func @step(%batch: !lm.batch) -> tensor<?x32xf32> {
    %ids = lm.batch_field %batch, token_ids : tensor<?xi32>
    %output = lm.get_weight @output : tensor<40x32x!lm.block<q8_0>>
    %x = lm.embedding %ids, %output : (tensor<?xi32>, tensor<40x32x!lm.block<q8_0>>) -> tensor<?x32xf32>
    return %x : tensor<?x32xf32>
  }
}

// -----

module @one_expert_in_another_format {
  // expected-error @below {{'lm.weight' op expected the file's format q8_0, got: '!lm.block<q4_0>'}}
  lm.weight @experts : tensor<2x8x32x!lm.block<q4_0>> from [#lm.source<"e0" : q4_0, 0 at 64>, #lm.source<"e1" : q8_0, 0 at 640>]
  func.func @step(%batch: !lm.batch) -> tensor<?xi32> {
    %ids = lm.batch_field %batch, token_ids : tensor<?xi32>
    %experts = lm.get_weight @experts : tensor<2x8x32x!lm.block<q4_0>>
    return %ids : tensor<?xi32>
  }
}

// -----

module @fewer_rows_than_tokens {
  lm.weight @table : tensor<39x40x!lm.block<f32>> from [#lm.source<"table" : f32, 0 at 0>]
  func.func @step(%batch: !lm.batch) -> tensor<?x40xf32> {
    %ids = lm.batch_field %batch, token_ids : tensor<?xi32>
    %table = lm.get_weight @table : tensor<39x40x!lm.block<f32>>
    // expected-error @below {{'lm.embedding' op expected a row for each of 40 tokens, got: 39}}
    %x = lm.embedding %ids, %table : (tensor<?xi32>, tensor<39x40x!lm.block<f32>>) -> tensor<?x40xf32>
    return %x : tensor<?x40xf32>
  }
}

// -----

module @fewer_rows_than_positions attributes {lm.context_length = 64 : i64} {
  lm.weight @table : tensor<63x40x!lm.block<f32>> from [#lm.source<"table" : f32, 0 at 0>]
  func.func @step(%batch: !lm.batch) -> tensor<?x40xf32> {
    %positions = lm.batch_field %batch, positions : tensor<?xi32>
    %table = lm.get_weight @table : tensor<63x40x!lm.block<f32>>
    // expected-error @below {{'lm.embedding' op expected a row for each of 64 positions, got: 63}}
    %x = lm.embedding %positions, %table : (tensor<?xi32>, tensor<63x40x!lm.block<f32>>) -> tensor<?x40xf32>
    return %x : tensor<?x40xf32>
  }
}
