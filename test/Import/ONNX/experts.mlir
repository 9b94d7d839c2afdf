// Mixtures of experts: onnxruntime's MoE and QMoE become the operations that GGUF models' experts are.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gguf --layers 1 --experts

// Matrices of gates, ups and downs in tensors of their own; each expert's lies in the file.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.apart.onnx
// RUN: lamina-opt %t.apart.onnx --compile-to=mark | FileCheck %s --check-prefixes=ANY,APART
// APART-DAG: lm.weight @blk.0.ffn_first.gate : tensor<4x64x32x!lm.block<f32>> from [#lm.source<"blk.0.ffn_first" : f32, 0 at {{[0-9]+}}>, {{.*}}]{{$}}
// APART-DAG: lm.weight @blk.0.ffn_third.up : tensor<4x64x32x!lm.block<f32>>
// APART-DAG: lm.weight @blk.0.ffn_second.down : tensor<4x32x64x!lm.block<f32>>

// Gates and ups one behind the other.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.joined.onnx --experts joined
// RUN: lamina-opt %t.joined.onnx --compile-to=mark | FileCheck %s --check-prefixes=ANY,JOINED
// JOINED:     lm.weight @blk.0.ffn_first.gate : tensor<4x64x32x!lm.block<f32>> from [#lm.source<"blk.0.ffn_first" : f32, 0 at [[#FIRST:]]>
// JOINED:     lm.weight @blk.0.ffn_first.up : tensor<4x64x32x!lm.block<f32>> from [#lm.source<"blk.0.ffn_first" : f32, 0 at [[#FIRST+8192]]>, #lm.source<"blk.0.ffn_first" : f32, 0 at [[#FIRST+24576]]>

// In blocks of few bits, also gates and ups in turn.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.turns.onnx --experts interleaved --weights blocks
// RUN: lamina-opt %t.turns.onnx --compile-to=mark | FileCheck %s --check-prefixes=ANY,TURNS
// TURNS-DAG: lm.weight @blk.0.ffn_first.gate : tensor<4x64x32x!lm.block<q8_f32>> from [#lm.source<"blk.0.ffn_first" : q8_f32, 1 at {{.*}}
// TURNS-DAG: lm.weight @blk.0.ffn_first.up : tensor<4x64x32x!lm.block<q8_f32>>

// Biases of 0, which say nothing.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.zero.onnx --expert-biases 0
// RUN: lamina-opt %t.zero.onnx --compile-to=mark | FileCheck %s --check-prefix=ANY
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.zeros.onnx --expert-biases 0 --experts interleaved --weights blocks
// RUN: lamina-opt %t.zeros.onnx --compile-to=mark | FileCheck %s --check-prefix=ANY

// ANY:      %[[LOGITS:.*]] = lm.linear %[[X:.*]], %{{.*}} : (tensor<?x32xf32>, tensor<4x32x!lm.block<f32>>) -> tensor<?x4xf32>
// ANY:      %[[EXPERTS:.*]], %[[WEIGHTS:.*]] = lm.route_experts %[[LOGITS]] {normalize} : (tensor<?x4xf32>) -> (tensor<?x2xi32>, tensor<?x2xf32>)
// ANY:      %[[GATE:.*]] = lm.expert_linear %[[X]], %[[EXPERTS]]
// ANY:      %[[UP:.*]] = lm.expert_linear %[[X]], %[[EXPERTS]]
// ANY:      %[[H:.*]] = lm.gated_activation silu %[[GATE]], %[[UP]]
// ANY:      %[[DOWN:.*]] = lm.expert_linear %[[H]], %[[EXPERTS]]
// ANY-NEXT: lm.combine_experts %[[DOWN]], %[[WEIGHTS]]

// What the operations do not have.
// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.plain.onnx --experts interleaved
// RUN: not lamina-opt %t.plain.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=PLAIN
// PLAIN:     plain.onnx: {{.*}}node 'ffn.0.experts' ('com.microsoft.MoE'): expected float, float16 or bfloat16 matrices in which gate and up are not interleaved; QMoE may interleave them
// PLAIN-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.limit.onnx --experts joined --attribute MoE.swiglu_limit=7.0
// RUN: not lamina-opt %t.limit.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=LIMIT
// LIMIT:     limit.onnx: {{.*}}('com.microsoft.MoE'): expected the activation silu, gelu, relu or a swiglu without alpha, beta and limit; experts of other forms, such as those of gpt-oss, do not run yet
// LIMIT-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.gate.onnx --drop-input MoE.6
// RUN: not lamina-opt %t.gate.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=UNGATED
// UNGATED:     gate.onnx: {{.*}}('com.microsoft.MoE'): expected experts with a gate: matrices for it as an input, or a swiglu_fusion
// UNGATED-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.bias.onnx --input biases=4x64 --feed MoE.3=biases
// RUN: not lamina-opt %t.bias.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=BIAS
// BIAS:     bias.onnx: {{.*}}('com.microsoft.MoE'): its experts have biases (input 3) that are not constants of 0; such experts, as those of gpt-oss, do not run yet
// BIAS-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.half.onnx --experts joined --expert-biases 0.5
// RUN: not lamina-opt %t.half.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=HALF
// HALF:     half.onnx: {{.*}}('com.microsoft.MoE'): its experts have biases (input 3) that are not constants of 0{{.*}}
// HALF-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_onnx_model.py %t.gguf %t.given.onnx --input matrices=4x64x32 --feed MoE.2=matrices
// RUN: not lamina-opt %t.given.onnx --compile-to=mark 2>&1 | FileCheck %s --check-prefix=GIVEN
// GIVEN:     given.onnx: {{.*}}('com.microsoft.MoE'): expected matrices of experts that are constants
// GIVEN-NOT: {{.}}
