// Cluster files: what they say arrives in the topology; a bad one is one error with line and column, and status 1.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gguf
// RUN: split-file %s %t && rm -rf %t.lamina

// RUN: lamina-opt %t.gguf --cluster %t/good.yaml --compile-to=partition | FileCheck %s --check-prefix=GOOD
// GOOD:      mpmd.topology @cluster {
// GOOD-NEXT:   mpmd.device_class @gpu : compute on cpu {bandwidth = 300000000000 : i64, flops = 2000000000000 : i64, int8_ops = 8000000000000 : i64, memory_bytes = 1610612736 : i64}
// GOOD-NEXT:   mpmd.device_class @box : memory on cpu {memory_bytes = 1099511627776 : i64}
// GOOD-NEXT:   mpmd.link @gpu -> @box {bandwidth = 25000000000 : i64, latency_ns = 2000 : i64}
// GOOD:      mpmd.fragment @gpu
// GOOD:      mpmd.fragment @box

// A file with one class places everything there.
// RUN: lamina-opt %t.gguf --cluster %t/one.yaml --compile-to=schedule | FileCheck %s --check-prefix=ONE
// ONE:     plan.program @all0 on @all
// ONE-NOT: plan.program

// What is too small is refused with what is lacking and what takes the room.
// RUN: not lamina-opt %t.gguf --cluster %t/small.yaml -o %t.lamina 2>&1 | FileCheck %s --check-prefix=MEMORY
// RUN: not ls %t.lamina
// MEMORY:      lamina-opt: error: {{.*}}small.yaml:1:1: device class 'memory' lacks {{[0-9.]+}} MiB: the plan needs {{[0-9.]+}} MiB of 0.1 MiB; lower --max-context, --kv-tokens or --max-batch-tokens
// MEMORY-NEXT: lamina-opt: note: {{.*}}weights 0.0 MiB, KV cache 0.1 MiB, activations 0.2 MiB{{.*}}
// MEMORY-NOT:  {{.}}

// RUN: not lamina-opt %t.gguf --cluster %t/broken.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=BROKEN
// BROKEN:     lamina-opt: error: {{.*}}broken.yaml:2:63: cluster file: Unexpected token
// BROKEN-NOT: {{^lamina}}
// RUN: not lamina-opt %t.gguf --cluster %t/empty.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=EMPTY
// EMPTY:     lamina-opt: error: {{.*}}empty.yaml: cluster file: expected a mapping with classes and links, got nothing
// RUN: not lamina-opt %t.gguf --cluster %t/role.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=ROLE
// ROLE:     lamina-opt: error: {{.*}}role.yaml:2:28: cluster file: expected the role compute or memory
// ROLE-NOT: {{.}}
// RUN: not lamina-opt %t.gguf --cluster %t/device.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=DEVICE
// DEVICE:     lamina-opt: error: {{.*}}device.yaml:2:45: cluster file: expected the device cpu or cuda
// DEVICE-NOT: {{.}}
// RUN: not lamina-opt %t.gguf --cluster %t/key.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=KEY
// KEY:     lamina-opt: error: {{.*}}key.yaml:2:50: cluster file: unknown key 'cores'
// KEY-NOT: {{.}}
// RUN: not lamina-opt %t.gguf --cluster %t/name.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=NAME
// NAME:     lamina-opt: error: {{.*}}name.yaml:2:{{[0-9]+}}: cluster file: missing required key 'name'
// NAME-NOT: {{.}}
// RUN: not lamina-opt %t.gguf --cluster %t/number.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=NUMBER
// NUMBER:     lamina-opt: error: {{.*}}number.yaml:2:58: cluster file: expected a positive number such as 80GiB or 25e9
// NUMBER-NOT: {{.}}
// RUN: not lamina-opt %t.gguf --cluster %t/negative.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// NEGATIVE:     lamina-opt: error: {{.*}}negative.yaml:2:58: cluster file: expected a positive number such as 80GiB or 25e9
// RUN: not lamina-opt %t.gguf --cluster %t/huge.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=HUGE
// HUGE:     lamina-opt: error: {{.*}}huge.yaml:2:58: cluster file: expected a positive number such as 80GiB or 25e9
// RUN: not lamina-opt %t.gguf --cluster %t/links_only.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=CLASSES
// CLASSES:     lamina-opt: error: {{.*}}links_only.yaml:1:1: cluster file: missing required key 'classes'
// RUN: not lamina-opt %t.gguf --cluster %t/no_class.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=NONE
// NONE:     lamina-opt: error: {{.*}}no_class.yaml:1:1: 'mpmd.topology' op expected at least one device class
// NONE-NOT: {{.}}
// RUN: not lamina-opt %t.gguf --cluster %t/twice.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=TWICE
// TWICE:     lamina-opt: error: {{.*}}twice.yaml:1:1: redefinition of symbol named 'a'
// RUN: not lamina-opt %t.gguf --cluster %t/link.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=LINK
// LINK:     lamina-opt: error: {{.*}}link.yaml:1:1: 'mpmd.link' op expected device classes of the topology at both ends, got: @nowhere

// A class on cuda gets PTX; without NVIDIA's assembler that is all, and said.
// RUN: env LAMINA_PTXAS= lamina-opt %t.gguf --cluster %t/cuda.yaml -o %t.lamina 2>&1 | FileCheck %s --check-prefix=CUDA
// CUDA:     lamina-opt: note: no ptxas was found: the artifact has PTX alone, which the driver will compile when a worker starts; name one with LAMINA_PTXAS
// RUN: ls %t.lamina/code | FileCheck %s --check-prefix=CODE
// CODE:      compute0.ptx
// CODE-NEXT: memory0.{{.*}}.so
// CODE-NOT:  {{.}}
// RUN: not lamina-opt %t.gguf --cluster %t/many.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=MANY
// MANY: device class 'memory' has a count of 2, expected 1: work is not yet divided over the devices of a class

//--- good.yaml
classes:
  - { name: gpu, role: compute, device: cpu, count: 1, memory: 1.5GiB, flops: 2e12, int8_ops: 8e12, bandwidth: 3e11 }
  - { name: box, role: memory, device: cpu, memory: 1TiB }
links:
  - { from: gpu, to: box, bandwidth: 25e9, latency_ns: 2000 }
//--- one.yaml
classes:
  - { name: all, role: compute, device: cpu }
//--- small.yaml
classes:
  - { name: compute, role: compute, device: cpu }
  - { name: memory, role: memory, device: cpu, memory: 100KiB }
//--- broken.yaml
classes:
  - { name: compute, role: compute, device: cpu, memory: 80GiB
//--- empty.yaml

//--- role.yaml
classes:
  - { name: compute, role: worker, device: cpu }
//--- device.yaml
classes:
  - { name: compute, role: compute, device: tpu }
//--- key.yaml
classes:
  - { name: compute, role: compute, device: cpu, cores: 4 }
//--- name.yaml
classes:
  - { role: compute, device: cpu }
//--- number.yaml
classes:
  - { name: compute, role: compute, device: cpu, memory: plenty }
//--- negative.yaml
classes:
  - { name: compute, role: compute, device: cpu, memory: -1GiB }
//--- huge.yaml
classes:
  - { name: compute, role: compute, device: cpu, memory: 9e300TiB }
//--- links_only.yaml
links: []
//--- no_class.yaml
classes: []
//--- twice.yaml
classes:
  - { name: a, role: compute, device: cpu }
  - { name: a, role: memory, device: cpu }
//--- link.yaml
classes:
  - { name: compute, role: compute, device: cpu }
  - { name: memory, role: memory, device: cpu }
links:
  - { from: compute, to: nowhere }
//--- cuda.yaml
classes:
  - { name: compute, role: compute, device: cuda }
  - { name: memory, role: memory, device: cpu }
links:
  - { from: compute, to: memory }
//--- many.yaml
classes:
  - { name: compute, role: compute, device: cpu }
  - { name: memory, role: memory, device: cpu, count: 2 }
links:
  - { from: compute, to: memory }
