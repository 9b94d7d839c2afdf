// Decoders of the external test data: their caches, masks and positions are the batch's.
// REQUIRES: test-data
// RUN: lamina-opt %test_data/onnx/tiny-random-LlamaForCausalLM-fp16 --compile-to=mark | FileCheck %s --check-prefix=LLAMA
// RUN: lamina-opt %test_data/onnx/tiny-graph-capture-gqa.onnx --compile-to=mark | FileCheck %s --check-prefix=GQA
// RUN: lamina-opt %test_data/onnx/capp-gpt/model.onnx --compile-to=mark | FileCheck %s --check-prefix=DECOMPOSED
// RUN: not lamina-opt %test_data/onnx/tiny-random-LlamaForCausalLM-fp32/model.onnx -o %t.lamina 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not lamina-opt %test_data/onnx/synthetic-paged-decoder.onnx -o %t.lamina 2>&1 | FileCheck %s --check-prefix=PAGED

// LLAMA: module attributes {lm.architecture = "onnx", lm.context_length = 2048 : i64, lm.files = [{{.*}}], lm.hidden_size = 16 : i64, lm.layers = 2 : i64, lm.name = "tiny-random-LlamaForCausalLM-fp16", lm.trained_context = 2048 : i64, lm.vocab_size = 32000 : i64}
// LLAMA-DAG: lm.weight @model.embed_tokens.weight : tensor<32000x16x!lm.block<f16>> from [#lm.source<"model.embed_tokens.weight" : f16, 1 at {{[0-9]+}}>]
// LLAMA-DAG: lm.weight @model.layers.0.mlp.gate_proj.MatMul.weight.transposed : tensor<64x16x!lm.block<f16>> from [{{.*}}] {column_pitch = 64 : i64}
// LLAMA: func.func @step(%arg0: !lm.batch, %arg1: !lm.kv_cache<1 x 16 x 16, f16>, %arg2: !lm.kv_cache<1 x 16 x 16, f16>) -> tensor<?x32000xf32>
// LLAMA: lm.rope_table %{{.*}} {frequencies = array<f64: 1.000000e+00, 0.31622776601683794, 1.000000e-01
// LLAMA: lm.cache_append %arg1
// LLAMA: lm.attention {{.*}} {scale = 2.500000e-01 : f32}
// LLAMA: lm.gated_activation silu
// LLAMA: lm.cache_append %arg2
// LLAMA: lm.gather_rows
// LLAMA-NEXT: lm.rms_norm
// LLAMA-NEXT: lm.linear
// LLAMA-NEXT: return

// GQA: func.func @step(%arg0: !lm.batch, %arg1: !lm.kv_cache<2 x 32 x 32, f16>) -> tensor<?x256xf32>
// GQA: lm.attention {{.*}} {scale = 0.176776692 : f32}

// Standard operators alone.
// DECOMPOSED: lm.layers = 4
// DECOMPOSED-DAG: lm.weight @transformer.h.0.attn.c_attn.weight.transposed.64to128 : tensor<64x64x!lm.block<f32>> from [{{.*}}] {column_pitch = 192 : i64}
// DECOMPOSED: func.func @step(%arg0: !lm.batch, %arg1: !lm.kv_cache<4 x 16 x 16, f16>
// DECOMPOSED: lm.layer_norm
// DECOMPOSED: lm.cache_append %arg1
// DECOMPOSED-NEXT: lm.attention {{.*}} {scale = 2.500000e-01 : f32}
// DECOMPOSED: lm.layer_norm
// DECOMPOSED: lm.activation gelu_tanh
// DECOMPOSED: lm.cache_append %arg4
// DECOMPOSED-NOT: linalg
// DECOMPOSED: lm.gather_rows
// DECOMPOSED-NEXT: lm.layer_norm
// DECOMPOSED-NEXT: lm.linear
// DECOMPOSED-NEXT: return

// MISSING: lamina-opt: error: {{.*}}model.onnx{{.*}}.data

// Its logits are of one token, whichever that is.
// PAGED:     synthetic-paged-decoder.onnx: no output is logits, [batch, new tokens, vocabulary]: the outputs are 'logits' float16[1, 64], 'present.0.key' {{.*}}, 'present.0.value' float[128, 4, 1, 1]{{$}}
// PAGED-NOT: {{.}}
