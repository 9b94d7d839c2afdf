// RUN: lamina-opt %s --function-to-plan | FileCheck %s

// Equal loops share a kernel, which repeats the view that it reads. What reads a number is in one kernel with what uses it. A constant
// keeps a name of its own.
// CHECK-LABEL:  module @loops
// CHECK:          plan.dispatch @main_0(%[[X:.*]], %[[A:.*]]) -> () "first"
// CHECK-NEXT:     plan.dispatch @main_0(%[[X]], %[[B:.*]]) -> () "second"
// CHECK-NEXT:     plan.dispatch @main_1(%[[B]]) -> () "number"
// CHECK:        plan.kernel @main_0 {
// CHECK-NEXT:   ^bb0(%[[FROM:.*]]: memref<2x2xf32>, %[[TO:.*]]: memref<4xf32>):
// CHECK:          %[[FLAT:.*]] = memref.collapse_shape %[[FROM]]
// CHECK:          memref.load %[[FLAT]]
// CHECK:        plan.kernel @main_1 {
// CHECK:          memref.get_global @table_0
// CHECK:          memref.load
// CHECK:          memref.store
module @loops {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  lm.weight @table : tensor<4xf32> from [#lm.source<"table" : f32, 0 at 0>]
  func.func @main(%x: !mpmd.placed<tensor<2x2xf32>, @compute> {plan.element = "float", plan.name = "x", plan.port = "input"})
      -> (!mpmd.placed<tensor<4xf32>, @compute>, !mpmd.placed<tensor<4xf32>, @compute>) {
    %y:2 = mpmd.fragment @compute "model"(%a = %x) attributes {plan.function = @model}
        : (!mpmd.placed<tensor<2x2xf32>, @compute>) -> (!mpmd.placed<tensor<4xf32>, @compute>, !mpmd.placed<tensor<4xf32>, @compute>) {
      %0 = tensor.empty() : tensor<4xf32>
      mpmd.return %0, %0 : tensor<4xf32>, tensor<4xf32>
    }
    return %y#0, %y#1 : !mpmd.placed<tensor<4xf32>, @compute>, !mpmd.placed<tensor<4xf32>, @compute>
  }
  module {
    memref.global "private" constant @table : memref<4xf32> = dense<[1.0, 2.0, 3.0, 4.0]>
    func.func @model(%x: memref<2x2xf32>, %a: memref<4xf32>, %b: memref<4xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      %flat = memref.collapse_shape %x [[0, 1]] : memref<2x2xf32> into memref<4xf32>
      scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
        %0 = memref.load %flat[%i] : memref<4xf32>
        memref.store %0, %a[%i] : memref<4xf32>
      } loc("first")
      scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
        %0 = memref.load %flat[%i] : memref<4xf32>
        memref.store %0, %b[%i] : memref<4xf32>
      } loc("second")
      %table = memref.get_global @table : memref<4xf32>
      %number = memref.load %table[%c0] : memref<4xf32> loc("number")
      memref.store %number, %b[%c1] : memref<4xf32>
      return
    }
  }
}
