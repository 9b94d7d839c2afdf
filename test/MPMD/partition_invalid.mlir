// What mpmd-partition refuses, one case each, named after the mistake.
// RUN: lamina-opt %s -split-input-file -verify-diagnostics --mpmd-partition

// expected-error @below {{expected an mpmd.topology that says where the step runs}}
module @no_topology {
}

// -----

mpmd.topology @two_compute_classes {
  // expected-note @below {{the first is here}}
  mpmd.device_class @a : compute on cpu
  // expected-error @below {{'mpmd.device_class' op is the second of role compute, expected one}}
  mpmd.device_class @b : compute on cpu
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
func.func private @log()
func.func @side_effect(%x: tensor<?x64xf32>, %cache: !lm.kv_cache<8 x 8 x 8, f16>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) -> tensor<?x64xf32> {
  // expected-error @below {{'func.call' op cannot be placed: it has side effects}}
  func.call @log() : () -> ()
  // expected-note @below {{while partitioning at this attention}}
  %o = lm.attention %x, %cache at %p, %p, %t {scale = 0.35 : f32}
      : tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  return %o : tensor<?x64xf32>
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
func.func @append_without_attention(%x: tensor<?x64xf32>, %cache: !lm.kv_cache<8 x 8 x 8, f16>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) -> tensor<?x64xf32> {
  // expected-note @below {{while partitioning at this attention}}
  %o = lm.attention %x, %cache at %p, %p, %t {scale = 0.35 : f32}
      : tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  // expected-error @below {{'lm.cache_append' op cannot be placed: it touches a !lm.kv_cache but feeds no attention}}
  %c = lm.cache_append %cache, %x, %x at %p, %p, %t
      : !lm.kv_cache<8 x 8 x 8, f16>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
  return %o : tensor<?x64xf32>
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
func.func @value_without_weight(%x: tensor<?x64xf32>, %cache: !lm.kv_cache<8 x 8 x 8, f16>, %p: tensor<?xi32>, %t: tensor<?x?xi32>, %m: tensor<?x?xf32>)
    -> (tensor<?x64xf32>, tensor<?x?xf32>) {
  // expected-error @below {{'arith.negf' op cannot be placed: a value of type 'tensor<?x?xf32>' has no weight in bytes per token}}
  %n = arith.negf %m : tensor<?x?xf32>
  // expected-note @below {{while partitioning at this attention}}
  %o = lm.attention %x, %cache at %p, %p, %t {scale = 0.35 : f32}
      : tensor<?x64xf32>, !lm.kv_cache<8 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  return %o, %n : tensor<?x64xf32>, tensor<?x?xf32>
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{'func.func' op has an argument of type 'index' that cannot be placed, expected tensors, caches and a batch}}
func.func @argument_without_place(%i: index) {
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{'func.func' op expected a single block: a step has no control flow}}
func.func @control_flow() {
  return
^unreachable:
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
func.func @partitioned_twice() {
  // expected-error @below {{'mpmd.fragment' op is there already: a step is partitioned once}}
  mpmd.fragment @compute "slice0"() : () -> () {
  }
  return
}
