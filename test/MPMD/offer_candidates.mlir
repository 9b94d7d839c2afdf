// RUN: lamina-opt %s -split-input-file --mpmd-offer-candidates | FileCheck %s

!logits = tensor<?x512xf32>
!on_gpu = !mpmd.placed<!logits, @gpu>

mpmd.topology @cluster {
  mpmd.device_class @gpu : compute on cuda
}

// CHECK-LABEL: func.func @offers(
// CHECK-SAME: -> (!mpmd.placed<tensor<?x512xf32>, @gpu>, !mpmd.placed<tensor<?x64xf32>, @gpu>, !mpmd.placed<tensor<?x64xi32>, @gpu>) {
// CHECK: %[[F:.*]]:4 = mpmd.fragment @gpu "slice1.q"
// CHECK: %[[L:.*]] = lm.scale
// CHECK: %[[V:.*]], %[[I:.*]] = lm.top_k %[[L]] : (tensor<?x512xf32>) -> (tensor<?x64xf32>, tensor<?x64xi32>)
// CHECK: mpmd.return %{{.*}}, %[[L]], %[[V]], %[[I]]
// CHECK: return %[[F]]#1, %[[F]]#2, %[[F]]#3
func.func @offers(%x: !on_gpu) -> !on_gpu {
  %l:2 = mpmd.fragment @gpu "slice1.q"(%a = %x) : (!on_gpu) -> (!on_gpu, !on_gpu) {
    %y = lm.scale %a, 2.0 : !logits
    mpmd.return %a, %y : !logits, !logits
  }
  return %l#1 : !on_gpu
}

// What is chosen from is hardly more than what is chosen.
// CHECK-LABEL: func.func @few_tokens(
// CHECK-NOT: lm.top_k
func.func @few_tokens(%x: !mpmd.placed<tensor<?x32xf32>, @gpu>) -> !mpmd.placed<tensor<?x32xf32>, @gpu> {
  %l = mpmd.fragment @gpu "slice1.q"(%a = %x) : (!mpmd.placed<tensor<?x32xf32>, @gpu>) -> (!mpmd.placed<tensor<?x32xf32>, @gpu>) {
    %y = lm.scale %a, 2.0 : tensor<?x32xf32>
    mpmd.return %y : tensor<?x32xf32>
  }
  return %l : !mpmd.placed<tensor<?x32xf32>, @gpu>
}

// -----

// The host reads in place.
mpmd.topology @cluster {
  mpmd.device_class @cpu : compute on cpu
}

// CHECK-LABEL: func.func @on_a_cpu(
// CHECK-NOT: lm.top_k
func.func @on_a_cpu(%x: !mpmd.placed<tensor<?x512xf32>, @cpu>) -> !mpmd.placed<tensor<?x512xf32>, @cpu> {
  %l = mpmd.fragment @cpu "slice1.q"(%a = %x) : (!mpmd.placed<tensor<?x512xf32>, @cpu>) -> (!mpmd.placed<tensor<?x512xf32>, @cpu>) {
    %y = lm.scale %a, 2.0 : tensor<?x512xf32>
    mpmd.return %y : tensor<?x512xf32>
  }
  return %l : !mpmd.placed<tensor<?x512xf32>, @cpu>
}
