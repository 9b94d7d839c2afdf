// Equal layers compile once: the number of kernels does not depend on the number of layers, and IR and plan grow by the
// same amount with each layer.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.2.gguf --arch qwen3 --layers 2
// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.4.gguf --arch qwen3 --layers 4
// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.8.gguf --arch qwen3 --layers 8
// RUN: lamina-opt %t.2.gguf --compile-to=schedule -o %t.2.mlir
// RUN: lamina-opt %t.4.gguf --compile-to=schedule -o %t.4.mlir
// RUN: lamina-opt %t.8.gguf --compile-to=schedule -o %t.8.mlir
// RUN: grep -c 'plan[.]kernel' %t.2.mlir > %t.2.kernels
// RUN: grep -c 'plan[.]kernel' %t.8.mlir | diff %t.2.kernels -
// RUN: wc -l %t.2.mlir %t.4.mlir %t.8.mlir > %t.lines
// RUN: %python -c "a, b, c = (int(l.split()[0]) for l in list(open('%t.lines'))[:3]); assert b > a and c - b == 2 * (b - a), (a, b, c)"

// Layers of two kinds (sliding and full attention) differ in the attention alone.
// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.mixed.gguf --arch gemma2 --layers 8
// RUN: lamina-opt %t.mixed.gguf --compile-to=schedule | grep 'plan[.]kernel' | FileCheck %s
// CHECK-COUNT-2: plan.kernel @online_attention{{.*}}
// CHECK-NOT:     plan.kernel @online_attention

// Activations do not grow with layers.
// RUN: grep -o 'arena [0-9]* weights' %t.2.mlir > %t.2.arena
// RUN: grep -o 'arena [0-9]* weights' %t.8.mlir | diff %t.2.arena -

// So does the plan of an artifact; equal layers share their code.
// RUN: rm -rf %t.2.lamina %t.4.lamina %t.8.lamina
// RUN: lamina-opt %t.2.gguf -o %t.2.lamina --cpu-targets=x86-64-v3
// RUN: lamina-opt %t.4.gguf -o %t.4.lamina --cpu-targets=x86-64-v3
// RUN: lamina-opt %t.8.gguf -o %t.8.lamina --cpu-targets=x86-64-v3
// RUN: wc -c < %t.2.lamina/code/compute0.x86-64-v3.so > %t.2.code
// RUN: wc -c < %t.8.lamina/code/compute0.x86-64-v3.so | diff %t.2.code -
// RUN: wc -c %t.2.lamina/plan.pb %t.4.lamina/plan.pb %t.8.lamina/plan.pb > %t.bytes
// RUN: %python -c "a, b, c = (int(l.split()[0]) for l in list(open('%t.bytes'))[:3]); assert abs((c - b) - 2 * (b - a)) < 0.1 * (c - b), (a, b, c)"
