// RUN: lamina-opt %s --function-to-loops | FileCheck %s

// CHECK-LABEL: func.func @fill(
// CHECK:         scf.parallel (%[[I:.*]]) = (%c0) to (%c4) step (%c1) {
// CHECK-NEXT:      memref.store %{{.*}}, %{{.*}}[%[[I]]] : memref<4xf32>
func.func @fill(%y: memref<4xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%y : memref<4xf32>)
  return
}

// What a turn of a loop computes in is that of the next turn, also where it is read through a view.
// CHECK-LABEL: func.func @scratch(
// CHECK:         memref.alloc() : memref<4xf32>
// CHECK:         scf.for
// CHECK-NOT:       memref.alloc
// CHECK:         return
func.func @scratch(%y: memref<2x2xf32>, %turns: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %turns step %c1 {
    %own = memref.alloc() : memref<4xf32>
    %square = memref.expand_shape %own [[0, 1]] output_shape [2, 2] : memref<4xf32> into memref<2x2xf32>
    %0 = memref.load %y[%c0, %c1] : memref<2x2xf32>
    memref.store %0, %own[%c0] : memref<4xf32>
    memref.copy %square, %y : memref<2x2xf32> to memref<2x2xf32>
  }
  return
}

// What a turn hands on, the next one reads while it writes its own: directly, as a view, and as one of two.
// CHECK-LABEL: func.func @handed_on(
// CHECK-NOT:     memref.alloc
// CHECK:         scf.for
// CHECK:           memref.alloc() : memref<4xf32>
// CHECK:         scf.for
// CHECK:           memref.alloc() : memref<4xf32>
// CHECK:         scf.for
// CHECK:           memref.alloc() : memref<2x2xf32>
func.func @handed_on(%x: memref<4xf32>, %square: memref<2x2xf32>, %y: memref<2x2xf32>, %turns: index, %which: i1) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %turns step %c1 iter_args(%before = %x) -> (memref<4xf32>) {
    %own = memref.alloc() : memref<4xf32>
    %element = memref.load %before[%i] : memref<4xf32>
    memref.store %element, %own[%c0] : memref<4xf32>
    scf.yield %own : memref<4xf32>
  }
  memref.copy %0, %x : memref<4xf32> to memref<4xf32>
  %1 = scf.for %i = %c0 to %turns step %c1 iter_args(%before = %square) -> (memref<2x2xf32>) {
    %own = memref.alloc() : memref<4xf32>
    %element = memref.load %before[%i, %c1] : memref<2x2xf32>
    memref.store %element, %own[%c0] : memref<4xf32>
    %view = memref.expand_shape %own [[0, 1]] output_shape [2, 2] : memref<4xf32> into memref<2x2xf32>
    scf.yield %view : memref<2x2xf32>
  }
  memref.copy %1, %y : memref<2x2xf32> to memref<2x2xf32>
  %2 = scf.for %i = %c0 to %turns step %c1 iter_args(%before = %square) -> (memref<2x2xf32>) {
    %own = memref.alloc() : memref<2x2xf32>
    %element = memref.load %before[%i, %c1] : memref<2x2xf32>
    memref.store %element, %own[%c0, %c0] : memref<2x2xf32>
    %one = arith.select %which, %own, %before : memref<2x2xf32>
    scf.yield %one : memref<2x2xf32>
  }
  memref.copy %2, %y : memref<2x2xf32> to memref<2x2xf32>
  return
}
