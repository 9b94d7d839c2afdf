// RUN: lamina-opt %s -split-input-file -verify-diagnostics --function-bufferize

func.func @main(%x: memref<4xf32>, %n: index) {
  // expected-error @below {{expected memory of a size that is known, got: 'memref<?xf32>'}}
  %0 = memref.alloc(%n) : memref<?xf32>
  %c = arith.constant 0 : index
  %1 = memref.load %x[%c] : memref<4xf32>
  memref.store %1, %0[%c] : memref<?xf32>
  %2 = memref.load %0[%c] : memref<?xf32>
  memref.store %2, %x[%c] : memref<4xf32>
  return
}
