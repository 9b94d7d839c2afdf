// RUN: lamina-opt %s --mpmd-hoist-transfers | FileCheck %s

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}

!on_compute = !mpmd.placed<tensor<?x64xf32>, @compute>
!on_memory = !mpmd.placed<tensor<?x64xf32>, @memory>

// Each transfer follows its last producer, the argument's opens the step, and equals keep their order.
// CHECK-LABEL: func.func @step(
// CHECK-NEXT: mpmd.transfer %{{.*}} : (!mpmd.placed<tensor<?x64xf32>, @compute>)
// CHECK-NEXT: %[[Q:.*]]:2 = mpmd.fragment @compute "slice0.q"
// CHECK: }
// CHECK-NEXT: mpmd.transfer %[[Q]]#1
// CHECK-NEXT: mpmd.transfer %[[Q]]#0
// CHECK-NEXT: %[[K:.*]] = mpmd.fragment @compute "slice0.kv"
// CHECK: }
// CHECK-NEXT: mpmd.transfer %[[Q]]#0, %[[K]]
// CHECK-NEXT: mpmd.fragment @compute "slice0.rest"
func.func @step(%x: !on_compute) {
  %q:2 = mpmd.fragment @compute "slice0.q"(%a = %x) : (!on_compute) -> (!on_compute, !on_compute) {
    mpmd.return %a, %a : tensor<?x64xf32>, tensor<?x64xf32>
  }
  %k = mpmd.fragment @compute "slice0.kv"(%a = %x) : (!on_compute) -> (!on_compute) {
    mpmd.return %a : tensor<?x64xf32>
  }
  mpmd.fragment @compute "slice0.rest"(%a = %x) : (!on_compute) -> () {
  }
  %0 = mpmd.transfer %q#1 : (!on_compute) -> !on_memory
  %1 = mpmd.transfer %x : (!on_compute) -> !on_memory
  %2:2 = mpmd.transfer %q#0, %k : (!on_compute, !on_compute) -> (!on_memory, !on_memory)
  %3 = mpmd.transfer %q#0 : (!on_compute) -> !on_memory
  return
}
