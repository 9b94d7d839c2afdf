// RUN: lamina-opt %s -split-input-file -verify-diagnostics --function-to-plan

// expected-error @below {{expected a topology with a class of role compute}}
func.func @main(%x: memref<4xf32>) {
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{expected a function of one block without results; run function-bufferize and function-to-loops first}}
func.func @main(%x: memref<4xf32>) -> memref<4xf32> {
  return %x : memref<4xf32>
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{expected arguments in memory, of known size, got: 'memref<?xf32>'}}
func.func @main(%x: memref<?xf32>) {
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
func.func @main(%x: memref<4xf32>) {
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
