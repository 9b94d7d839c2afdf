// The fit table: what each worker needs, without reading or writing a weight.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gguf --arch qwen3 --layers 2
// RUN: lamina-opt %t.gguf --plan-only | FileCheck %s --check-prefix=TEXT
// TEXT:      worker {{ *}}class {{ *}}weights {{ *}}KV cache {{ *}}activations {{ *}}transfers {{ *}}total {{ *}}memory (MiB)
// TEXT-NEXT: compute0 {{ *}}compute {{ *}}0.1 {{ *}}0.0 {{.*}}unknown
// TEXT-NEXT: memory0 {{ *}}memory {{ *}}0.0 {{ *}}0.1 {{.*}}unknown
// TEXT:      KV cache: 128 bytes a token, 512 tokens as compiled; trained for contexts of 128 tokens
// TEXT:      largest context: unknown without a cluster file
// TEXT:      link: 768 bytes a token

// What the model was trained for does not follow what was asked for.
// RUN: lamina-opt %t.gguf --plan-only --max-context=64 | FileCheck %s --check-prefix=SHORTER
// SHORTER: 256 tokens as compiled; trained for contexts of 128 tokens

// RUN: lamina-opt %t.gguf --plan-only --output=json > %t.json
// RUN: %python -c "import json; t = json.load(open('%t.json')); w = t['workers']; assert [x['name'] for x in w] == ['compute0', 'memory0'], w; assert all(x['total_bytes'] == x['weights_bytes'] + x['kv_cache_bytes'] + x['activation_bytes'] + x['transfer_bytes'] for x in w); assert w[1]['weights_bytes'] == 0 and w[1]['kv_cache_bytes'] == t['kv_cache_bytes_per_token'] * t['kv_cache_tokens'] == 65536 and w[0]['kv_cache_bytes'] == 0; assert 'largest_context' not in t and 'fits' not in w[0]"

// Into a file.
// RUN: lamina-opt %t.gguf --plan-only -o %t.txt && FileCheck %s --check-prefix=TEXT < %t.txt

// With the memory of a cluster: what fits, and the largest context.
// RUN: echo 'classes: [{ name: gpu, role: compute, device: cpu, memory: 1MiB }, { name: box, role: memory, device: cpu, memory: 512KiB }]' > %t.yaml
// RUN: lamina-opt %t.gguf --cluster %t.yaml --plan-only | FileCheck %s --check-prefix=FITS
// FITS: gpu0 {{.*}}1.0 {{ *}}fits
// FITS: box0 {{.*}}0.5 {{ *}}fits
// FITS: largest context that fits the memory: 768 tokens

// The table says so when it does not fit: it is made to be asked before.
// RUN: echo 'classes: [{ name: gpu, role: compute, device: cpu, memory: 100KiB }, { name: box, role: memory, device: cpu }]' > %t.small.yaml
// RUN: lamina-opt %t.gguf --cluster %t.small.yaml --plan-only | FileCheck %s --check-prefix=SMALL
// SMALL: gpu0 {{.*}}0.1 {{ *}}does not fit
// RUN: lamina-opt %t.gguf --cluster %t.small.yaml --plan-only --output=json | FileCheck %s --check-prefix=SMALL-JSON
// SMALL-JSON: "fits": false
// SMALL-JSON: "memory_bytes": 102400

// Sizes change what they say they change: tokens of a step the activations, tokens of the cache and its type the KV cache.
// RUN: lamina-opt %t.gguf --plan-only --output=json --max-batch-tokens=1024 --kv-tokens=1024 --kv-type=f32 > %t.more.json
// RUN: %python -c "import json; a, b = (json.load(open(f)) for f in ('%t.json', '%t.more.json')); assert b['kv_cache_bytes_per_token'] == 2 * a['kv_cache_bytes_per_token']; assert b['kv_cache_tokens'] == 1024; assert b['workers'][1]['kv_cache_bytes'] == 4 * a['workers'][1]['kv_cache_bytes']; assert b['workers'][1]['activation_bytes'] == 2 * a['workers'][1]['activation_bytes']; assert b['workers'][0]['weights_bytes'] == a['workers'][0]['weights_bytes']"

// A model without a cache has nothing to say of one, and takes nothing of one.
// RUN: %python %source_dir/tools/dev/make_onnx_encoder.py %t.bert.onnx bert
// RUN: lamina-opt %t.bert.onnx --dim batch=1 --dim sequence=8 --plan-only | FileCheck %s --check-prefix=ENCODER
// ENCODER-NOT: context
// ENCODER-NOT: bytes a token,
// ENCODER:     link: {{[1-9][0-9]*}} bytes a token
// RUN: not lamina-opt %t.bert.onnx --dim batch=1 --dim sequence=8 --plan-only --kv-type=q8_0 2>&1 | FileCheck %s --check-prefix=NO-CACHE
// RUN: not lamina-opt %t.bert.onnx --dim batch=1 --dim sequence=8 --plan-only --max-context=64 2>&1 | FileCheck %s --check-prefix=NO-CACHE
// NO-CACHE: bert.onnx: --max-context, --kv-tokens and --kv-type are of models with a cache; leave them out

// A file without its weights' bytes is enough.
// RUN: head -c 2048 %t.gguf > %t.head.gguf
// RUN: lamina-opt %t.head.gguf --plan-only | FileCheck %s --check-prefix=TEXT
