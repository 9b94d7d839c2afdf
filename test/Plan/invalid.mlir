// One case for each line of the verifiers, named after the mistake.
// RUN: lamina-opt %s -split-input-file -verify-diagnostics

func.func @call_of_nothing(%x: tensor<?x64xf32>) {
  // expected-error @below {{'plan.call' op expected the name of a plan.kernel, got: @nothing}}
  plan.call @nothing(%x) "" : (tensor<?x64xf32>) -> ()
  return
}

// -----

func.func @call_of_a_function(%x: tensor<?x64xf32>) {
  // expected-error @below {{'plan.call' op expected the name of a plan.kernel, got: @call_of_a_function}}
  plan.call @call_of_a_function(%x) "" : (tensor<?x64xf32>) -> ()
  return
}

// -----

// expected-note @below {{kernel declared here}}
plan.kernel @add {
^bb0(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>):
  %0 = arith.addf %x, %y : tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>
}
func.func @call_with_too_few_operands(%x: tensor<?x64xf32>) {
  // expected-error @below {{'plan.call' op expected 2 operands, got: 1}}
  %0 = plan.call @add(%x) "" : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

// expected-note @below {{kernel declared here}}
plan.kernel @add {
^bb0(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>):
  %0 = arith.addf %x, %y : tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>
}
func.func @call_with_another_operand(%x: tensor<?x64xf32>, %y: tensor<?x32xf32>) {
  // expected-error @below {{'plan.call' op expected operand 1 of type 'tensor<?x64xf32>', got: 'tensor<?x32xf32>'}}
  %0 = plan.call @add(%x, %y) "" : (tensor<?x64xf32>, tensor<?x32xf32>) -> tensor<?x64xf32>
  return
}

// -----

// expected-note @below {{kernel declared here}}
plan.kernel @add {
^bb0(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>):
  %0 = arith.addf %x, %y : tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>
}
func.func @call_without_result(%x: tensor<?x64xf32>) {
  // expected-error @below {{'plan.call' op expected 1 results, got: 0}}
  plan.call @add(%x, %x) "" : (tensor<?x64xf32>, tensor<?x64xf32>) -> ()
  return
}

// -----

// expected-note @below {{kernel declared here}}
plan.kernel @add {
^bb0(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>):
  %0 = arith.addf %x, %y : tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>
}
func.func @call_with_another_result(%x: tensor<?x64xf32>) {
  // expected-error @below {{'plan.call' op expected result 0 of type 'tensor<?x64xf32>', got: 'tensor<?x32xf32>'}}
  %0 = plan.call @add(%x, %x) "" : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x32xf32>
  return
}

// -----

// Buffer that holds no tensor of rows.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected contents that arena memory holds, got: 'tensor<64xf32>'}}
  %0 = plan.buffer arena "x" extent tokens : !plan.buffer<tensor<64xf32>>
}

// -----

// Rows of unknown length.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected contents that arena memory holds, got: 'tensor<?x?xf32>'}}
  %0 = plan.buffer arena "x" extent tokens : !plan.buffer<tensor<?x?xf32>>
}

// -----

// Rows of elements that are not four bytes.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected contents that arena memory holds, got: 'tensor<?x64xf16>'}}
  %0 = plan.buffer arena "x" extent tokens : !plan.buffer<tensor<?x64xf16>>
}

// -----

// A cache in the arena.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected contents that arena memory holds, got: '!lm.kv_cache<1 x 16 x 16, f16>'}}
  %0 = plan.buffer arena "x" extent tokens : !plan.buffer<!lm.kv_cache<1 x 16 x 16, f16>>
}

// -----

// A weight of unknown size.
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected contents that weight memory holds, got: 'tensor<?x64x!lm.block<q4_0>>'}}
  %0 = plan.buffer weight "w" extent fixed from @w : !plan.buffer<tensor<?x64x!lm.block<q4_0>>>
}

// -----

// A weight of another element type.
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected contents that weight memory holds, got: 'tensor<64x64xi8>'}}
  %0 = plan.buffer weight "w" extent fixed from @w : !plan.buffer<tensor<64x64xi8>>
}

// -----

// A scalar weight.
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected contents that weight memory holds, got: 'tensor<f32>'}}
  %0 = plan.buffer weight "w" extent fixed from @w : !plan.buffer<tensor<f32>>
}

// -----

// A tensor in place of a cache.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected contents that cache memory holds, got: 'tensor<?x64xf32>'}}
  %0 = plan.buffer cache "c" extent fixed at 0 : !plan.buffer<tensor<?x64xf32>>
}

// -----

// A batch array of floats.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected contents that batch memory holds, got: 'tensor<?xf32>'}}
  %0 = plan.buffer batch "b" extent tokens at 0 : !plan.buffer<tensor<?xf32>>
}

// -----

// A memref with rows.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected extent fixed for a memref, got: tokens}}
  %x = plan.buffer arena "x" extent tokens : !plan.buffer<memref<4xf32>>
}

// -----

// A memref whose size is not known.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected contents that arena memory holds, got: 'memref<?xf32>'}}
  %x = plan.buffer arena "x" extent fixed : !plan.buffer<memref<?xf32>>
}

// -----

// An input that is a tensor with rows.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected a memref in the arena as the model's input or output, got: 'tensor<?x64xf32>'}}
  %x = plan.buffer arena "x" extent tokens {plan.element = "float", plan.port = "input"} : !plan.buffer<tensor<?x64xf32>>
}

// -----

// Neither input nor output.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected plan.port to be "input" or "output"}}
  %x = plan.buffer arena "x" extent fixed {plan.element = "float", plan.port = "both"} : !plan.buffer<memref<4xf32>>
}

// -----

// A type without direction.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected plan.port to be "input" or "output"}}
  %x = plan.buffer arena "x" extent fixed {plan.element = "float"} : !plan.buffer<memref<4xf32>>
}

// -----

// An input of no type, of one that does not exist, and of one of another size.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected plan.element to name a type of elements that 'memref<4xf32>' has}}
  %x = plan.buffer arena "x" extent fixed {plan.port = "input"} : !plan.buffer<memref<4xf32>>
}

// -----

plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected plan.element to name a type of elements that 'memref<4xf32>' has}}
  %x = plan.buffer arena "x" extent fixed {plan.element = "real", plan.port = "input"} : !plan.buffer<memref<4xf32>>
}

// -----

plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected plan.element to name a type of elements that 'memref<4xf32>' has}}
  %x = plan.buffer arena "x" extent fixed {plan.element = "double", plan.port = "output"} : !plan.buffer<memref<4xf32>>
}

// -----

// Negative offset.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected a non-negative offset, got: -64}}
  %x = plan.buffer arena "x" extent tokens at -64 : !plan.buffer<tensor<?x64xf32>>
}

// -----

// Arena offset between two vectors.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected an offset aligned to 64 bytes, got: 4}}
  %x = plan.buffer arena "x" extent tokens at 4 : !plan.buffer<tensor<?x64xf32>>
}

// -----

// Weight offset between two vectors.
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected an offset aligned to 64 bytes, got: 100}}
  %w = plan.buffer weight "w" extent fixed at 100 from @w : !plan.buffer<tensor<64x64x!lm.block<q4_0>>>
}

// -----

// Weight of no name.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected a source on weight buffers and on no others}}
  %w = plan.buffer weight "w" extent fixed : !plan.buffer<tensor<64x64x!lm.block<q4_0>>>
}

// -----

// Activation that names a weight.
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected a source on weight buffers and on no others}}
  %x = plan.buffer arena "x" extent tokens from @w : !plan.buffer<tensor<?x64xf32>>
}

// -----

// Cache of no index.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected the index of the cache or batch field}}
  %c = plan.buffer cache "c" extent fixed : !plan.buffer<!lm.kv_cache<1 x 16 x 16, f16>>
}

// -----

// Batch field of no index.
plan.program @p on @compute {
  // expected-error @below {{'plan.buffer' op expected the index of the cache or batch field}}
  %b = plan.buffer batch "ids" extent tokens : !plan.buffer<tensor<?xi32>>
}

// -----

// Buffer that begins where the arena ends.
plan.program @p on @compute arena 4096 {
  // expected-error @below {{'plan.buffer' op expected an offset inside the arena of 4096 bytes, got: 4096}}
  %x = plan.buffer arena "x" extent tokens at 4096 : !plan.buffer<tensor<?x64xf32>>
}

// -----

// Dispatch of nothing.
plan.program @p on @compute {
  // expected-error @below {{'plan.dispatch' op expected the name of a plan.kernel, got: @nothing}}
  plan.dispatch @nothing() -> () "" extent tokens slice 0 : () -> ()
}

// -----

// Dispatch with too few operands.
// expected-note @below {{kernel declared here}}
plan.kernel @add {
^bb0(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>):
  %0 = arith.addf %x, %y : tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>
}
plan.program @p on @compute {
  %x = plan.buffer arena "x" extent tokens : !plan.buffer<tensor<?x64xf32>>
  // expected-error @below {{'plan.dispatch' op expected 2 operands, got: 1}}
  plan.dispatch @add(%x) -> (%x) "" extent tokens slice 0 : (!plan.buffer<tensor<?x64xf32>>) -> (!plan.buffer<tensor<?x64xf32>>)
}

// -----

// Dispatch on rows of another length.
// expected-note @below {{kernel declared here}}
plan.kernel @add {
^bb0(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>):
  %0 = arith.addf %x, %y : tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>
}
plan.program @p on @compute {
  %x = plan.buffer arena "x" extent tokens : !plan.buffer<tensor<?x64xf32>>
  %y = plan.buffer arena "y" extent tokens : !plan.buffer<tensor<?x32xf32>>
  // expected-error @below {{'plan.dispatch' op expected operand 1 of type 'tensor<?x64xf32>', got: 'tensor<?x32xf32>'}}
  plan.dispatch @add(%x, %y) -> (%x) "" extent tokens slice 0 : (!plan.buffer<tensor<?x64xf32>>, !plan.buffer<tensor<?x32xf32>>) -> (!plan.buffer<tensor<?x64xf32>>)
}

// -----

// Dispatch without its result.
// expected-note @below {{kernel declared here}}
plan.kernel @add {
^bb0(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>):
  %0 = arith.addf %x, %y : tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>
}
plan.program @p on @compute {
  %x = plan.buffer arena "x" extent tokens : !plan.buffer<tensor<?x64xf32>>
  // expected-error @below {{'plan.dispatch' op expected 1 results, got: 0}}
  plan.dispatch @add(%x, %x) -> () "" extent tokens slice 0 : (!plan.buffer<tensor<?x64xf32>>, !plan.buffer<tensor<?x64xf32>>) -> ()
}

// -----

// Dispatch with a result too many.
// expected-note @below {{kernel declared here}}
plan.kernel @add {
^bb0(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>):
  %0 = arith.addf %x, %y : tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>
}
plan.program @p on @compute {
  %x = plan.buffer arena "x" extent tokens : !plan.buffer<tensor<?x64xf32>>
  // expected-error @below {{'plan.dispatch' op expected 1 results, got: 2}}
  plan.dispatch @add(%x, %x) -> (%x, %x) "" extent tokens slice 0 : (!plan.buffer<tensor<?x64xf32>>, !plan.buffer<tensor<?x64xf32>>) -> (!plan.buffer<tensor<?x64xf32>>, !plan.buffer<tensor<?x64xf32>>)
}

// -----

// Dispatch into rows of another length.
// expected-note @below {{kernel declared here}}
plan.kernel @add {
^bb0(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>):
  %0 = arith.addf %x, %y : tensor<?x64xf32>
  plan.yield %0 : tensor<?x64xf32>
}
plan.program @p on @compute {
  %x = plan.buffer arena "x" extent tokens : !plan.buffer<tensor<?x64xf32>>
  %y = plan.buffer arena "y" extent tokens : !plan.buffer<tensor<?x32xf32>>
  // expected-error @below {{'plan.dispatch' op expected result 0 of type 'tensor<?x64xf32>', got: 'tensor<?x32xf32>'}}
  plan.dispatch @add(%x, %x) -> (%y) "" extent tokens slice 0 : (!plan.buffer<tensor<?x64xf32>>, !plan.buffer<tensor<?x64xf32>>) -> (!plan.buffer<tensor<?x32xf32>>)
}

// -----

// Send of nothing.
plan.program @p on @compute {
  // expected-error @below {{'plan.send' op expected at least one buffer}}
  "plan.send"() <{transfer = 0 : i64, peer = @q, label = "", slice = 0 : i64}> : () -> ()
}

// -----

// Recv of nothing.
plan.program @p on @compute {
  // expected-error @below {{'plan.recv' op expected at least one buffer}}
  "plan.recv"() <{transfer = 0 : i64, peer = @q, label = "", slice = 0 : i64}> : () -> ()
}

// -----

// No weight crosses a link.
lm.weight @w : tensor<64x64x!lm.block<q4_0>> from [#lm.source<"w" : q4_0, 0 at 0>]
plan.program @p on @compute {
  %w = plan.buffer weight "w" extent fixed from @w : !plan.buffer<tensor<64x64x!lm.block<q4_0>>>
  // expected-error @below {{'plan.send' op expected buffers of activations, got: 'tensor<64x64x!lm.block<q4_0>>'}}
  plan.send 0 @q(%w) "" slice 0 : !plan.buffer<tensor<64x64x!lm.block<q4_0>>>
}

// -----

// No page of a cache crosses a link.
plan.program @p on @compute {
  %c = plan.buffer cache "c" extent fixed at 0 : !plan.buffer<!lm.kv_cache<1 x 16 x 16, f16>>
  // expected-error @below {{'plan.recv' op expected buffers of activations, got: '!lm.kv_cache<1 x 16 x 16, f16>'}}
  plan.recv 0 @q(%c) "" slice 0 : !plan.buffer<!lm.kv_cache<1 x 16 x 16, f16>>
}

// -----

// No rounded activations cross a link.
plan.program @p on @compute {
  %x = plan.buffer arena "x" extent tokens : !plan.buffer<tensor<?x64x!lm.q8>>
  // expected-error @below {{'plan.send' op expected buffers of activations, got: 'tensor<?x64x!lm.q8>'}}
  plan.send 0 @q(%x) "" slice 0 : !plan.buffer<tensor<?x64x!lm.q8>>
}

// -----

// Instruction outside a program.
// expected-error @below {{'plan.wait' op expects parent op 'plan.program'}}
plan.wait 0 slice 0

// -----

// Yield outside a kernel.
func.func @f() {
  // expected-error @below {{'plan.yield' op expects parent op 'plan.kernel'}}
  plan.yield
}

// -----

// No weight crosses a link, as memory neither.
lm.weight @w : tensor<64xf32> from [#lm.source<"w" : f32, 0 at 0>]
plan.program @p on @compute {
  %w = plan.buffer weight "w" extent fixed from @w : !plan.buffer<memref<64xf32>>
  // expected-error @below {{'plan.send' op expected buffers of activations, got: 'memref<64xf32>'}}
  plan.send 0 @q(%w) "" slice 0 : !plan.buffer<memref<64xf32>>
}

// -----

// Nothing to send.
plan.program @p on @compute {
  %x = plan.buffer arena "x" extent fixed : !plan.buffer<memref<2x0xf32>>
  // expected-error @below {{'plan.send' op expected buffers of activations, got: 'memref<2x0xf32>'}}
  plan.send 0 @q(%x) "" slice 0 : !plan.buffer<memref<2x0xf32>>
}

// -----

// Rows and fixed sizes in one message.
plan.program @p on @compute {
  %x = plan.buffer arena "x" extent tokens : !plan.buffer<tensor<?x64xf32>>
  %y = plan.buffer arena "y" extent fixed : !plan.buffer<memref<64xf32>>
  // expected-error @below {{'plan.send' op expected buffers of one extent, got: tokens and fixed}}
  plan.send 0 @q(%x, %y) "" slice 0 : !plan.buffer<tensor<?x64xf32>>, !plan.buffer<memref<64xf32>>
}

// -----

// More than any machine has: the product of the sizes is more than 2^64.
plan.program @p on @compute {
  // expected-error @below {{expected contents that arena memory holds, got: 'memref<4294967296x4294967296x2xf32>'}}
  %x = plan.buffer arena "x" extent fixed : !plan.buffer<memref<4294967296x4294967296x2xf32>>
}
