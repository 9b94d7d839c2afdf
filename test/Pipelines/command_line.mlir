// A wrong command line is one line on stderr and status 2; a bad input is status 1.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gguf

// RUN: (lamina-opt; echo status $?) 2>&1 | FileCheck %s --check-prefix=NOTHING
// NOTHING:      lamina-opt: MODEL is required; see lamina-opt --help
// NOTHING-NEXT: status 2
// RUN: (lamina-opt %t.gguf; echo status $?) 2>&1 | FileCheck %s --check-prefix=NOWHERE
// NOWHERE:      lamina-opt: nowhere to write the artifact; give -o NAME.lamina
// NOWHERE-NEXT: status 2
// RUN: (lamina-opt %t.gguf -o; echo status $?) 2>&1 | FileCheck %s --check-prefix=NO-NAME
// NO-NAME:      lamina-opt: --out: {{.*}}missing; see lamina-opt --help
// NO-NAME-NEXT: status 2
// RUN: (lamina-opt %t.gguf --compile-to=nonsense; echo status $?) 2>&1 | FileCheck %s --check-prefix=PHASE
// PHASE:      lamina-opt: --compile-to: nonsense not in {import,mark,partition,comm,schedule,lower,artifact}; see lamina-opt --help
// PHASE-NEXT: status 2
// RUN: (lamina-opt %t.gguf --compile-to=3; echo status $?) 2>&1 | FileCheck %s --check-prefix=NUMBER
// NUMBER:      lamina-opt: --compile-to: 3 not in {import,
// NUMBER-NEXT: status 2
// RUN: (lamina-opt %t.gguf --compile-from=begin --compile-to=mark; echo status $?) 2>&1 | FileCheck %s --check-prefix=FROM
// FROM:      lamina-opt: --compile-from: begin not in {import,
// FROM-NEXT: status 2
// RUN: (lamina-opt %t.gguf --compile-from=mark --compile-to=import; echo status $?) 2>&1 | FileCheck %s --check-prefix=BACK
// BACK:      lamina-opt: --compile-to=import lies before --compile-from=mark, and phases go forward alone; see lamina-opt --help
// BACK-NEXT: status 2
// RUN: (lamina-opt %t.gguf --compile-from=mark -o %t.lamina; echo status $?) 2>&1 | FileCheck %s --check-prefix=MODEL
// MODEL:      lamina-opt: error: {{.*}}.gguf: --compile-from is of .mlir files; leave it out
// MODEL-NEXT: status 1
// RUN: (lamina-opt %t.gguf --frobnicate -o %t.lamina; echo status $?) 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN:      lamina-opt: there is no option '--frobnicate'; see lamina-opt --help
// UNKNOWN-NEXT: status 2
// RUN: (lamina-opt %t.gguf --mpmd-partition=x; echo status $?) 2>&1 | FileCheck %s --check-prefixes=PASSES,PASS
// RUN: (lamina-opt %t.gguf --pass-pipeline=x; echo status $?) 2>&1 | FileCheck %s --check-prefixes=PASSES,PIPELINE
// PASS:        lamina-opt: '--mpmd-partition' is for
// PIPELINE:    lamina-opt: '--pass-pipeline' is for
// PASSES-SAME: passes over an .mlir file, which --compile-to=PHASE -o NAME.mlir writes; see lamina-opt --help
// PASSES-NEXT: status 2
// RUN: (lamina-opt %t.gguf %t.gguf --plan-only; echo status $?) 2>&1 | FileCheck %s --check-prefix=TWO
// TWO:      lamina-opt: '{{.*}}.gguf' is one argument too many; see lamina-opt --help
// TWO-NEXT: status 2
// RUN: (lamina-opt %t.gguf --plan-only --output=yaml; echo status $?) 2>&1 | FileCheck %s --check-prefix=OUTPUT
// OUTPUT:      lamina-opt: --output: yaml not in {text,json}; see lamina-opt --help
// OUTPUT-NEXT: status 2
// RUN: (lamina-opt %t.gguf --plan-only --placement=scattered; echo status $?) 2>&1 | FileCheck %s --check-prefix=PLACEMENT
// PLACEMENT:      lamina-opt: --placement: scattered not in {disaggregated,monolithic}; see lamina-opt --help
// PLACEMENT-NEXT: status 2
// RUN: (lamina-opt %t.gguf --plan-only --kv-type=q8; echo status $?) 2>&1 | FileCheck %s --check-prefix=KV
// KV:      lamina-opt: --kv-type: q8 not in {f16,f32,bf16,fp8_e4m3,q8_0}; see lamina-opt --help
// KV-NEXT: status 2
// RUN: (lamina-opt %t.gguf --plan-only --activations=q4; echo status $?) 2>&1 | FileCheck %s --check-prefix=ACTIVATIONS
// ACTIVATIONS:      lamina-opt: --activations: q4 not in {q8,f32}; see lamina-opt --help
// ACTIVATIONS-NEXT: status 2
// RUN: (lamina-opt %t.gguf --cpu-targets=z80 -o %t.lamina; echo status $?) 2>&1 | FileCheck %s --check-prefix=TARGET
// TARGET:      lamina-opt: --cpu-targets: z80 not in {x86-64-v2,x86-64-v3,x86-64-v3-avxvnni,x86-64-v4,x86-64-v4-vnni,x86-64-v4-amx,aarch64,aarch64-dotprod,aarch64-i8mm}; see lamina-opt --help
// TARGET-NEXT: status 2
// RUN: (lamina-opt %t.gguf --plan-only --max-context=5; echo status $?) 2>&1 | FileCheck %s --check-prefix=CONTEXT
// CONTEXT:      lamina-opt: --max-context: Value 5 not in range 16 to {{.*}}; see lamina-opt --help
// CONTEXT-NEXT: status 2
// RUN: (lamina-opt %t.gguf --plan-only --max-batch-tokens=many; echo status $?) 2>&1 | FileCheck %s --check-prefix=BATCH
// BATCH:      lamina-opt: --max-batch-tokens: Value many not in range 1 to {{.*}}; see lamina-opt --help
// BATCH-NEXT: status 2
// RUN: (lamina-opt %t.gguf --plan-only --cluster %t.absent.yaml; echo status $?) 2>&1 | FileCheck %s --check-prefix=CLUSTER
// CLUSTER:      lamina-opt: --cluster: File does not exist: {{.*}}absent.yaml; see lamina-opt --help
// CLUSTER-NEXT: status 2
// RUN: (lamina-opt %t.gguf --plan-only --placement=monolithic --cluster %s; echo status $?) 2>&1 | FileCheck %s --check-prefix=EXCLUDE
// EXCLUDE:      lamina-opt: --placement=monolithic and --cluster exclude each other; see lamina-opt --help
// EXCLUDE-NEXT: status 2

// RUN: (lamina-opt %t.absent.gguf --plan-only; echo status $?) 2>&1 | FileCheck %s --check-prefix=ABSENT
// ABSENT:      lamina-opt: error: {{.*}}absent.gguf{{.*}}No such file or directory; check the path
// ABSENT-NEXT: status 1
// RUN: not lamina-opt %t.absent.mlir --mpmd-partition 2>&1 | FileCheck %s --check-prefix=ABSENT-MLIR
// RUN: not lamina-opt %t.absent.mlir --compile-from=mark -o %t.lamina 2>&1 | FileCheck %s --check-prefix=ABSENT-MLIR
// ABSENT-MLIR: cannot open input file '{{.*}}absent.mlir': No such file or directory
// RUN: (lamina-opt %S/command_line.mlir.not --compile-to=import; echo status $?) 2>&1 | FileCheck %s --check-prefix=STATUS1
// STATUS1: status 1
// RUN: echo 'hello world, this is no model' > %t.text.gguf
// RUN: (lamina-opt %t.text.gguf -o %t.lamina; echo status $?) 2>&1 | FileCheck %s --check-prefix=TEXT
// TEXT:      lamina-opt: error: {{.*}}text.gguf: byte 0: expected the magic number 'GGUF', got 'hell'; expected a GGUF model
// TEXT-NEXT: status 1
// RUN: touch %t.empty.gguf
// RUN: (lamina-opt %t.empty.gguf -o %t.lamina; echo status $?) 2>&1 | FileCheck %s --check-prefix=EMPTY
// EMPTY:      lamina-opt: error: {{.*}}empty.gguf
// EMPTY-NEXT: status 1

// A model whose weights are cut off compiles to no artifact, and the message says where the file ends.
// RUN: head -c 4096 %t.gguf > %t.cut.gguf
// RUN: (lamina-opt %t.cut.gguf -o %t.cut.lamina; echo status $?) 2>&1 | FileCheck %s --check-prefix=CUT
// CUT:      lamina-opt: error: {{.*}}cut.gguf{{.*}}
// CUT-NEXT: status 1
// RUN: not ls %t.cut.lamina

// RUN: not lamina-opt %t.gguf --compile-to=import -o %t.absent/x.mlir 2>&1 | FileCheck %s --check-prefix=WRITE
// WRITE: lamina-opt: error: {{.*}}cannot write {{.*}}x.mlir: No such file or directory

// RUN: not lamina-opt %t.gguf --compile-to=import --dump-phases=%t.gguf/phases 2>&1 | FileCheck %s --check-prefix=DUMP
// DUMP: lamina-opt: error: {{.*}}cannot write {{.*}}phases/0.import.mlir: Not a directory
// RUN: mkdir -p %t.full && ln -sf /dev/full %t.full/0.import.mlir
// RUN: not lamina-opt %t.gguf --compile-to=import --dump-phases=%t.full 2>&1 | FileCheck %s --check-prefix=FULL
// FULL-NOT: LLVM ERROR
// FULL: lamina-opt: error: {{.*}}cannot write {{.*}}0.import.mlir: No space left on device
// RUN: rm -rf %t.empty && mkdir %t.empty
// RUN: not lamina-opt %t.empty --plan-only 2>&1 | FileCheck %s --check-prefix=FOLDER
// FOLDER: lamina-opt: error: {{.*}}.empty: the folder holds no model.onnx, and no genai_config.json that names a decoder; give a model file, or the folder that an exporter wrote
// RUN: echo '{"sha256":"' > %t.empty/manifest.json
// RUN: not lamina-opt %t.empty -o %t.lamina 2>&1 | FileCheck %s --check-prefix=ARTIFACT
// ARTIFACT: lamina-opt: error: {{.*}}.empty: the folder is an artifact already; run it with lamina-run, or give the model that it was compiled from

// What a class runs on. A mistake is one line.
// RUN: lamina-opt %t.gguf --target compute=cuda --target memory=cpu --compile-to=partition | FileCheck %s --check-prefix=CUDA-TARGET
// CUDA-TARGET:      mpmd.device_class @compute : compute on cuda
// CUDA-TARGET-NEXT: mpmd.device_class @memory : memory on cpu
// RUN: lamina-opt %t.gguf --target memory=cuda:sm_90a --compile-to=partition | FileCheck %s --check-prefix=CUDA-MEMORY
// CUDA-MEMORY:      mpmd.device_class @compute : compute on cpu
// CUDA-MEMORY-NEXT: mpmd.device_class @memory : memory on cuda
// RUN: lamina-opt %t.gguf --placement=monolithic --target compute=cuda --compile-to=partition | FileCheck %s --check-prefix=CUDA-WHOLE
// CUDA-WHOLE:      mpmd.device_class @compute : compute on cuda
// CUDA-WHOLE-NEXT: }
// RUN: (lamina-opt %t.gguf --target gpu=cuda --plan-only; echo status $?) 2>&1 | FileCheck %s --check-prefix=CUDA-CLASS
// CUDA-CLASS:      lamina-opt: --target: expected compute=DEVICE or memory=DEVICE with cpu, cuda or cuda:sm_90a, got gpu=cuda; see lamina-opt --help
// CUDA-CLASS-NEXT: status 2
// RUN: not lamina-opt %t.gguf --target compute=tpu --plan-only 2>&1 | FileCheck %s --check-prefix=CUDA-DEVICE
// CUDA-DEVICE: lamina-opt: --target: expected compute=DEVICE or memory=DEVICE with cpu, cuda or cuda:sm_90a, got compute=tpu
// RUN: not lamina-opt %t.gguf --target compute=cuda:sm_10 --plan-only 2>&1 | FileCheck %s --check-prefix=CUDA-ARCHITECTURE
// CUDA-ARCHITECTURE: lamina-opt: --target: no cuda target is called sm_10; expected one of sm_80, sm_86, sm_89, sm_90a, sm_100
// RUN: not lamina-opt %t.gguf --placement=monolithic --target memory=cuda --plan-only 2>&1 | FileCheck %s --check-prefix=CUDA-ALONE
// CUDA-ALONE: lamina-opt: --placement=monolithic has the class compute alone
// RUN: touch %t.yaml
// RUN: not lamina-opt %t.gguf --target compute=cuda --cluster %t.yaml --plan-only 2>&1 | FileCheck %s --check-prefix=CUDA-BOTH
// CUDA-BOTH: lamina-opt: --target and --cluster exclude each other: the file says which devices there are

// Help is of models, shows what may be given and what is without it, and names every phase; the version is one line.
// RUN: lamina-opt --help | FileCheck %s --check-prefix=HELP
// RUN: lamina-opt --help --plan-only | FileCheck %s --check-prefix=HELP
// HELP-NOT: {{TEXT|INT}}
// HELP:     --output FORM {{.*}}text (default) or json
// HELP:     --cpu-targets ISAS {{.*}}: x86-64-v2, x86-64-v3
// HELP:     --max-batch-tokens N=512 {{ *}}tokens
// HELP:     import
// HELP:     artifact {{ *}}the deployment directory
// HELP:     Exit status: 0 success
// RUN: lamina-opt --version | FileCheck %s --check-prefix=VERSION
// VERSION: lamina-opt {{[0-9]+\.[0-9]+}}
