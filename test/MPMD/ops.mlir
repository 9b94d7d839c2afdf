// Every operation and type of the mpmd dialect survives a round trip.
// RUN: lamina-opt %s --verify-roundtrip | FileCheck %s
// RUN: lamina-opt %s --mlir-print-op-generic -o %t.mlir
// RUN: lamina-opt %t.mlir --verify-each | FileCheck %s

// CHECK: mpmd.topology @cluster {
// CHECK-NEXT: mpmd.device_class @compute : compute on cuda {bandwidth = 3350000000000 : i64, flops = 989000000000000 : i64, memory_bytes = 85899345920 : i64}
// CHECK-NEXT: mpmd.device_class @memory : memory on cpu {count = 2 : i64}
// CHECK-NEXT: mpmd.link @compute -> @memory {bandwidth = 50000000000 : i64, latency_ns = 2000 : i64}
// CHECK-NEXT: }
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cuda
      {memory_bytes = 85899345920 : i64, flops = 989000000000000 : i64, bandwidth = 3350000000000 : i64}
  mpmd.device_class @memory : memory on cpu {count = 2 : i64}
  mpmd.link @compute -> @memory {bandwidth = 50000000000 : i64, latency_ns = 2000 : i64}
}

// CHECK-LABEL: func.func @step(
// CHECK-SAME: %[[BATCH:.*]]: !lm.batch
// CHECK-SAME: %[[CACHE:.*]]: !mpmd.placed<!lm.kv_cache<2 x 4 x 4, f16>, @memory>
func.func @step(%batch: !lm.batch, %cache: !mpmd.placed<!lm.kv_cache<2 x 4 x 4, f16>, @memory>)
    -> !mpmd.placed<tensor<?x8xf32>, @compute> {
  // CHECK: %[[X:.*]]:2 = mpmd.fragment @compute "slice0"(%[[B:.*]] = %[[BATCH]]) : (!lm.batch)
  // CHECK-SAME: -> (!mpmd.placed<tensor<?x8xf32>, @compute>, !mpmd.placed<tensor<?x8xf32>, @compute>) {
  // CHECK: %[[POS:.*]] = lm.batch_field %[[B]], positions
  // CHECK: mpmd.return %[[T:.*]], %[[T]] : tensor<?x8xf32>, tensor<?x8xf32>
  %x:2 = mpmd.fragment @compute "slice0"(%b = %batch) : (!lm.batch)
      -> (!mpmd.placed<tensor<?x8xf32>, @compute>, !mpmd.placed<tensor<?x8xf32>, @compute>) {
    %positions = lm.batch_field %b, positions : tensor<?xi32>
    %table = lm.rope_table %positions {frequencies = array<f64: 1.0, 0.5, 0.25, 0.1>, magnitude = 1.0 : f32}
        : (tensor<?xi32>) -> tensor<?x8xf32>
    mpmd.return %table, %table : tensor<?x8xf32>, tensor<?x8xf32>
  }
  // CHECK: %[[Y:.*]]:2 = mpmd.transfer %[[X]]#0, %[[X]]#1
  // CHECK-SAME: : (!mpmd.placed<tensor<?x8xf32>, @compute>, !mpmd.placed<tensor<?x8xf32>, @compute>)
  // CHECK-SAME: -> (!mpmd.placed<tensor<?x8xf32>, @memory>, !mpmd.placed<tensor<?x8xf32>, @memory>)
  %y:2 = mpmd.transfer %x#0, %x#1
      : (!mpmd.placed<tensor<?x8xf32>, @compute>, !mpmd.placed<tensor<?x8xf32>, @compute>)
     -> (!mpmd.placed<tensor<?x8xf32>, @memory>, !mpmd.placed<tensor<?x8xf32>, @memory>)
  // A fragment without results needs no mpmd.return.
  // CHECK: mpmd.fragment @memory "attention0"(%{{.*}} = %[[CACHE]], %{{.*}} = %[[Y]]#0) attributes {note = "idle"}
  // CHECK-SAME: : (!mpmd.placed<!lm.kv_cache<2 x 4 x 4, f16>, @memory>, !mpmd.placed<tensor<?x8xf32>, @memory>) -> () {
  // CHECK-NEXT: }
  mpmd.fragment @memory "attention0"(%c = %cache, %q = %y#0) attributes {note = "idle"}
      : (!mpmd.placed<!lm.kv_cache<2 x 4 x 4, f16>, @memory>, !mpmd.placed<tensor<?x8xf32>, @memory>) -> () {
  }
  return %x#0 : !mpmd.placed<tensor<?x8xf32>, @compute>
}
