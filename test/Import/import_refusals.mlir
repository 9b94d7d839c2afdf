// A refused model gives one line that names the file, the key or tensor and the nearest known name, and status 1.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.key.gguf --set rope.freq_bass=1.5
// RUN: not lamina-opt %t.key.gguf --compile-to=import 2>&1 | FileCheck %s --check-prefix=KEY
// KEY:     key.gguf{{.*}}key 'llama.rope.freq_bass' is not known to this importer and may change results; did you mean 'llama.rope.freq_base'?
// KEY-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.tensor.gguf --tensor blk.0.attn_q.scale=1
// RUN: not lamina-opt %t.tensor.gguf --compile-to=import 2>&1 | FileCheck %s --check-prefix=TENSOR
// TENSOR:     tensor.gguf{{.*}}tensor 'blk.0.attn_q.scale' is not part of this architecture and may change results{{.*}}
// TENSOR-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.missing.gguf --arch qwen2 --drop blk.1.attn_k.bias
// RUN: not lamina-opt %t.missing.gguf --compile-to=import 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING:     missing.gguf{{.*}}tensor 'blk.1.attn_k.bias' is missing{{$}}
// MISSING-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.arch.gguf --arch gemma4
// RUN: not lamina-opt %t.arch.gguf --compile-to=import 2>&1 | FileCheck %s --check-prefix=ARCH
// ARCH:     arch.gguf{{.*}}unknown architecture 'gemma4', expected one of llama, {{.*}}, phi3; did you mean 'gemma{{.*}}
// ARCH-NOT: {{.}}

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.sized.gguf --arch llama
// RUN: not lamina-opt %t.sized.gguf --dim batch=1 --compile-to=import 2>&1 | FileCheck %s --check-prefix=SIZED
// SIZED:     sized.gguf{{.*}}--dim and --constant are of ONNX models; leave them out
// SIZED-NOT: {{.}}
