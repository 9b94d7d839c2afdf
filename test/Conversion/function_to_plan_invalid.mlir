// RUN: lamina-opt %s -split-input-file -verify-diagnostics --function-to-plan

// expected-error @below {{expected a topology with a class of role compute}}
func.func @main(%x: memref<4xf32>) {
  return
}

// -----

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
}
// expected-error @below {{expected a function of one block without results; run function-bufferize first}}
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
