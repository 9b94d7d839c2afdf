// Caches of a fixed size, of which a step writes the rows of its tokens, become what growing caches become.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gguf --layers 1

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.tensor.onnx --attention whole --cache tensorscatter
// RUN: lamina-opt %t.tensor.onnx --compile-to=mark | FileCheck %s
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.elements.onnx --attention whole --cache scatterelements
// RUN: lamina-opt %t.elements.onnx --compile-to=mark | FileCheck %s
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.rows.onnx --attention decomposed --cache scatternd
// RUN: lamina-opt %t.rows.onnx --compile-to=mark | FileCheck %s

// The room is the longest context.
// CHECK:         lm.context_length = 64 : i64, {{.*}} lm.trained_context = 64 : i64
// CHECK-LABEL:   func.func @step
// CHECK-SAME:    (%{{.*}}: !lm.batch, %[[CACHE:.*]]: !lm.kv_cache<1 x 16 x 16, f16>) -> tensor<?x40xf32>
// CHECK:         %[[Q:.*]] = lm.rotary_embedding %{{.*}} : tensor<?x32xf32>
// CHECK:         %[[K:.*]] = lm.rotary_embedding %{{.*}} : tensor<?x16xf32>
// CHECK:         %[[NEW:.*]] = lm.cache_append %[[CACHE]], %[[K]]
// CHECK-NEXT:    lm.attention %[[Q]], %[[NEW]] at {{.*}} {scale = 2.500000e-01 : f32}
// CHECK-NOT:     linalg

// A room whose size has a name is as large as is asked for.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.name.onnx --attention whole --cache tensorscatter --room max_length
// RUN: lamina-opt %t.name.onnx --compile-to=mark --max-context=20000 | FileCheck %s --check-prefix=NAME
// NAME: lm.context_length = 20000 : i64
// NAME: lm.attention

// A window of the attention, whose positions are counted from the last key.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.window.onnx --attention whole --cache tensorscatter --opset 25 --attribute Attention.left_window_size=11
// RUN: lamina-opt %t.window.onnx --compile-to=mark | FileCheck %s --check-prefix=WINDOW
// WINDOW: lm.attention {{.*}} window = 12 : i64

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.places.onnx --attention decomposed --cache scatternd --insert ScatterND.1=next
// RUN: not lamina-opt %t.places.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=PLACES
// PLACES:     places.onnx{{.*}}node 'present.0.key.written' ('ScatterND'): expected to write at the positions of the new tokens, got int64[S, 1]: positions from P + 1 along axis 0
// PLACES-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.last.onnx --attention whole --cache tensorscatter --feed TensorScatter.2=nonpad_kv_seqlen
// RUN: not lamina-opt %t.last.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=LAST
// LAST:     last.onnx{{.*}}node 'present.0.key' ('TensorScatter'): expected to write at the positions of the new tokens, got int64[1]: (S + P)
// LAST-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.length.onnx --attention whole --cache tensorscatter --feed Attention.6=write_indices
// RUN: not lamina-opt %t.length.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=LENGTH
// LENGTH:     length.onnx{{.*}}node 'attn.0.heads' ('Attention'): expected the number of all tokens as input 6, got int64[1]: (P)
// LENGTH-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.add.onnx --attention whole --cache scatterelements --attribute ScatterElements.reduction=add
// RUN: not lamina-opt %t.add.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=ADD
// ADD:     add.onnx{{.*}}node 'present.0.key' ('ScatterElements'): expected rows that replace others, which do not wrap around
// ADD-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.square.onnx --attention whole --cache tensorscatter --room 16
// RUN: not lamina-opt %t.square.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=SQUARE
// SQUARE:     square.onnx: value 'past_key_values.0.key', float[1, 1, 16, 16]: which size of 16 is that of a cache with room for as many positions? Export the model with another{{$}}
// SQUARE-NOT: {{.}}
