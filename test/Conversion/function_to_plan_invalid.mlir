// RUN: lamina-opt %s -split-input-file -verify-diagnostics --function-to-plan

!x = !mpmd.placed<tensor<4xf32>, @compute>
// expected-error @below {{expected a function @main of one block and the functions of its fragments; run function-outline first}}
module @without_functions {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: !x) -> !x {
    return %x : !x
  }
}

// -----

!x = !mpmd.placed<tensor<4xf32>, @compute>
module @without_function {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: !x) -> !x {
    // expected-error @below {{has no function; run function-outline first}}
    %y = mpmd.fragment @compute "model"(%a = %x) : (!x) -> (!x) {
      mpmd.return %a : tensor<4xf32>
    }
    return %y : !x
  }
  module {}
}

// -----

!x = !mpmd.placed<tensor<4xf32>, @compute>
module @function_on_tensors {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: !x) -> !x {
    %y = mpmd.fragment @compute "model"(%a = %x) attributes {plan.function = @model} : (!x) -> (!x) {
      mpmd.return %a : tensor<4xf32>
    }
    return %y : !x
  }
  module {
    // expected-error @below {{expected a function of one block without results; run function-bufferize and function-to-loops first}}
    func.func @model(%x: tensor<4xf32>) -> tensor<4xf32> {
      return %x : tensor<4xf32>
    }
  }
}

// -----

!x = !mpmd.placed<tensor<4xf32>, @compute>
module @memory_of_unknown_size {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: !x) -> !x {
    %y = mpmd.fragment @compute "model"(%a = %x) attributes {plan.function = @model} : (!x) -> (!x) {
      mpmd.return %a : tensor<4xf32>
    }
    return %y : !x
  }
  module {
    // expected-error @below {{expected arguments in memory, of known size, got: 'memref<?xf32>'}}
    func.func @model(%x: memref<4xf32>, %y: memref<?xf32>) {
      return
    }
  }
}

// -----

!x = !mpmd.placed<tensor<4xf32>, @compute>
module @arguments_missing {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: !x) -> !x {
    %y = mpmd.fragment @compute "model"(%a = %x) attributes {plan.function = @model} : (!x) -> (!x) {
      mpmd.return %a : tensor<4xf32>
    }
    return %y : !x
  }
  module {
    // expected-error @below {{expected an argument for each operand, weight and result of its fragment, got: 1}}
    func.func @model(%x: memref<4xf32>) {
      return
    }
  }
}

// -----

!x = !mpmd.placed<tensor<4xf32>, @compute>
module @memory_of_another_type {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: !x) -> !x {
    %y = mpmd.fragment @compute "model"(%a = %x) attributes {plan.function = @model} : (!x) -> (!x) {
      mpmd.return %a : tensor<4xf32>
    }
    return %y : !x
  }
  module {
    // expected-error @below {{expected memory of '!mpmd.placed<tensor<4xf32>, @compute>' as argument 1, got: 'memref<4xi32>'}}
    func.func @model(%x: memref<4xf32>, %y: memref<4xi32>) {
      return
    }
  }
}

// -----

!x = !mpmd.placed<tensor<4xf32>, @compute>
module @memory_within_a_loop {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: !x) -> !x {
    %y = mpmd.fragment @compute "model"(%a = %x) attributes {plan.function = @model} : (!x) -> (!x) {
      mpmd.return %a : tensor<4xf32>
    }
    return %y : !x
  }
  module {
    func.func @model(%x: memref<4xf32>, %y: memref<4xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
        // expected-error @below {{expected memory of a size that is known, outside of loops, got: 'memref<4xf32>'}}
        %0 = memref.alloc() : memref<4xf32>
        %1 = memref.load %0[%i] : memref<4xf32>
        memref.store %1, %x[%i] : memref<4xf32>
      }
      return
    }
  }
}

// -----

module @argument_without_place {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  // expected-error @below {{expected arguments that are tensors with a place, got: 'tensor<4xf32>'}}
  func.func @main(%x: tensor<4xf32>) {
    return
  }
  module {}
}

// -----

module @operation_in_no_fragment {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main() {
    // expected-error @below {{expected only fragments and transfers in @main; run the comm phase first}}
    %0 = tensor.empty() : tensor<4xf32>
    return
  }
  module {}
}

// -----

!x = !mpmd.placed<tensor<4xf32>, @compute>
module @result_that_is_an_input {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: !x {plan.element = "float", plan.name = "x", plan.port = "input"}) -> !x {
    // expected-error @below {{expected result 0 to be a fragment's or a transfer's and no other result}}
    return %x : !x
  }
  module {}
}

// -----

!x = !mpmd.placed<tensor<4xf32>, @compute>
module @on_a_gpu {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cuda
  }
  func.func @main(%x: !x) -> !x {
    // expected-error @below {{models without a cache run on CPUs alone, got a fragment on the class @compute of GPUs; give classes of kind cpu}}
    %y = mpmd.fragment @compute "model"(%a = %x) : (!x) -> (!x) {
      mpmd.return %a : tensor<4xf32>
    }
    return %y : !x
  }
  module {}
}

// -----

!x = !mpmd.placed<tensor<4xf32>, @nowhere>
module @argument_on_an_unknown_class {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  // expected-error @below {{expected argument 0 on a device class of the topology, got: @nowhere}}
  func.func @main(%x: !x) -> !x {
    return %x : !x
  }
  module {}
}
