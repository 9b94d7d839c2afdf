// Every phase prints what it promises, from a model file and from the dump of any phase before.

// RUN: %python %source_dir/tools/dev/make_tiny_gguf.py %t.gguf --arch qwen3 --layers 2
// RUN: lamina-opt %t.gguf --compile-to=import | FileCheck %s --check-prefix=IMPORT
// RUN: lamina-opt %t.gguf --compile-to=mark | FileCheck %s --check-prefix=IMPORT
// RUN: lamina-opt %t.gguf --compile-to=partition | FileCheck %s --check-prefix=PARTITION
// RUN: lamina-opt %t.gguf --compile-to=comm | FileCheck %s --check-prefix=COMM
// RUN: lamina-opt %t.gguf --compile-to=schedule | FileCheck %s --check-prefix=SCHEDULE
// RUN: lamina-opt %t.gguf --compile-to=lower | FileCheck %s --check-prefix=LOWER

// IMPORT-NOT:     mpmd
// IMPORT:         func.func @step
// IMPORT-COUNT-2: lm.attention
// IMPORT-NOT:     {{mpmd|plan}}.

// Two attentions, three compute fragments.
// PARTITION:         mpmd.cut_bytes = array<i64: 128, 128>
// PARTITION:         mpmd.fragment @compute "slice0"
// PARTITION:         mpmd.fragment @memory "attention0"
// PARTITION:         mpmd.fragment @compute "slice1"
// PARTITION:         mpmd.fragment @memory "attention1"
// PARTITION:         mpmd.fragment @compute "slice2"
// PARTITION-NOT:     mpmd.fragment

// Each attention: the query alone and first, keys with values, one result.
// COMM:         mpmd.fragment @compute "slice0.q"
// COMM:         %{{[0-9]+}} = mpmd.transfer
// COMM:         mpmd.fragment @compute "slice0.kv"
// COMM:         %{{[0-9]+}}:2 = mpmd.transfer
// COMM:         mpmd.fragment @memory "attention0"
// COMM:         %{{[0-9]+}} = mpmd.transfer
// COMM:         mpmd.fragment @compute "slice1.q"

// SCHEDULE:     plan.kernel
// SCHEDULE-NOT: func.func
// SCHEDULE:     plan.program @compute0 on @compute arena {{[0-9]+}} weights {{[0-9]+}}
// SCHEDULE:     plan.program @memory0 on @memory arena {{[0-9]+}} weights 0
// SCHEDULE-NOT: func.func

// LOWER:     module @compute0
// LOWER:     llvm.func @embedding(
// LOWER:     module @memory0
// LOWER:     llvm.func @online_attention

// The phase files lie numbered in the folder, and each leads to the same schedule.
// RUN: rm -rf %t.dump && lamina-opt %t.gguf --compile-to=schedule --dump-phases=%t.dump > %t.schedule.mlir
// RUN: ls %t.dump | FileCheck %s --check-prefix=FILES
// FILES:      0.import.mlir
// FILES-NEXT: 1.mark.mlir
// FILES-NEXT: 2.partition.mlir
// FILES-NEXT: 3.comm.mlir
// FILES-NEXT: 4.schedule.mlir
// FILES-NOT:  {{.}}
// RUN: lamina-opt %t.dump/0.import.mlir --max-context=128 --compile-from=import --compile-to=schedule | diff %t.schedule.mlir -
// RUN: lamina-opt %t.dump/1.mark.mlir --max-context=128 --compile-from=mark --compile-to=schedule | diff %t.schedule.mlir -
// RUN: lamina-opt %t.dump/2.partition.mlir --max-context=128 --compile-from=partition --compile-to=schedule | diff %t.schedule.mlir -
// RUN: lamina-opt %t.dump/3.comm.mlir --max-context=128 --compile-from=comm --compile-to=schedule | diff %t.schedule.mlir -
// RUN: lamina-opt %t.dump/4.schedule.mlir --compile-from=schedule --compile-to=schedule | diff %t.schedule.mlir -
// RUN: %python %source_dir/tools/dev/make_onnx_encoder.py %t.bert.onnx bert
// RUN: lamina-opt %t.bert.onnx --dim batch=1 --dim sequence=8 --compile-to=schedule -o %t.bert.mlir
// RUN: lamina-opt %t.bert.mlir --compile-from=schedule --compile-to=schedule -o - | FileCheck %s --check-prefix=ENCODER
// ENCODER: vector.

// Read as what leaves another, it is refused, and the file named that was given.
// RUN: not lamina-opt %t.dump/2.partition.mlir -o %t.lamina 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: not lamina-opt %t.dump/4.schedule.mlir --plan-only 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER:      lamina-opt: error:
// OTHER-NEXT: lamina-opt: note: {{.*}}.mlir: read as what leaves the phase import; if it left another, say which with --compile-from{{$}}

// The same passes one by one, as an mlir-opt, which prints no locations.
// RUN: lamina-opt %t.schedule.mlir > %t.plain.mlir
// RUN: lamina-opt %t.dump/3.comm.mlir --lm-split-attention=max-context=128 --plan-form-dispatches --mpmd-to-plan=max-context=128 --plan-assign-offsets --plan-check-memory --plan-verify-schedule | diff %t.plain.mlir -

// Names of the model's tensors stay with the operations.
// RUN: FileCheck %s --check-prefix=NAMES < %t.dump/4.schedule.mlir
// NAMES: loc("blk.0.attn_q"

// On one device nothing is transferred.
// RUN: lamina-opt %t.gguf --placement=monolithic --compile-to=schedule | FileCheck %s --check-prefix=MONOLITHIC
// MONOLITHIC-NOT: plan.{{send|recv|wait}}
// MONOLITHIC:     plan.program
// MONOLITHIC-NOT: plan.{{send|recv|wait|program}}

// A phase file is verified before anything goes on from it: it may have been edited.
// RUN: sed 's/"blk.0.attn_q" extent tokens at [0-9]*/"blk.0.attn_q" extent tokens at 0/' %t.dump/4.schedule.mlir > %t.edited.mlir
// RUN: not lamina-opt %t.edited.mlir --compile-from=schedule -o %t.edited.lamina 2>&1 | FileCheck %s --check-prefix=EDITED
// RUN: not ls %t.edited.lamina
// EDITED: lamina-opt: error: {{.*}}blk.0.attn_q: 'plan.buffer' op shares memory with a buffer alive at the same time
// RUN: sed 's/"token_embd.weight" : f32/"token_embd.weight" : f16/' %t.dump/0.import.mlir > %t.format.mlir
// RUN: not lamina-opt %t.format.mlir --compile-from=import --compile-to=schedule 2>&1 | FileCheck %s --check-prefix=FORMAT
// FORMAT: lamina-opt: error: {{.*}}'lm.weight' op expected the file's format f16, got: '!lm.block<f32>'

// A phase written to a file keeps the names in its locations: the artifact made of it is the model's own.
// RUN: lamina-opt %t.gguf --max-context=128 --compile-to=comm -o %t.comm.mlir
// RUN: lamina-opt %t.comm.mlir --max-context=128 --compile-from=comm --cpu-targets=x86-64-v2 -o %t.one.lamina
// RUN: lamina-opt %t.gguf --max-context=128 --cpu-targets=x86-64-v2,x86-64-v2 -o %t.two.lamina
// RUN: diff -r %t.one.lamina %t.two.lamina
