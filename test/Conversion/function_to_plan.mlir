// RUN: lamina-opt %s -split-input-file --function-bufferize --function-to-loops | FileCheck %s --check-prefix=MEMORY
// RUN: lamina-opt %s -split-input-file --function-bufferize --function-to-loops --function-to-plan | FileCheck %s

// The inputs are not written, the results are arguments, and what is between is allocated.
// MEMORY-LABEL: module @chain
// MEMORY:       func.func @main
// MEMORY-SAME:    (%[[X:.*]]: memref<4x4xf32> {{.*}}plan.name = "x"{{.*}}, %[[Y:.*]]: memref<4x4xf32> {{.*}}plan.name = "y"{{.*}})
// MEMORY-COUNT-2: memref.alloc(){{.*}} : memref<4x4xf32>
// MEMORY-COUNT-3: scf.parallel
// MEMORY-NOT:     memref.store {{.*}}, %[[X]]
// MEMORY:         memref.store {{.*}}, %[[Y]]

// CHECK-LABEL:  module @chain attributes {plan.limits = {kv_pages = 1 : i64, max_batch_tokens = 1 : i64, max_context = 1 : i64, max_output_rows = 1 : i64, max_sequences = 1 : i64}}
// CHECK:        plan.program @compute0 on @compute {
// CHECK-NEXT:     %[[X:.*]] = plan.buffer arena "x" extent fixed {plan.element = "float", plan.port = "input"} : <memref<4x4xf32>>
// CHECK-NEXT:     %[[Y:.*]] = plan.buffer arena "y" extent fixed {plan.element = "float", plan.port = "output"} : <memref<4x4xf32>>
// CHECK-NEXT:     %[[SUM:.*]] = plan.buffer arena "" extent fixed : <memref<4x4xf32>>
// CHECK-NEXT:     %[[PRODUCT:.*]] = plan.buffer arena "" extent fixed : <memref<4x4xf32>>
// CHECK-NEXT:     plan.dispatch @main_0(%[[X]], %[[SUM]]) -> () "" extent fixed slice 0
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
  func.func @main(%x: tensor<4x4xf32> {bufferization.writable = false, plan.element = "float", plan.name = "x", plan.port = "input"})
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

// Equal loops share a kernel, which repeats the view that it reads. What reads a number is in one kernel with what uses it.
// CHECK-LABEL:  module @loops
// CHECK:          plan.dispatch @main_0(%[[X:.*]], %[[A:.*]]) -> () "first"
// CHECK-NEXT:     plan.dispatch @main_0(%[[X]], %[[B:.*]]) -> () "second"
// CHECK-NEXT:     plan.dispatch @main_1(%[[A]], %[[B]]) -> () "number"
// CHECK:        plan.kernel @main_0 {
// CHECK-NEXT:   ^bb0(%[[FROM:.*]]: memref<2x2xf32>, %[[TO:.*]]: memref<4xf32>):
// CHECK:          %[[FLAT:.*]] = memref.collapse_shape %[[FROM]]
// CHECK:          memref.load %[[FLAT]]
// CHECK:        plan.kernel @main_1 {
// CHECK:          memref.load
// CHECK:          memref.store
module @loops {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: memref<2x2xf32>, %a: memref<4xf32>, %b: memref<4xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %flat = memref.collapse_shape %x [[0, 1]] : memref<2x2xf32> into memref<4xf32>
    scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
      %0 = memref.load %flat[%i] : memref<4xf32>
      memref.store %0, %a[%i] : memref<4xf32>
    } loc("first")
    scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
      %0 = memref.load %flat[%i] : memref<4xf32>
      memref.store %0, %b[%i] : memref<4xf32>
    } loc("second")
    %number = memref.load %a[%c0] : memref<4xf32> loc("number")
    memref.store %number, %b[%c1] : memref<4xf32>
    return
  }
}
