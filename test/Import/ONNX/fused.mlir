// Decoders of fused operators, written by tools/dev/make_onnx_model.py.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gguf --layers 1
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.grouped.onnx --attribute GroupQueryAttention.local_window_size=24 --attribute GroupQueryAttention.softcap=30.0
// RUN: lamina-opt %t.grouped.onnx --compile-to=mark | FileCheck %s --check-prefix=GROUPED

// GROUPED:       module attributes {lm.architecture = "onnx", lm.context_length = 128 : i64, lm.files = [{{.*}}], lm.hidden_size = 32 : i64, lm.layers = 1 : i64, {{.*}} lm.trained_context = 128 : i64, lm.vocab_size = 40 : i64}
// GROUPED-DAG:   lm.weight @blk.0.attn_k.weight.transposed : tensor<16x32x!lm.block<f32>> from [{{.*}}] {column_pitch = 16 : i64}
// GROUPED-LABEL: func.func @step
// GROUPED-SAME:    (%[[BATCH:.*]]: !lm.batch, %[[CACHE:.*]]: !lm.kv_cache<1 x 16 x 16, f16>) -> tensor<?x40xf32>
// GROUPED:         %[[ROPE:.*]] = lm.rope_table {{.*}} {frequencies = array<f64: 1.000000e+00, 0.31622776601683794,
// GROUPED:         %[[X:.*]] = lm.embedding
// GROUPED:         lm.rms_norm %[[X]]
// GROUPED:         %[[Q:.*]] = lm.rotary_embedding %{{.*}}, %[[ROPE]] {head_length = 16 : i64} : tensor<?x32xf32>
// GROUPED:         %[[K:.*]] = lm.rotary_embedding {{.*}} : tensor<?x16xf32>
// GROUPED:         %[[NEW:.*]] = lm.cache_append %[[CACHE]], %[[K]], %{{.*}} at
// GROUPED:         lm.attention %[[Q]], %[[NEW]] at {{.*}} {scale = 2.500000e-01 : f32, soft_cap = 3.000000e+01 : f32, window = 24 : i64}
// GROUPED:         %[[Y:.*]] = arith.addf %[[X]]
// GROUPED:         lm.gated_activation silu
// GROUPED:         %[[Z:.*]] = arith.addf %[[Y]]
// GROUPED:         %[[ROWS:.*]] = lm.gather_rows %[[Z]]
// GROUPED:         %[[NORM:.*]] = lm.rms_norm %[[ROWS]]
// GROUPED:         lm.linear %[[NORM]]

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.heads.gguf --layers 1 --set attention.head_count_kv=2 --tensor blk.0.attn_k.weight=32x32 --tensor blk.0.attn_v.weight=32x32
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.heads.gguf %t.heads.onnx --attention multihead --weights f16 --attribute MultiHeadAttention.scale=0.5
// RUN: lamina-opt %t.heads.onnx --compile-to=mark | FileCheck %s --check-prefix=HEADS

// HEADS: lm.weight @token_embd.weight : tensor<40x32x!lm.block<f16>>
// HEADS: func.func @step(%{{.*}}: !lm.batch, %[[CACHE:.*]]: !lm.kv_cache<2 x 16 x 16, f16>)
// HEADS: %[[Q:.*]] = lm.rotary_embedding
// HEADS: %[[K:.*]] = lm.rotary_embedding
// HEADS: %[[NEW:.*]] = lm.cache_append %[[CACHE]], %[[K]]
// HEADS: lm.attention %[[Q]], %[[NEW]] at {{.*}} {scale = 5.000000e-01 : f32}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.standard.onnx --attention standard --attribute Attention.softcap=20.0
// RUN: lamina-opt %t.standard.onnx --compile-to=mark | FileCheck %s --check-prefix=STANDARD

// STANDARD: func.func @step(%{{.*}}: !lm.batch, %[[CACHE:.*]]: !lm.kv_cache<1 x 16 x 16, f16>)
// STANDARD: %[[Q:.*]] = lm.rotary_embedding
// STANDARD: %[[K:.*]] = lm.rotary_embedding
// STANDARD: %[[NEW:.*]] = lm.cache_append %[[CACHE]], %[[K]]
// STANDARD: lm.attention %[[Q]], %[[NEW]] at {{.*}} {scale = 2.500000e-01 : f32, soft_cap = 2.000000e+01 : f32}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.window.onnx --attention standard --opset 25 --attribute Attention.left_window_size=23
// RUN: lamina-opt %t.window.onnx --compile-to=mark | FileCheck %s --check-prefix=WINDOW
// WINDOW: lm.attention {{.*}} {scale = 2.500000e-01 : f32, window = 24 : i64}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.packed.onnx --packed --interleaved
// RUN: lamina-opt %t.packed.onnx --compile-to=mark | FileCheck %s --check-prefix=PACKED

// PACKED-DAG: lm.weight @blk.0.attn_qkv.weight.transposed.0to32.apart : tensor<32x32x!lm.block<f32>> from [{{.*}}] {column_pitch = 64 : i64, rope_heads = 2 : i64, rope_length = 16 : i64}
// PACKED-DAG: lm.weight @blk.0.attn_qkv.weight.transposed.32to48.apart : tensor<16x32x!lm.block<f32>> from [{{.*}}] {column_pitch = 64 : i64, rope_heads = 1 : i64, rope_length = 16 : i64}
// PACKED-DAG: lm.weight @blk.0.attn_qkv.weight.transposed.48to64 : tensor<16x32x!lm.block<f32>> from [{{.*}}] {column_pitch = 64 : i64}
// PACKED-LABEL: func.func @step
// PACKED-NOT:     tensor.
// PACKED-NOT:     linalg.
// PACKED:         lm.attention

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.beside.onnx --rotary outside --interleaved
// RUN: lamina-opt %t.beside.onnx --compile-to=mark | FileCheck %s --check-prefix=BESIDE
// BESIDE-DAG: lm.weight @blk.0.attn_q.weight.transposed.0to32.apart : {{.*}} {column_pitch = 32 : i64, rope_heads = 2 : i64, rope_length = 16 : i64}
// BESIDE:     lm.attention

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.paged.onnx --attention paged --packed
// RUN: lamina-opt %t.paged.onnx --compile-to=mark | FileCheck %s --check-prefix=PAGED
// PAGED: func.func @step(%{{.*}}: !lm.batch, %[[CACHE:.*]]: !lm.kv_cache<1 x 16 x 16, f16>) -> tensor<?x40xf32>
// PAGED: %[[NEW:.*]] = lm.cache_append %[[CACHE]]
// PAGED: lm.attention {{.*}}, %[[NEW]] at {{.*}} {scale = 2.500000e-01 : f32}

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.qwen3.gguf --arch qwen3 --layers 1
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.qwen3.gguf %t.qwen3.onnx
// RUN: lamina-opt %t.qwen3.onnx --compile-to=mark | FileCheck %s --check-prefix=QWEN3
// QWEN3: %[[Q:.*]] = lm.rms_norm %{{.*}} : tensor<?x32xf32>, tensor<16xf32>
// QWEN3: lm.rotary_embedding %[[Q]]
// QWEN3: %[[K:.*]] = lm.rms_norm %{{.*}} : tensor<?x16xf32>, tensor<16xf32>
// QWEN3: lm.rotary_embedding %[[K]]

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.qwen2.gguf --arch qwen2 --layers 1
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.qwen2.gguf %t.qwen2.onnx --packed
// RUN: lamina-opt %t.qwen2.onnx --compile-to=mark | FileCheck %s --check-prefix=QWEN2
// QWEN2-DAG: lm.weight @blk.0.attn_qkv.bias.32to48 : tensor<16xf32>
// QWEN2:     lm.bias_add

// A choice that is always the same is none.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.always.onnx --insert MatMul.0=always
// RUN: lamina-opt %t.always.onnx --compile-to=mark | FileCheck %s --check-prefix=ALWAYS
// ALWAYS: %[[X:.*]] = lm.rms_norm
// ALWAYS: lm.linear %[[X]]

// Norms of heads that the graph puts one below another.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.qwen3.gguf %t.below.onnx --head-norms below
// RUN: lamina-opt %t.below.onnx --compile-to=mark | FileCheck %s --check-prefix=QWEN3


// Keys and values that the graph appends to its caches, heads in axes of their own, cosines of the tokens' positions.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.whole.onnx --attention whole --attribute Attention.softcap=20.0
// RUN: lamina-opt %t.whole.onnx --compile-to=mark | FileCheck %s --check-prefix=WHOLE
// WHOLE-LABEL: func.func @step
// WHOLE-SAME:    (%{{.*}}: !lm.batch, %[[CACHE:.*]]: !lm.kv_cache<1 x 16 x 16, f16>)
// WHOLE:         %[[ROPE:.*]] = lm.rope_table
// WHOLE:         %[[Q:.*]] = lm.rotary_embedding %{{.*}}, %[[ROPE]] {head_length = 16 : i64} : tensor<?x32xf32>
// WHOLE:         %[[K:.*]] = lm.rotary_embedding %{{.*}}, %[[ROPE]]
// WHOLE:         %[[NEW:.*]] = lm.cache_append %[[CACHE]], %[[K]]
// WHOLE:         lm.attention %[[Q]], %[[NEW]] at {{.*}} {scale = 2.500000e-01 : f32, soft_cap = 2.000000e+01 : f32}
// WHOLE-NOT:     linalg

// Tables that depend on the length are taken as they are up to where they change.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.rows.onnx --insert GroupQueryAttention.7=rows --insert GroupQueryAttention.8=rows
// RUN: lamina-opt %t.rows.onnx --compile-to=mark | FileCheck %s --check-prefix=SHORT
// SHORT: lm.context_length = 64 : i64, {{.*}} lm.trained_context = 64 : i64
// SHORT: lm.rope_table {{.*}} {frequencies = array<f64: 1.000000e+00, 0.31622776601683794,

// Rotations of neighbours that others than attention read: the graph appends the keys.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.turned.onnx --attention whole --interleaved
// RUN: lamina-opt %t.turned.onnx --compile-to=mark | FileCheck %s --check-prefix=TURNED
// TURNED-DAG: lm.weight @blk.0.attn_q.weight.transposed.0to32.apart : {{.*}} {column_pitch = 32 : i64, rope_heads = 2 : i64, rope_length = 16 : i64}
// TURNED-DAG: lm.weight @blk.0.attn_k.weight.transposed.0to16.apart : {{.*}} {column_pitch = 16 : i64, rope_heads = 1 : i64, rope_length = 16 : i64}
// TURNED:     %[[Q:.*]] = lm.rotary_embedding
// TURNED:     %[[K:.*]] = lm.rotary_embedding
// TURNED:     %[[NEW:.*]] = lm.cache_append %{{.*}}, %[[K]]
// TURNED:     lm.attention %[[Q]], %[[NEW]]

// Projections inside of the attention, keys and values in one cache; or biases alone inside.
// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gpt2.gguf --arch gpt2 --layers 1 --set attention.head_count_kv=2 --tensor blk.0.attn_qkv.weight=32x96 --tensor blk.0.attn_qkv.bias=96
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gpt2.gguf %t.projected.onnx --attention projected
// RUN: lamina-opt %t.projected.onnx --compile-to=mark | FileCheck %s --check-prefixes=GPT2,PROJECTED
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gpt2.gguf %t.biases.onnx --attention multihead
// RUN: lamina-opt %t.biases.onnx --compile-to=mark | FileCheck %s --check-prefixes=GPT2,BIASES
// GPT2-DAG:      lm.weight @blk.0.attn_qkv.weight.transposed.32to64 : tensor<32x32x!lm.block<f32>> from [{{.*}}] {column_pitch = 96 : i64}
// PROJECTED-DAG: lm.weight @blk.0.attn_qkv.bias.32to64 : tensor<32xf32>
// BIASES-DAG:    lm.weight @blk.0.attn_qkv.bias.from32 : tensor<32xf32>
// GPT2:          func.func @step(%{{.*}}: !lm.batch, %[[CACHE:.*]]: !lm.kv_cache<2 x 16 x 16, f16>) -> tensor<?x40xf32>
// GPT2:          %[[NEW:.*]] = lm.cache_append %[[CACHE]]
// GPT2-NEXT:     lm.attention {{.*}}, %[[NEW]] at {{.*}} {scale = 2.500000e-01 : f32}
// GPT2:          lm.activation gelu_tanh

// Norms with a mean, but without a bias.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.centred.onnx --rename SimplifiedLayerNormalization=LayerNormalization --rename SkipSimplifiedLayerNormalization=SkipLayerNormalization
// RUN: lamina-opt %t.centred.onnx --compile-to=mark | FileCheck %s --check-prefix=CENTRED
// CENTRED: lm.layer_norm %{{[^,]*}}, %{{[^,]*}} {epsilon = {{.*}}} : tensor<?x32xf32>, tensor<32xf32>{{$}}

// Activations with a factor.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gpt2.gguf %t.quick.onnx --attention projected --rename FastGelu=QuickGelu
// RUN: lamina-opt %t.quick.onnx --compile-to=mark | FileCheck %s --check-prefix=QUICK
// QUICK:      %[[X:.*]] = lm.scale %{{.*}}, 1.702000e+00
// QUICK-NEXT: %[[Y:.*]] = lm.activation silu %[[X]]
// QUICK-NEXT: lm.scale %[[Y]], 0.587544

// All tokens have logits, where an input would say how many of the last.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.kept.onnx --insert MatMul.0=kept
// RUN: lamina-opt %t.kept.onnx --compile-to=mark | FileCheck %s --check-prefix=ALWAYS

// The last token's logits alone: rows that are wanted are the batch's business.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.last.onnx --insert MatMul.0=last
// RUN: lamina-opt %t.last.onnx --compile-to=mark | FileCheck %s --check-prefix=LAST
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.gathered.onnx --insert MatMul.0=last-gathered
// RUN: lamina-opt %t.gathered.onnx --compile-to=mark | FileCheck %s --check-prefix=LAST
// LAST-LABEL: func.func @step({{.*}}) -> tensor<?x40xf32>
// LAST:       %[[ROWS:.*]] = lm.gather_rows
// LAST-NEXT:  %[[NORM:.*]] = lm.rms_norm %[[ROWS]]
// LAST-NEXT:  lm.linear %[[NORM]]
// LAST-NEXT:  return %{{.*}} : tensor<?x40xf32>
