// One case for each promise of phase comm, named after what breaks it.
// RUN: lamina-opt %s -split-input-file -verify-diagnostics --mpmd-verify-comm

func.func @operation_in_no_fragment(%x: tensor<?x64xf32>) {
  // expected-error @below {{'lm.scale' op is in no mpmd.fragment}}
  %y = lm.scale %x, 1.0 : tensor<?x64xf32>
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
!on_compute = !mpmd.placed<tensor<?x64xf32>, @compute>
!on_memory = !mpmd.placed<tensor<?x64xf32>, @memory>
func.func @value_moves_twice(%x: !on_compute) {
  // expected-note @below {{moved here already}}
  %a = mpmd.transfer %x : (!on_compute) -> !on_memory
  // expected-error @below {{'mpmd.transfer' op moves a value to @memory a second time}}
  %b = mpmd.transfer %x : (!on_compute) -> !on_memory
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
lm.weight @norm : tensor<64xf32> from [#lm.source<"norm" : f32, 0 at 0>]
func.func @weight_moves() {
  %w = mpmd.fragment @compute "slice0"() : () -> (!mpmd.placed<tensor<64xf32>, @compute>) {
    // expected-note @below {{weight taken here}}
    %0 = lm.get_weight @norm : tensor<64xf32>
    mpmd.return %0 : tensor<64xf32>
  }
  // expected-error @below {{'mpmd.transfer' op moves a weight: a device holds the weights that it uses}}
  %m = mpmd.transfer %w : (!mpmd.placed<tensor<64xf32>, @compute>) -> !mpmd.placed<tensor<64xf32>, @memory>
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
!cache = !lm.kv_cache<8 x 8 x 8, f16>
!on_compute = !mpmd.placed<tensor<?x64xf32>, @compute>
!on_memory = !mpmd.placed<tensor<?x64xf32>, @memory>
func.func @keys_before_query(%x: !on_compute, %cache: !mpmd.placed<!cache, @memory>, %batch: !lm.batch) {
  // expected-error @below {{'mpmd.fragment' op delays the query by what does not need it}}
  %s:2 = mpmd.fragment @compute "slice0"(%a = %x) : (!on_compute) -> (!on_compute, !on_compute) {
    // expected-note @below {{this operation}}
    %k = lm.scale %a, 1.0 : tensor<?x64xf32>
    %q = lm.scale %a, 2.0 : tensor<?x64xf32>
    mpmd.return %k, %q : tensor<?x64xf32>, tensor<?x64xf32>
  }
  %k, %q = mpmd.transfer %s#0, %s#1 : (!on_compute, !on_compute) -> (!on_memory, !on_memory)
  mpmd.fragment @memory "attention0"(%ka = %k, %qa = %q, %c = %cache, %b = %batch) : (!on_memory, !on_memory, !mpmd.placed<!cache, @memory>, !lm.batch) -> () {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %d = lm.cache_append %c, %ka, %ka at %p, %p, %t : !cache, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %qa, %d at %p, %p, %t {scale = 0.35 : f32} : tensor<?x64xf32>, !cache, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  }
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
!cache = !lm.kv_cache<8 x 8 x 8, f16>
!on_compute = !mpmd.placed<tensor<?x64xf32>, @compute>
!on_memory = !mpmd.placed<tensor<?x64xf32>, @memory>
func.func @query_sent_late(%x: !on_compute, %cache: !mpmd.placed<!cache, @memory>, %batch: !lm.batch) {
  %s = mpmd.fragment @compute "slice0.q"(%a = %x) : (!on_compute) -> (!on_compute) {
    %q = lm.scale %a, 2.0 : tensor<?x64xf32>
    mpmd.return %q : tensor<?x64xf32>
  }
  // expected-note @below {{this fragment}}
  %r = mpmd.fragment @compute "slice0.kv"(%a = %x) : (!on_compute) -> (!on_compute) {
    %k = lm.scale %a, 1.0 : tensor<?x64xf32>
    mpmd.return %k : tensor<?x64xf32>
  }
  %k = mpmd.transfer %r : (!on_compute) -> !on_memory
  // expected-error @below {{'mpmd.transfer' op of the query waits for another fragment}}
  %q = mpmd.transfer %s : (!on_compute) -> !on_memory
  mpmd.fragment @memory "attention0"(%ka = %k, %qa = %q, %c = %cache, %b = %batch) : (!on_memory, !on_memory, !mpmd.placed<!cache, @memory>, !lm.batch) -> () {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %d = lm.cache_append %c, %ka, %ka at %p, %p, %t : !cache, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %o = lm.attention %qa, %d at %p, %p, %t {scale = 0.35 : f32} : tensor<?x64xf32>, !cache, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  }
  return
}
