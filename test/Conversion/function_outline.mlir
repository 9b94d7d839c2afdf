// RUN: lamina-opt %s -split-input-file -verify-diagnostics --function-outline | FileCheck %s

// A function has the fragment's operands, then its weights. The attention's body is in its place.
// CHECK-LABEL: module @one
// CHECK:         mpmd.fragment @compute "model"(%{{.*}} = %{{.*}}) attributes {plan.function = @model}
// CHECK:         module {
// CHECK-NEXT:      func.func @model(%[[X:.*]]: tensor<4xf32> {bufferization.writable = false}, %[[W:.*]]: tensor<4xf32> {bufferization.writable = false, plan.source = @w}) -> tensor<4xf32> {
// CHECK-NEXT:        %[[EMPTY:.*]] = tensor.empty()
// CHECK-NEXT:        %[[Y:.*]] = linalg.add ins(%[[X]], %[[W]] : {{.*}}) outs(%[[EMPTY]]
// CHECK-NEXT:        return %[[Y]]
!x = !mpmd.placed<tensor<4xf32>, @compute>
module @one {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  lm.weight @w : tensor<4xf32> from [#lm.source<"w" : f32, 0 at 0>]
  func.func @main(%x: !x) -> !x {
    %y = mpmd.fragment @compute "model"(%a = %x) : (!x) -> (!x) {
      %w = lm.get_weight @w : tensor<4xf32>
      %0 = lm.tensor_attention softmax %a over %w, %w : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
      ^bb0(%q: tensor<4xf32>, %k: tensor<4xf32>, %v: tensor<4xf32>):
        %1 = tensor.empty() : tensor<4xf32>
        %2 = linalg.add ins(%q, %v : tensor<4xf32>, tensor<4xf32>) outs(%1 : tensor<4xf32>) -> tensor<4xf32>
        lm.yield %2 : tensor<4xf32>
      }
      mpmd.return %0 : tensor<4xf32>
    }
    return %y : !x
  }
}

// -----

// expected-error @below {{expected a function @main of one block}}
module @without_main {
}

// -----

!x = !mpmd.placed<tensor<?xf32>, @compute>
module @rows {
  mpmd.topology @cluster {
    mpmd.device_class @compute : compute on cpu
  }
  func.func @main(%x: !x) -> !x {
    // expected-error @below {{expected tensors of known shape to go in and out, got: 'tensor<?xf32>'}}
    %y = mpmd.fragment @compute "model"(%a = %x) : (!x) -> (!x) {
      mpmd.return %a : tensor<?xf32>
    }
    return %y : !x
  }
}
