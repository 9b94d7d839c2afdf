// RUN: lamina-opt %s --mpmd-merge-transfers | FileCheck %s

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}

!on_compute = !mpmd.placed<tensor<?x64xf32>, @compute>
!on_memory = !mpmd.placed<tensor<?x64xf32>, @memory>

// Keys and values have one producer and one reader; the query has another producer, `late` another reader.
// CHECK-LABEL: func.func @step(
// CHECK: %[[Q:.*]] = mpmd.fragment @compute "slice0.q"
// CHECK: %[[S:.*]]:3 = mpmd.fragment @compute "slice0.kv"
// CHECK: %[[KV:.*]]:2 = mpmd.transfer %[[S]]#0, %[[S]]#2 :
// CHECK-NEXT: %[[SQ:.*]] = mpmd.transfer %[[Q]] :
// CHECK-NEXT: %[[LATE:.*]] = mpmd.transfer %[[S]]#1 :
// CHECK-NEXT: mpmd.fragment @memory "attention0"(%{{.*}} = %[[KV]]#0, %{{.*}} = %[[KV]]#1, %{{.*}} = %[[SQ]])
// CHECK: mpmd.fragment @memory "attention1"(%{{.*}} = %[[LATE]])
func.func @step(%x: !on_compute) {
  %q = mpmd.fragment @compute "slice0.q"(%a = %x) : (!on_compute) -> (!on_compute) {
    mpmd.return %a : tensor<?x64xf32>
  }
  %s:3 = mpmd.fragment @compute "slice0.kv"(%a = %x) : (!on_compute) -> (!on_compute, !on_compute, !on_compute) {
    mpmd.return %a, %a, %a : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
  }
  %sk = mpmd.transfer %s#0 : (!on_compute) -> !on_memory
  %sq = mpmd.transfer %q : (!on_compute) -> !on_memory
  %late = mpmd.transfer %s#1 : (!on_compute) -> !on_memory
  %sv = mpmd.transfer %s#2 : (!on_compute) -> !on_memory
  mpmd.fragment @memory "attention0"(%a = %sk, %b = %sv, %c = %sq) : (!on_memory, !on_memory, !on_memory) -> () {
  }
  mpmd.fragment @memory "attention1"(%a = %late) : (!on_memory) -> () {
  }
  return
}
