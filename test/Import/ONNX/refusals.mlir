// A refused model gives one line that names the file, the node or value, and what was expected, and status 1.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gguf --layers 1
// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.heads.gguf --layers 1 --set attention.head_count_kv=2 --tensor blk.0.attn_k.weight=32x32 --tensor blk.0.attn_v.weight=32x32

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.causal.onnx --attribute GroupQueryAttention.causal=0
// RUN: not lamina-opt %t.causal.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=CAUSAL
// CAUSAL:     causal.onnx{{.*}}node 'attn.0' ('com.microsoft.GroupQueryAttention'): attribute 'causal'{{.*}} may change results
// CAUSAL-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.attribute.onnx --attribute SimplifiedLayerNormalization.gain=2.0
// RUN: not lamina-opt %t.attribute.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=ATTRIBUTE
// ATTRIBUTE:     attribute.onnx{{.*}}node 'blk.0.attn_norm' ('SimplifiedLayerNormalization'): attribute 'gain'{{.*}} may change results
// ATTRIBUTE-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.heads.gguf %t.mask.onnx --attention multihead --rename LessOrEqual=GreaterOrEqual
// RUN: not lamina-opt %t.mask.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=MASK
// MASK:     mask.onnx{{.*}}node 'attn.0' ('com.microsoft.MultiHeadAttention'): expected a causal mask that is added to the scores, got float[1, 1, S, S + P]: by the batch
// MASK-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.unknown.onnx --rename Sigmoid=Sigmoidal
// RUN: not lamina-opt %t.unknown.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN:     unknown.onnx: node 'ffn.0.sigmoid' ('Sigmoidal'): operator 'Sigmoidal' of ai.onnx at opset 21 is not known; the closest that is known: Sigmoid of ai.onnx 6 to {{[0-9]+$}}
// UNKNOWN-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.none.gguf --layers 0
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.none.gguf %t.none.onnx
// RUN: not lamina-opt %t.none.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=NONE
// NONE:     none.onnx: {{.*}}: input: size '{{.*}}' of axis 0 is not known; give it with --dim {{.*}}=N{{$}}
// NONE-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.cache.onnx --drop-input GroupQueryAttention.3 --drop-input GroupQueryAttention.4
// RUN: not lamina-opt %t.cache.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=CACHE
// CACHE:     cache.onnx{{.*}}node 'attn.0' ('com.microsoft.GroupQueryAttention'): expected past keys and values that are inputs of the model
// CACHE-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.tables.onnx --drop-input GroupQueryAttention.7
// RUN: not lamina-opt %t.tables.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=TABLES
// TABLES:     tables.onnx: node 'attn.0' ('com.microsoft.GroupQueryAttention'): input 7 is missing
// TABLES-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.size.onnx --input extra=batchxdepth
// RUN: not lamina-opt %t.size.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=SIZE
// SIZE:     size.onnx: input 'extra': size 'depth' of axis 1 is not known; give it with --dim depth=N{{$}}
// SIZE-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.context.onnx
// RUN: not lamina-opt %t.context.onnx --compile-to=mark --max-context=129 2>&1 | FileCheck %s --check-prefix=CONTEXT
// CONTEXT:     context.onnx: {{.*}} ask for 1 to 128
// CONTEXT-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.later.onnx --attention standard --attribute Attention.is_causal=0
// RUN: not lamina-opt %t.later.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=LATER
// LATER:     later.onnx{{.*}}node 'attn.0' ('Attention'): expected that queries see no later keys, by is_causal or a mask
// LATER-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.both.onnx --attention paged --attribute PagedAttention.is_causal=0
// RUN: not lamina-opt %t.both.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=BOTH
// BOTH:     both.onnx{{.*}}node 'attn.0' ('com.microsoft.PagedAttention'): expected that queries see no later keys
// BOTH-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.back.onnx --insert MatMul.0=backwards
// RUN: not lamina-opt %t.back.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=BACK
// BACK:     back.onnx{{.*}}node 'inserted.0' ('Slice'): takes tokens apart, or elements backwards
// BACK-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.next.onnx --attention paged --insert Gather.1=next
// RUN: not lamina-opt %t.next.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=NEXT
// NEXT:     next.onnx{{.*}}node 'inserted.1' ('Add'): expected input 0 to be real numbers, got int64[S]
// NEXT-NOT: {{.}}

// A constant whose bytes are not there is not folded.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.turned.onnx --header-only --insert MatMul.1=as-it-is
// RUN: rm %t.turned.onnx.data
// RUN: not lamina-opt %t.turned.onnx --plan-only 2>&1 | FileCheck %s --check-prefix=TURNED
// TURNED:     turned.onnx{{.*}}node 'inserted.1' ('Transpose'): expected the two axes of a constant matrix to change places, got float[32, 32]
// TURNED-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.first.onnx --attention whole --attribute Attention.is_causal=1
// RUN: not lamina-opt %t.first.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=FIRST
// FIRST:     first.onnx{{.*}}node 'attn.0.heads' ('Attention'): is_causal and windows count positions from 0, where the cache already has some; expected a mask
// FIRST-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.seen.onnx --attention whole --rename LessOrEqual=GreaterOrEqual
// RUN: not lamina-opt %t.seen.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=SEEN
// SEEN:     seen.onnx{{.*}}node 'attn.0.heads' ('Attention'): expected a causal mask that chooses the scores, got bool[1, 1, S, S + P]: by the batch
// SEEN-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gpt2.gguf --arch gpt2 --layers 1 --set attention.head_count_kv=2 --tensor blk.0.attn_qkv.weight=32x96 --tensor blk.0.attn_qkv.bias=96
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gpt2.gguf %t.any.onnx --attention projected --attribute Attention.unidirectional=0
// RUN: not lamina-opt %t.any.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=ANY
// ANY:     any.onnx{{.*}}node 'attn.0' ('com.microsoft.Attention'): expected that queries see no later keys, by unidirectional or a mask
// ANY-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gpt2.gguf %t.flat.onnx --attention projected --rename FastGelu=QuickGelu --attribute QuickGelu.alpha=0.0
// RUN: not lamina-opt %t.flat.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=FLAT
// FLAT:     flat.onnx{{.*}}node 'ffn.0.gelu' ('com.microsoft.QuickGelu'): expected an alpha that is not 0
// FLAT-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.sinks.onnx --input sinks=2 --feed GroupQueryAttention.11=sinks
// RUN: not lamina-opt %t.sinks.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=SINKS
// SINKS:     sinks.onnx{{.*}}node 'attn.0' ('com.microsoft.GroupQueryAttention'): has attention sinks (input 11), which is not supported yet
// SINKS-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.quantised.onnx --input scales=1 --feed GroupQueryAttention.12=scales
// RUN: not lamina-opt %t.quantised.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=QUANTISED
// QUANTISED:     quantised.onnx{{.*}}node 'attn.0' ('com.microsoft.GroupQueryAttention'): has a cache of quantised keys and values, which is not supported; export with one of floats, which --kv-type=q8_0 keeps in eight bits
// QUANTISED-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.heads.gguf %t.packed.onnx --attention multihead --insert MultiHeadAttention.0=packed --drop-input MultiHeadAttention.1 --drop-input MultiHeadAttention.2
// RUN: not lamina-opt %t.packed.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=PACKED
// PACKED:     packed.onnx{{.*}}node 'attn.0' ('com.microsoft.MultiHeadAttention'): expected query, key and value as an input each; several packed in one of five axes are not supported
// PACKED-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.largest.onnx --insert MatMul.0=largest
// RUN: not lamina-opt %t.largest.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=LARGEST
// LARGEST:     largest.onnx{{.*}}node 'inserted.0' ('TopK'): has no form in lm yet; experts are known as MoE and QMoE, which onnxruntime-genai writes
// LARGEST-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.cut.onnx --attention whole --drop-input Attention.3 --insert Concat.0=cut
// RUN: not lamina-opt %t.cut.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=CUT
// CUT:     cut.onnx: value 'inserted.present.0.key.0': axis 2 is cut to the last 6 positions; export with caches of all positions, whose windows are masks (transformers: DynamicCache() without a config){{$}}
// CUT-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.bytes.onnx --attention whole --cache quantised
// RUN: not lamina-opt %t.bytes.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=BYTES
// BYTES:     bytes.onnx{{.*}}past_key_values.0.key: is a cache of int8, which the model quantises by itself; export with caches of floats: --kv-type=q8_0 keeps them in eight bits
// BYTES-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.coarse.onnx --insert MatMul.0=coarse
// RUN: not lamina-opt %t.coarse.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=COARSE
// COARSE:     coarse.onnx{{.*}}node 'inserted.0.rounded' ('Cast'): rounds to float8e4m3fn, expected 16 bits or more
// COARSE-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.deep.onnx --attention decomposed --insert Cast.0=last-deep
// RUN: not lamina-opt %t.deep.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=DEEP
// DEEP:     deep.onnx{{.*}}: reads a table of positions behind more than 64 operations
// DEEP-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gpt2.gguf %t.shift.onnx --attention projected --input shift=64 --feed FastGelu.1=shift
// RUN: not lamina-opt %t.shift.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=SHIFT
// SHIFT:     shift.onnx{{.*}}node 'ffn.0.gelu' ('com.microsoft.FastGelu'): expected a bias of the last axis, got float[64]
// SHIFT-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.added.onnx --insert MatMul.0=last-added
// RUN: not lamina-opt %t.added.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=ADDED
// ADDED:     added.onnx{{.*}}value 'inserted.0': all tokens meet the last one, so earlier ones depend on later ones; such a model cannot decode with caches
// ADDED-NOT: {{.}}

// RUN: lamina-opt %t.size.onnx --dim depth=3 --compile-to=mark | FileCheck %s --check-prefix=SIZED
// SIZED: lm.attention
// RUN: not lamina-opt %t.size.onnx --dim depth=3 --dim batch=2 --compile-to=mark 2>&1 | FileCheck %s --check-prefix=BATCH
// BATCH:     size.onnx: input '{{.*}}': size 'batch' of axis 0 is the batch's; leave out --dim batch=2{{$}}
// BATCH-NOT: {{.}}

// RUN: not lamina-opt %t.size.onnx --constant input_ids=ids.npy --compile-to=mark 2>&1 | FileCheck %s --check-prefix=FIXED
// FIXED:     size.onnx{{.*}}--constant: input 'input_ids' of a model with caches is the batch's
// FIXED-NOT: {{.}}
