// RUN: lamina-opt %s --mpmd-split-fragments | FileCheck %s

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}

!act = tensor<?x64xf32>
!on_compute = !mpmd.placed<tensor<?x64xf32>, @compute>
!on_memory = !mpmd.placed<tensor<?x64xf32>, @memory>
!cache = !mpmd.placed<!lm.kv_cache<8 x 8 x 8, f16>, @memory>

// The query and what it depends on come first, the rest of keys and values second, what attention does not need last.
// The rotary table costs nothing to have twice; the normalised input is handed on.
// CHECK-LABEL: func.func @splits_in_three(
// CHECK-SAME: %[[X:.*]]: !mpmd.placed<tensor<?x64xf32>, @compute>,
// CHECK: %[[Q:.*]]:2 = mpmd.fragment @compute "slice0.q"(%[[A:.*]] = %[[X]], %{{.*}} = %{{.*}})
// CHECK-NEXT: %[[N:.*]] = lm.scale %[[A]], 1.0
// CHECK: lm.rope_table
// CHECK: %[[R:.*]] = lm.rotary_embedding %[[N]]
// CHECK-NEXT: mpmd.return %[[N]], %[[R]]
// CHECK: %[[KV:.*]]:2 = mpmd.fragment @compute "slice0.kv"(%[[N2:.*]] = %[[Q]]#0
// CHECK-NEXT: %[[K:.*]] = lm.scale %[[N2]], 2.0
// CHECK: lm.rope_table
// CHECK: %[[KR:.*]] = lm.rotary_embedding %[[K]]
// CHECK: %[[V:.*]] = lm.scale %[[N2]], 3.0
// CHECK-NEXT: mpmd.return %[[KR]], %[[V]]
// CHECK: %[[F:.*]] = mpmd.fragment @compute "slice0.rest"(%[[N3:.*]] = %[[Q]]#0)
// CHECK-NEXT: lm.scale %[[N3]], 4.0
// CHECK: mpmd.transfer %[[KV]]#0
// CHECK: mpmd.transfer %[[KV]]#1
// CHECK: mpmd.transfer %[[Q]]#1
// CHECK: mpmd.fragment @memory "attention0"
// CHECK: mpmd.fragment @compute "slice1"(%{{.*}} = %[[F]]
func.func @splits_in_three(%x: !on_compute, %batch: !lm.batch, %cache: !cache) -> !on_compute {
  %s:4 = mpmd.fragment @compute "slice0"(%a = %x, %b = %batch) : (!on_compute, !lm.batch) -> (!on_compute, !on_compute, !on_compute, !on_compute) {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.rope_table %p {frequencies = array<f64: 1.0, 0.1, 0.01, 0.001>, magnitude = 1.0 : f32} : (tensor<?xi32>) -> tensor<?x8xf32>
    %n = lm.scale %a, 1.0 : !act
    %k = lm.scale %n, 2.0 : !act
    %kr = lm.rotary_embedding %k, %t {head_length = 8 : i64} : !act, tensor<?x8xf32>
    %v = lm.scale %n, 3.0 : !act
    %f = lm.scale %n, 4.0 : !act
    %qr = lm.rotary_embedding %n, %t {head_length = 8 : i64} : !act, tensor<?x8xf32>
    mpmd.return %f, %kr, %v, %qr : !act, !act, !act, !act
  }
  %k = mpmd.transfer %s#1 : (!on_compute) -> !on_memory
  %v = mpmd.transfer %s#2 : (!on_compute) -> !on_memory
  %q = mpmd.transfer %s#3 : (!on_compute) -> !on_memory
  %m = mpmd.fragment @memory "attention0"(%b = %batch, %c = %cache, %ka = %k, %va = %v, %qa = %q)
      : (!lm.batch, !cache, !on_memory, !on_memory, !on_memory) -> (!on_memory) {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %d = lm.cache_append %c, %ka, %va at %p, %p, %t : !lm.kv_cache<8 x 8 x 8, f16>, !act, !act, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %qa, %d at %p, %p, %t {scale = 0.35 : f32} : !act, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> !act
    mpmd.return %o : !act
  }
  %o = mpmd.transfer %m : (!on_memory) -> !on_compute
  %y = mpmd.fragment @compute "slice1"(%f = %s#0, %a = %o) : (!on_compute, !on_compute) -> (!on_compute) {
    %z = arith.addf %f, %a : !act
    mpmd.return %z : !act
  }
  return %y : !on_compute
}

// Keys that come with the query (a fused projection) leave nothing to split.
// CHECK-LABEL: func.func @nothing_to_split(
// CHECK: mpmd.fragment @compute "slice0"(
// CHECK-NOT: mpmd.fragment @compute
// CHECK: mpmd.fragment @memory
func.func @nothing_to_split(%x: !on_compute, %batch: !lm.batch, %cache: !cache) {
  %s = mpmd.fragment @compute "slice0"(%a = %x) : (!on_compute) -> (!on_compute) {
    %n = lm.scale %a, 1.0 : !act
    mpmd.return %n : !act
  }
  %q = mpmd.transfer %s : (!on_compute) -> !on_memory
  mpmd.fragment @memory "attention0"(%b = %batch, %c = %cache, %qa = %q) : (!lm.batch, !cache, !on_memory) -> () {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %d = lm.cache_append %c, %qa, %qa at %p, %p, %t : !lm.kv_cache<8 x 8 x 8, f16>, !act, !act, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %qa, %d at %p, %p, %t {scale = 0.35 : f32} : !act, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> !act
  }
  return
}
