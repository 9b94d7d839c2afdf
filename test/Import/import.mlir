// What the import phase prints for a model of each kind; test/Import/*Test.cpp checks the details.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.llama.gguf --arch llama --layers 1
// RUN: lamina-opt %t.llama.gguf --compile-to=import | FileCheck %s --check-prefix=LLAMA

// LLAMA:       module attributes {lm.architecture = "llama", lm.context_length = 128 : i64
// LLAMA-DAG:   lm.weight @blk.0.attn_q.weight : tensor<32x32x!lm.block<f32>> from [{{.*}}] {rope_heads = 2 : i64, rope_length = 16 : i64}
// LLAMA-DAG:   lm.weight @blk.0.attn_norm.weight : tensor<32xf32>
// LLAMA-LABEL: func.func @step
// LLAMA-SAME:    (%[[BATCH:.*]]: !lm.batch, %[[CACHE:.*]]: !lm.kv_cache<1 x 16 x 16, f16>) -> tensor<?x40xf32>
// LLAMA:         %[[POSITIONS:.*]] = lm.batch_field %[[BATCH]], positions
// LLAMA:         %[[ROPE:.*]] = lm.rope_table %[[POSITIONS]]
// LLAMA:         %[[X:.*]] = lm.embedding
// LLAMA:         lm.rms_norm %[[X]]
// LLAMA:         %[[Q:.*]] = lm.rotary_embedding %{{.*}}, %[[ROPE]] {head_length = 16 : i64}
// LLAMA:         %[[K:.*]] = lm.rotary_embedding
// LLAMA:         %[[NEW:.*]] = lm.cache_append %[[CACHE]], %[[K]], %[[V:.*]] at %[[POSITIONS]]
// LLAMA:         lm.attention %[[Q]], %[[NEW]] at %[[POSITIONS]]
// LLAMA:         %[[Y:.*]] = arith.addf %[[X]]
// LLAMA:         lm.gated_activation silu
// LLAMA:         %[[Z:.*]] = arith.addf %[[Y]]
// LLAMA:         %[[ROWS:.*]] = lm.gather_rows %[[Z]]
// LLAMA:         %[[NORM:.*]] = lm.rms_norm %[[ROWS]]
// LLAMA:         lm.get_weight @token_embd.weight
// LLAMA:         lm.linear %[[NORM]]

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gemma3.gguf --arch gemma3 --layers 6
// RUN: lamina-opt %t.gemma3.gguf --compile-to=import | FileCheck %s --check-prefix=GEMMA3

// GEMMA3-COUNT-2: lm.rope_table
// GEMMA3-NOT:     lm.rope_table
// GEMMA3:         lm.scale
// GEMMA3-COUNT-5: window = 16 : i64
// GEMMA3:         lm.attention
// GEMMA3-NOT:     window
// GEMMA3:         lm.gather_rows

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.phi3.gguf --arch phi3 --layers 1
// RUN: lamina-opt %t.phi3.gguf --compile-to=import | FileCheck %s --check-prefix=PHI3

// PHI3-DAG: lm.weight @blk.0.attn_v.weight : tensor<16x32x!lm.block<f32>> from [#lm.source<"blk.0.attn_qkv.weight"
// PHI3-DAG: lm.weight @blk.0.ffn_gate.weight : tensor<64x32x!lm.block<f32>> from [#lm.source<"blk.0.ffn_up.weight"

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.moe.gguf --arch qwen3moe --layers 1
// RUN: lamina-opt %t.moe.gguf --compile-to=import | FileCheck %s --check-prefix=MOE

// MOE: %[[EXPERTS:.*]], %[[WEIGHTS:.*]] = lm.route_experts %{{.*}} {normalize}
// MOE: %[[GATE:.*]] = lm.expert_linear %{{.*}}, %[[EXPERTS]]
// MOE: %[[UP:.*]] = lm.expert_linear %{{.*}}, %[[EXPERTS]]
// MOE: lm.gated_activation silu %[[GATE]], %[[UP]]
// MOE: lm.combine_experts %{{.*}}, %[[WEIGHTS]]
