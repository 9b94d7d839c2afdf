// One case for each promise of phase partition, named after what breaks it.
// RUN: lamina-opt %s -split-input-file -verify-diagnostics --mpmd-verify-partition

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
func.func @operation_in_no_fragment(%x: tensor<?x64xf32>) attributes {mpmd.operations = 0 : i64, mpmd.cut_bytes = array<i64>} {
  // expected-error @below {{'lm.scale' op is in no mpmd.fragment}}
  %y = lm.scale %x, 1.0 : tensor<?x64xf32>
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{'func.func' op has no mpmd.operations: it is not partitioned}}
func.func @not_partitioned() {
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{'func.func' op had 1 operations that run once, its fragments hold 2}}
func.func @operation_in_two_fragments(%x: !mpmd.placed<tensor<?x64xf32>, @compute>)
    attributes {mpmd.operations = 1 : i64, mpmd.cut_bytes = array<i64>} {
  mpmd.fragment @compute "a"(%a = %x) : (!mpmd.placed<tensor<?x64xf32>, @compute>) -> () {
    %y = lm.scale %a, 1.0 : tensor<?x64xf32>
  }
  mpmd.fragment @compute "b"(%a = %x) : (!mpmd.placed<tensor<?x64xf32>, @compute>) -> () {
    %y = lm.scale %a, 1.0 : tensor<?x64xf32>
  }
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
func.func @memory_fragment_without_attention() attributes {mpmd.operations = 0 : i64, mpmd.cut_bytes = array<i64>} {
  // expected-error @below {{'mpmd.fragment' op on @memory holds 0 attentions, expected 1}}
  mpmd.fragment @memory "attention0"() : () -> () {
  }
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
!cache = !lm.kv_cache<8 x 8 x 8, f16>
func.func @attention_on_compute(%x: !mpmd.placed<tensor<?x64xf32>, @compute>, %cache: !mpmd.placed<!cache, @compute>, %batch: !lm.batch)
    attributes {mpmd.operations = 1 : i64, mpmd.cut_bytes = array<i64>} {
  // expected-error @below {{'mpmd.fragment' op on @compute holds 1 attentions, expected 0}}
  mpmd.fragment @compute "slice0"(%q = %x, %c = %cache, %b = %batch)
      : (!mpmd.placed<tensor<?x64xf32>, @compute>, !mpmd.placed<!cache, @compute>, !lm.batch) -> () {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %o = lm.attention %q, %c at %p, %p, %t {scale = 0.35 : f32} : tensor<?x64xf32>, !cache, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  }
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
// expected-error @below {{'func.func' op has 0 attentions and 2 compute fragments, expected 1}}
func.func @too_many_slices() attributes {mpmd.operations = 0 : i64, mpmd.cut_bytes = array<i64>} {
  mpmd.fragment @compute "slice0"() : () -> () {
  }
  mpmd.fragment @compute "slice1"() : () -> () {
  }
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{'func.func' op has 2 fragments, expected one of everything}}
func.func @monolithic_in_two_parts() attributes {mpmd.operations = 0 : i64, mpmd.cut_bytes = array<i64>} {
  mpmd.fragment @compute "a"() : () -> () {
  }
  mpmd.fragment @compute "b"() : () -> () {
  }
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{'func.func' op has no mpmd.cut_bytes: it is not partitioned}}
func.func @no_cut_bytes() attributes {mpmd.operations = 0 : i64} {
  mpmd.fragment @compute "model"() : () -> () {
  }
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{'func.func' op has 0 attentions, its mpmd.cut_bytes tells of 1}}
func.func @cuts_of_another_step() attributes {mpmd.operations = 0 : i64, mpmd.cut_bytes = array<i64: 256>} {
  mpmd.fragment @compute "model"() : () -> () {
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
func.func @keeps_more_than_the_cut(%x: !on_compute, %cache: !mpmd.placed<!cache, @memory>, %batch: !lm.batch)
    attributes {mpmd.operations = 3 : i64, mpmd.cut_bytes = array<i64: 256>} {
  %s = mpmd.fragment @compute "slice0"(%a = %x) : (!on_compute) -> (!on_compute) {
    %y = lm.scale %a, 1.0 : tensor<?x64xf32>
    mpmd.return %y : tensor<?x64xf32>
  }
  %q = mpmd.transfer %x : (!on_compute) -> !on_memory
  // expected-error @below {{'mpmd.fragment' op keeps 512 bytes per token on @compute, the minimum cut 256}}
  mpmd.fragment @memory "attention0"(%a = %q, %c = %cache, %b = %batch) : (!on_memory, !mpmd.placed<!cache, @memory>, !lm.batch) -> () {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %o = lm.attention %a, %c at %p, %p, %t {scale = 0.35 : f32} : tensor<?x64xf32>, !cache, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
  }
  mpmd.fragment @compute "slice1"(%a = %x, %b = %s) : (!on_compute, !on_compute) -> () {
    %z = arith.addf %a, %b : tensor<?x64xf32>
  }
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
lm.weight @norm : tensor<64xf32> from [#lm.source<"norm" : f32, 0 at 0>]
func.func @weight_moves() attributes {mpmd.operations = 1 : i64, mpmd.cut_bytes = array<i64>} {
  %w = mpmd.fragment @compute "slice0"() : () -> (!mpmd.placed<tensor<64xf32>, @compute>) {
    // expected-note @below {{weight taken here}}
    %0 = lm.get_weight @norm : tensor<64xf32>
    mpmd.return %0 : tensor<64xf32>
  }
  // expected-error @below {{'mpmd.transfer' op moves a weight: a device holds the weights that it uses}}
  %m = mpmd.transfer %w : (!mpmd.placed<tensor<64xf32>, @compute>) -> !mpmd.placed<tensor<64xf32>, @memory>
  return
}
