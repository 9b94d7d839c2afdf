// Matrices of few bits become blocks: MatMulNBits, and DequantizeLinear before a product.

// RUN: %python %source_dir/tools/dev/make_random_model.py %t.gguf --layers 1 --width 64 --ffn 64 --heads 2 --kv-heads 1 --vocab 300 --type q4_0
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.blocks.onnx --weights blocks
// RUN: lamina-opt %t.blocks.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=BLOCKS

// BLOCKS-NOT: note
// BLOCKS-DAG: lm.weight @blk.0.attn_k.weight.blocks : tensor<32x64x!lm.block<q4_f32>> from [#lm.source<"blk.0.attn_k.weight" : q4_f32, 1 at {{[0-9]+}}>]
// BLOCKS-DAG: lm.weight @token_embd.weight.blocks : tensor<300x64x!lm.block<q4_f32>>
// BLOCKS-DAG: lm.weight @blk.0.attn_norm.weight : tensor<64xf32>
// BLOCKS:     lm.linear %{{.*}} : (tensor<?x64xf32>, tensor<32x64x!lm.block<q4_f32>>) -> tensor<?x32xf32>

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.zeros.onnx --weights blocks --zero-points
// RUN: lamina-opt %t.zeros.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=ZEROS
// ZEROS: lm.weight @blk.0.attn_k.weight.blocks : tensor<32x64x!lm.block<q5_f32>>

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.qdq.onnx --weights qdq
// RUN: lamina-opt %t.qdq.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=QDQ
// QDQ: lm.weight @blk.0.attn_k.weight.blocks : tensor<32x64x!lm.block<q4_f32>>

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.short.onnx --weights blocks --block-size 16
// RUN: lamina-opt %t.short.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=SHORT
// SHORT: note: {{.*}}blk.0.attn_k.weight: is written out as f32: no block format has rows of 64 codes of 4 bits with 16 to a scale
// SHORT: lm.weight @blk.0.attn_k.weight.blocks : tensor<32x64x!lm.block<f32>>

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.order.onnx --weights blocks --attribute MatMulNBits.weight_prepacked=1
// RUN: not lamina-opt %t.order.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=PACKED
// PACKED: order.onnx: node {{.*}} ('com.microsoft.MatMulNBits'): its weights are packed for one kind of device; export them plain
