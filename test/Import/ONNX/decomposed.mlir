// Decoders of standard operators alone, written by tools/dev/make_onnx_model.py, become what fused ones become.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gguf --layers 1

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.expand.onnx --attention decomposed
// RUN: lamina-opt %t.expand.onnx --compile-to=mark | FileCheck %s
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.einsum.onnx --attention decomposed --repeat tile --product einsum
// RUN: lamina-opt %t.einsum.onnx --compile-to=mark | FileCheck %s

// CHECK-LABEL: func.func @step
// CHECK-SAME:    (%{{.*}}: !lm.batch, %[[CACHE:.*]]: !lm.kv_cache<1 x 16 x 16, f16>)
// CHECK:         %[[ROPE:.*]] = lm.rope_table
// CHECK:         %[[Q:.*]] = lm.rotary_embedding %{{.*}}, %[[ROPE]] {head_length = 16 : i64} : tensor<?x32xf32>
// CHECK:         %[[K:.*]] = lm.rotary_embedding %{{.*}}, %[[ROPE]] {head_length = 16 : i64} : tensor<?x16xf32>
// CHECK:         %[[NEW:.*]] = lm.cache_append %[[CACHE]], %[[K]]
// CHECK-NEXT:    lm.attention %[[Q]], %[[NEW]] at {{.*}} {scale = 2.500000e-01 : f32}
// CHECK-NOT:     {{linalg|tensor\.}}
// CHECK:         return

// A window that takes effect.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.window.onnx --attention decomposed --window 12
// RUN: lamina-opt %t.window.onnx --compile-to=mark | FileCheck %s --check-prefix=WINDOW
// WINDOW: lm.attention {{.*}} {scale = 2.500000e-01 : f32, window = 12 : i64}

// Neighbours rotated against each other.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.beside.onnx --attention decomposed --interleaved
// RUN: lamina-opt %t.beside.onnx --compile-to=mark | FileCheck %s --check-prefix=BESIDE
// BESIDE-DAG: lm.weight @blk.0.attn_q.weight.transposed.0to32.apart : {{.*}} {column_pitch = 32 : i64, rope_heads = 2 : i64, rope_length = 16 : i64}
// BESIDE-DAG: lm.weight @blk.0.attn_k.weight.transposed.0to16.apart : {{.*}} {column_pitch = 16 : i64, rope_heads = 1 : i64, rope_length = 16 : i64}
// BESIDE:     lm.attention

// Of part of each head.
// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.part.gguf --layers 1 --set rope.dimension_count=8
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.part.gguf %t.part.onnx --attention decomposed --interleaved
// RUN: lamina-opt %t.part.onnx --compile-to=mark | FileCheck %s --check-prefix=PART
// PART: rope_heads = 2 : i64, rope_length = 8 : i64
// PART: lm.attention

// Nearly attention, and products that are none.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.late.onnx --attention decomposed --rename LessOrEqual=GreaterOrEqual
// RUN: not lamina-opt %t.late.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=LATE
// LATE:     late.onnx{{.*}} expected input 1 to be computed from tokens, a mask, a rotation or a vector, got float[1, 1, S, S + P]: by the batch
// LATE-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.letters.onnx --rename MatMul=Einsum --attribute "Einsum.equation=...ij,jk->...ik"
// RUN: not lamina-opt %t.letters.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=LETTERS
// LETTERS:     letters.onnx{{.*}} expected two inputs and an equation of letters, such as 'bhid,bhjd->bhij'
// LETTERS-NOT: {{.}}

// Operators in the standard's own words, by tools/dev/expand_onnx_model.py.
// RUN: lamina-opt %source_dir/test/data/expanded.onnx --compile-to=mark | FileCheck %s
