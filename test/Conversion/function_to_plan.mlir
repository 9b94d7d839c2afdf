// RUN: lamina-opt %s --function-bufferize | FileCheck %s --check-prefix=MEMORY
// RUN: lamina-opt %s --function-bufferize --function-to-plan | FileCheck %s

// The inputs are not written, the results are arguments, and what is between has places: the sum is read while the product is
// written, so they have two.
// MEMORY-LABEL: func.func @main
// MEMORY-SAME:    (%[[X:.*]]: memref<4x4xf32> {{.*}}plan.name = "x"{{.*}}, %[[Y:.*]]: memref<4x4xf32> {{.*}}plan.name = "y"{{.*}}, %[[S:.*]]: memref<128xi8>)
// MEMORY:         memref.view %[[S]][%c0{{.*}}]
// MEMORY-NEXT:    %[[AT:.*]] = arith.constant 64 : index
// MEMORY-NEXT:    memref.view %[[S]][%[[AT]]]
// MEMORY-NOT:     memref.alloc
// MEMORY-NOT:     memref.store {{.*}}, %[[X]]
// MEMORY:         memref.store {{.*}}, %[[Y]]

// CHECK-LABEL:  module @chain attributes {plan.limits = {kv_pages = 1 : i64, max_batch_tokens = 1 : i64, max_context = 1 : i64, max_output_rows = 1 : i64, max_sequences = 1 : i64}}
// CHECK:        plan.program @compute0 on @compute {
// CHECK-NEXT:     %[[X:.*]] = plan.buffer arena "x" extent fixed {plan.element = "float", plan.port = "input"} : <memref<4x4xf32>>
// CHECK-NEXT:     %[[Y:.*]] = plan.buffer arena "y" extent fixed {plan.element = "float", plan.port = "output"} : <memref<4x4xf32>>
// CHECK-NEXT:     %[[S:.*]] = plan.buffer arena "scratch" extent fixed : <memref<128xi8>>
// CHECK-NEXT:     plan.dispatch @main(%[[X]], %[[Y]], %[[S]]) -> () "main" extent fixed slice 0
// CHECK:        plan.kernel @main {
// CHECK:          scf.for
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
