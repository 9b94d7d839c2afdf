// RUN: lamina-opt %s -split-input-file --pass-pipeline='builtin.module(mpmd-partition,function-outline,builtin.module(function-bufferize,function-to-loops))' | FileCheck %s --check-prefix=MEMORY
// RUN: lamina-opt %s -split-input-file --pass-pipeline='builtin.module(mpmd-partition,mpmd-split-fragments,mpmd-merge-transfers,mpmd-hoist-transfers,function-outline,builtin.module(function-bufferize,function-to-loops),function-to-plan)' | FileCheck %s

// The inputs are not written, the results are arguments, and what is between is allocated.
// MEMORY-LABEL: module @chain
// MEMORY:       func.func @model(%[[X:.*]]: memref<4x4xf32>, %[[Y:.*]]: memref<4x4xf32>)
// MEMORY-COUNT-2: memref.alloc(){{.*}} : memref<4x4xf32>
// MEMORY-COUNT-3: scf.parallel
// MEMORY-NOT:     memref.store {{.*}}, %[[X]]
// MEMORY:         memref.store {{.*}}, %[[Y]]

// CHECK-LABEL:  module @chain attributes {mpmd.cut_bytes = array<i64>, plan.limits = {kv_pages = 1 : i64, max_batch_tokens = 1 : i64, max_context = 1 : i64, max_output_rows = 1 : i64, max_sequences = 1 : i64}}
// CHECK:        plan.program @compute0 on @compute {
// CHECK-NEXT:     %[[X:.*]] = plan.buffer arena "x" extent fixed {plan.element = "float", plan.port = "input"} : <memref<4x4xf32>>
// CHECK-NEXT:     %[[Y:.*]] = plan.buffer arena "y" extent fixed {plan.element = "float", plan.port = "output"} : <memref<4x4xf32>>
// CHECK-NEXT:     %[[SUM:.*]] = plan.buffer arena "" extent fixed : <memref<4x4xf32>>
// CHECK-NEXT:     plan.dispatch @main_0(%[[X]], %[[SUM]]) -> () "" extent fixed slice 0
// CHECK-NEXT:     %[[PRODUCT:.*]] = plan.buffer arena "" extent fixed : <memref<4x4xf32>>
// CHECK-NEXT:     plan.dispatch @main_1(%[[SUM]], %[[X]], %[[PRODUCT]]) -> () "" extent fixed slice 0
// CHECK-NEXT:     plan.dispatch @main_2(%[[PRODUCT]], %[[Y]]) -> () "" extent fixed slice 0
// CHECK:        plan.kernel @main_0 {
// CHECK:          scf.parallel
// CHECK:        plan.kernel @main_1 {
// CHECK:          scf.parallel
// CHECK-NEXT:       scf.for
#map = affine_map<(d0, d1) -> (d0, d1)>
module @chain {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: tensor<4x4xf32> {plan.element = "float", plan.name = "x", plan.port = "input"})
      -> (tensor<4x4xf32> {plan.element = "float", plan.name = "y", plan.port = "output"}) {
    %0 = tensor.empty() : tensor<4x4xf32>
    %1 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
        ins(%x : tensor<4x4xf32>) outs(%0 : tensor<4x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %2 = arith.addf %in, %in : f32
      linalg.yield %2 : f32
    } -> tensor<4x4xf32>
    %3 = tensor.empty() : tensor<4x4xf32>
    %4 = linalg.matmul ins(%1, %x : tensor<4x4xf32>, tensor<4x4xf32>) outs(%3 : tensor<4x4xf32>) -> tensor<4x4xf32>
    return %4 : tensor<4x4xf32>
  }
}

// -----

// Attention on the class for it: the query leaves before values are computed, the input at once; the weight is where it is used.
// CHECK-LABEL:  module @two
// CHECK-SAME:     mpmd.cut_bytes = array<i64: 32>
// CHECK:        plan.program @compute0 on @compute {
// CHECK-NEXT:     %[[X:.*]] = plan.buffer arena "x" extent fixed {plan.element = "float", plan.port = "input"} : <memref<4x2xf32>>
// CHECK-NEXT:     %[[Y:.*]] = plan.buffer arena "y" extent fixed {plan.element = "float", plan.port = "output"} : <memref<4x2xf32>>
// CHECK-NEXT:     plan.send 0 @memory0(%[[X]]) "x" slice 0 : !plan.buffer<memref<4x2xf32>>
// CHECK-NEXT:     %[[W:.*]] = plan.buffer weight "w" extent fixed from @w : <memref<8xf32>>
// CHECK:          plan.dispatch @main_0(%[[X]], %[[W]], %{{.*}}) -> () "" extent fixed slice 0
// CHECK:          plan.send 1 @memory0(%[[Q:.*]]) "" slice 1 : !plan.buffer<memref<4x2xf32>>
// CHECK:          plan.dispatch @main_2(%[[X]], %[[W]], %{{.*}}) -> () "" extent fixed slice 1
// CHECK:          plan.send 2 @memory0(%[[V:.*]]) "" slice 2
// CHECK:          plan.recv 3 @memory0(%[[O:.*]]) "" slice 3
// CHECK:          plan.wait 3 slice 3
// CHECK-NEXT:     plan.dispatch @main_{{.*}}(%[[X]], %[[O]], %{{.*}})
// CHECK-NEXT:     plan.dispatch @main_{{.*}}(%{{.*}}, %[[Y]])
// CHECK:        plan.program @memory0 on @memory {
// CHECK-NOT:      weight
// CHECK:          plan.recv 0 @compute0(%[[KEY:.*]]) "x" slice 0
// CHECK:          plan.recv 1 @compute0(%[[QUERY:.*]]) "" slice 1
// CHECK:          plan.recv 2 @compute0(%[[VALUE:.*]]) "" slice 2
// CHECK:          plan.wait 0 slice 2
// CHECK-NEXT:     plan.wait 2 slice 2
// CHECK-NEXT:     plan.dispatch @main_{{.*}}(%[[KEY]], %[[VALUE]], %{{.*}})
// CHECK-NEXT:     plan.wait 1 slice 2
// CHECK-NEXT:     plan.dispatch @main_{{.*}}(%[[QUERY]], %{{.*}})
// CHECK:          plan.send 3 @compute0
module @two {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
    mpmd.device_class @memory : memory on cpu
    mpmd.link @compute -> @memory
  }
  lm.weight @w : tensor<8xf32> from [#lm.source<"w" : f32, 0 at 0>]
  func.func @main(%x: tensor<4x2xf32> {plan.element = "float", plan.name = "x", plan.port = "input"})
      -> (tensor<4x2xf32> {plan.element = "float", plan.name = "y", plan.port = "output"}) {
    %flat = lm.get_weight @w : tensor<8xf32>
    %w = tensor.expand_shape %flat [[0, 1]] output_shape [4, 2] : tensor<8xf32> into tensor<4x2xf32>
    %0 = tensor.empty() : tensor<4x2xf32>
    %q = linalg.add ins(%x, %w : tensor<4x2xf32>, tensor<4x2xf32>) outs(%0 : tensor<4x2xf32>) -> tensor<4x2xf32>
    %v = linalg.mul ins(%x, %w : tensor<4x2xf32>, tensor<4x2xf32>) outs(%0 : tensor<4x2xf32>) -> tensor<4x2xf32>
    %o = lm.tensor_attention softmax %q over %x, %v : (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>) -> tensor<4x2xf32> {
    ^bb0(%query: tensor<4x2xf32>, %key: tensor<4x2xf32>, %value: tensor<4x2xf32>):
      %1 = tensor.empty() : tensor<4x2xf32>
      %2 = linalg.mul ins(%key, %value : tensor<4x2xf32>, tensor<4x2xf32>) outs(%1 : tensor<4x2xf32>) -> tensor<4x2xf32>
      %3 = linalg.mul ins(%query, %2 : tensor<4x2xf32>, tensor<4x2xf32>) outs(%1 : tensor<4x2xf32>) -> tensor<4x2xf32>
      lm.yield %3 : tensor<4x2xf32>
    }
    %y = linalg.add ins(%x, %o : tensor<4x2xf32>, tensor<4x2xf32>) outs(%0 : tensor<4x2xf32>) -> tensor<4x2xf32>
    return %y : tensor<4x2xf32>
  }
}
