// One case for each line of the verifiers, named after the mistake.
// RUN: lamina-opt %s -split-input-file -verify-diagnostics

// expected-error @below {{expected a ranked tensor or a !lm.kv_cache to place, got: 'f32'}}
func.func private @placed_scalar(!mpmd.placed<f32, @compute>)

// -----

// second_topology
// expected-note @below {{another one is here}}
mpmd.topology @first {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{'mpmd.topology' op expected to be the only topology of the module}}
mpmd.topology @second {
  mpmd.device_class @compute : compute on cpu
}

// -----

// foreign_op_in_topology
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  // expected-error @below {{'lm.weight' op expected device classes and links alone in an mpmd.topology}}
  lm.weight @w : tensor<4xf32> from [#lm.source<"w" : f32, 0 at 0>]
}

// -----

// expected-error @below {{'mpmd.topology' op expected at least one device class}}
mpmd.topology @empty_topology {
}

// -----

// link_to_unknown_class
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  // expected-error @below {{'mpmd.link' op expected device classes of the topology at both ends, got: @memory}}
  mpmd.link @compute -> @memory
}

// -----

// link_to_itself
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  // expected-error @below {{'mpmd.link' op expected different device classes at its ends, got: @compute twice}}
  mpmd.link @compute -> @compute
}

// -----

// no_devices_in_class
mpmd.topology @cluster {
  // expected-error @below {{attribute 'count' failed to satisfy constraint: 64-bit signless integer attribute whose value is positive}}
  mpmd.device_class @compute : compute on cpu {count = 0 : i64}
}

// -----

// class_outside_topology
// expected-error @below {{'mpmd.device_class' op expects parent op 'mpmd.topology'}}
mpmd.device_class @compute : compute on cpu

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}
// expected-note @below {{value defined here}}
func.func @use_on_foreign_device(%x: !mpmd.placed<tensor<?x8xf32>, @compute>) {
  // expected-error @below {{'mpmd.fragment' op on @memory cannot use a value on @compute without an mpmd.transfer}}
  mpmd.fragment @memory "attention0"(%q = %x) : (!mpmd.placed<tensor<?x8xf32>, @compute>) -> () {
  }
  return
}

// -----

func.func @unplaced_operand(%x: tensor<?x8xf32>) {
  // expected-error @below {{operand #0 must be variadic of a placed value or a batch, but got 'tensor<?x8xf32>'}}
  mpmd.fragment @compute "slice0"(%q = %x) : (tensor<?x8xf32>) -> () {
  }
  return
}

// -----

func.func @captured_value(%x: tensor<?x8xf32>) {
  // expected-note @below {{required by region isolation constraints}}
  %y = mpmd.fragment @compute "slice0"() : () -> (!mpmd.placed<tensor<?x8xf32>, @compute>) {
    // expected-error @below {{'mpmd.return' op using value defined outside the region}}
    mpmd.return %x : tensor<?x8xf32>
  }
  return
}

// -----

func.func @result_on_foreign_device(%x: !mpmd.placed<tensor<?x8xf32>, @compute>) {
  // expected-error @below {{'mpmd.fragment' op on @compute cannot produce a value on @memory}}
  %y = mpmd.fragment @compute "slice0"(%a = %x)
      : (!mpmd.placed<tensor<?x8xf32>, @compute>) -> (!mpmd.placed<tensor<?x8xf32>, @memory>) {
    mpmd.return %a : tensor<?x8xf32>
  }
  return
}

// -----

func.func @body_arguments_differ(%x: !mpmd.placed<tensor<?x8xf32>, @compute>) {
  // expected-error @below {{'mpmd.fragment' op expected body arguments of types ('tensor<?x8xf32>'), got: ('tensor<?x4xf32>')}}
  "mpmd.fragment"(%x) <{device_class = @compute, name = "slice0"}> ({
  ^bb0(%a: tensor<?x4xf32>):
    "mpmd.return"() : () -> ()
  }) : (!mpmd.placed<tensor<?x8xf32>, @compute>) -> ()
  return
}

// -----

// expected-note @below {{topology declared here}}
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
func.func @fragment_on_unknown_class() {
  // expected-error @below {{'mpmd.fragment' op expected a device class of the topology, got: @memory}}
  mpmd.fragment @memory "attention0"() : () -> () {
  }
  return
}

// -----

func.func @fragment_without_topology() {
  // expected-error @below {{'mpmd.fragment' op expected an mpmd.topology in the module that declares @compute}}
  mpmd.fragment @compute "slice0"() : () -> () {
  }
  return
}

// -----

func.func @return_types_differ(%x: !mpmd.placed<tensor<?x8xf32>, @compute>) {
  %y = mpmd.fragment @compute "slice0"(%a = %x)
      : (!mpmd.placed<tensor<?x8xf32>, @compute>) -> (!mpmd.placed<tensor<?x4xf32>, @compute>) {
    // expected-error @below {{'mpmd.return' op expected values of types ('tensor<?x4xf32>'), got: ('tensor<?x8xf32>')}}
    mpmd.return %a : tensor<?x8xf32>
  }
  return
}

// -----

func.func @bindings_and_types_differ_in_number(%x: !mpmd.placed<tensor<?x8xf32>, @compute>) {
  // expected-error @below {{number of operands and types do not match: got 1 operands and 0 types}}
  mpmd.fragment @compute "slice0"(%a = %x) : () -> () {
  }
  return
}

// -----

func.func @empty_transfer() {
  // expected-error @below {{'mpmd.transfer' op expected at least one value to move}}
  "mpmd.transfer"() : () -> ()
  return
}

// -----

func.func @transfer_changes_type(%x: !mpmd.placed<tensor<?x8xf32>, @compute>) {
  // expected-error @below {{'mpmd.transfer' op expected results that hold ('tensor<?x8xf32>'), got: ('tensor<?x4xf32>')}}
  %y = mpmd.transfer %x : (!mpmd.placed<tensor<?x8xf32>, @compute>) -> !mpmd.placed<tensor<?x4xf32>, @memory>
  return
}

// -----

func.func @transfer_of_cache(%x: !mpmd.placed<!lm.kv_cache<2 x 4 x 4, f16>, @memory>) {
  // expected-error @below {{'mpmd.transfer' op cannot move a !lm.kv_cache: it stays on the device that appends to it}}
  %y = mpmd.transfer %x : (!mpmd.placed<!lm.kv_cache<2 x 4 x 4, f16>, @memory>)
      -> !mpmd.placed<!lm.kv_cache<2 x 4 x 4, f16>, @compute>
  return
}

// -----

func.func @transfer_from_two_classes(%x: !mpmd.placed<tensor<?x8xf32>, @compute>, %y: !mpmd.placed<tensor<?x8xf32>, @memory>) {
  // expected-error @below {{'mpmd.transfer' op expected operands on one device class, got: @compute and @memory}}
  %z:2 = mpmd.transfer %x, %y : (!mpmd.placed<tensor<?x8xf32>, @compute>, !mpmd.placed<tensor<?x8xf32>, @memory>)
      -> (!mpmd.placed<tensor<?x8xf32>, @other>, !mpmd.placed<tensor<?x8xf32>, @other>)
  return
}

// -----

func.func @transfer_to_two_classes(%x: !mpmd.placed<tensor<?x8xf32>, @compute>) {
  // expected-error @below {{'mpmd.transfer' op expected results on one device class, got: @memory and @other}}
  %z:2 = mpmd.transfer %x, %x : (!mpmd.placed<tensor<?x8xf32>, @compute>, !mpmd.placed<tensor<?x8xf32>, @compute>)
      -> (!mpmd.placed<tensor<?x8xf32>, @memory>, !mpmd.placed<tensor<?x8xf32>, @other>)
  return
}

// -----

func.func @transfer_to_its_own_class(%x: !mpmd.placed<tensor<?x8xf32>, @compute>) {
  // expected-error @below {{'mpmd.transfer' op expected different device classes, got: @compute twice}}
  %y = mpmd.transfer %x : (!mpmd.placed<tensor<?x8xf32>, @compute>) -> !mpmd.placed<tensor<?x8xf32>, @compute>
  return
}

// -----

// expected-note @below {{topology declared here}}
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
func.func @transfer_to_unknown_class(%x: !mpmd.placed<tensor<?x8xf32>, @compute>) {
  // expected-error @below {{'mpmd.transfer' op expected a device class of the topology, got: @memory}}
  %y = mpmd.transfer %x : (!mpmd.placed<tensor<?x8xf32>, @compute>) -> !mpmd.placed<tensor<?x8xf32>, @memory>
  return
}
