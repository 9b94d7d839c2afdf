// RUN: lamina-opt %s --lm-raise-norms | FileCheck %s

lm.weight @g : tensor<64xf32> from [#lm.source<"g" : f32, 0 at 0>]
lm.weight @b : tensor<64xf32> from [#lm.source<"b" : f32, 0 at 256>]
lm.weight @h : tensor<16xf32> from [#lm.source<"h" : f32, 0 at 512>]

// CHECK-LABEL: func.func @divided_by_the_root(
func.func @divided_by_the_root(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %epsilon = arith.constant 1.0e-5 : f32
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  // CHECK: %[[W:.*]] = lm.get_weight @g
  // CHECK: %[[R:.*]] = lm.rms_norm %arg0, %[[W]] {epsilon = 9.99999974E-6 : f32}
  // CHECK: return %[[R]]
  %q = arith.mulf %x, %x : tensor<?x64xf32>
  %mz = tensor.splat %zero[%n] : tensor<?xf32>
  %ms = linalg.reduce { arith.addf } ins(%q : tensor<?x64xf32>) outs(%mz : tensor<?xf32>) dimensions = [1]
  %m = lm.scale %ms, 0.015625 : tensor<?xf32>
  %vc = tensor.splat %epsilon[%n] : tensor<?xf32>
  %v = arith.addf %m, %vc : tensor<?xf32>
  %r = math.sqrt %v : tensor<?xf32>
  %rbe = tensor.empty(%n) : tensor<?x64xf32>
  %rb = linalg.broadcast ins(%r : tensor<?xf32>) outs(%rbe : tensor<?x64xf32>) dimensions = [1]
  %d = arith.divf %x, %rb : tensor<?x64xf32>
  %w = lm.get_weight @g : tensor<64xf32>
  %wbe = tensor.empty(%n) : tensor<?x64xf32>
  %wb = linalg.broadcast ins(%w : tensor<64xf32>) outs(%wbe : tensor<?x64xf32>) dimensions = [0]
  %y = arith.mulf %wb, %d : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @times_the_reciprocal(
func.func @times_the_reciprocal(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %epsilon = arith.constant 1.0e-5 : f32
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  // CHECK: %[[R:.*]] = lm.rms_norm %arg0
  // CHECK: return %[[R]]
  %q = arith.mulf %x, %x : tensor<?x64xf32>
  %mz = tensor.splat %zero[%n] : tensor<?xf32>
  %ms = linalg.reduce { arith.addf } ins(%q : tensor<?x64xf32>) outs(%mz : tensor<?xf32>) dimensions = [1]
  %m = lm.scale %ms, 0.015625 : tensor<?xf32>
  %vc = tensor.splat %epsilon[%n] : tensor<?xf32>
  %v = arith.addf %m, %vc : tensor<?xf32>
  %r = math.sqrt %v : tensor<?xf32>
  %ones = tensor.splat %one[%n] : tensor<?xf32>
  %i = arith.divf %ones, %r : tensor<?xf32>
  %ibe = tensor.empty(%n) : tensor<?x64xf32>
  %ib = linalg.broadcast ins(%i : tensor<?xf32>) outs(%ibe : tensor<?x64xf32>) dimensions = [1]
  %d = arith.mulf %x, %ib : tensor<?x64xf32>
  %w = lm.get_weight @g : tensor<64xf32>
  %wbe = tensor.empty(%n) : tensor<?x64xf32>
  %wb = linalg.broadcast ins(%w : tensor<64xf32>) outs(%wbe : tensor<?x64xf32>) dimensions = [0]
  %y = arith.mulf %d, %wb : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @norm_of_each_head(
func.func @norm_of_each_head(%x: tensor<?x64xf32>) -> tensor<?x4x16xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %epsilon = arith.constant 1.0e-5 : f32
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  // CHECK: %[[W:.*]] = lm.get_weight @h
  // CHECK: %[[R:.*]] = lm.rms_norm %arg0, %[[W]] {{.*}} : tensor<?x64xf32>, tensor<16xf32>
  // CHECK: tensor.expand_shape %[[R]] {{.*}} : tensor<?x64xf32> into tensor<?x4x16xf32>
  %h = tensor.expand_shape %x [[0], [1, 2]] output_shape [%n, 4, 16] : tensor<?x64xf32> into tensor<?x4x16xf32>
  %q = arith.mulf %h, %h : tensor<?x4x16xf32>
  %mz = tensor.splat %zero[%n] : tensor<?x4xf32>
  %ms = linalg.reduce { arith.addf } ins(%q : tensor<?x4x16xf32>) outs(%mz : tensor<?x4xf32>) dimensions = [2]
  %m = lm.scale %ms, 0.0625 : tensor<?x4xf32>
  %vc = tensor.splat %epsilon[%n] : tensor<?x4xf32>
  %v = arith.addf %m, %vc : tensor<?x4xf32>
  %r = math.rsqrt %v : tensor<?x4xf32>
  %rbe = tensor.empty(%n) : tensor<?x4x16xf32>
  %rb = linalg.broadcast ins(%r : tensor<?x4xf32>) outs(%rbe : tensor<?x4x16xf32>) dimensions = [2]
  %d = arith.mulf %h, %rb : tensor<?x4x16xf32>
  %w = lm.get_weight @h : tensor<16xf32>
  %wbe = tensor.empty(%n) : tensor<?x4x16xf32>
  %wb = linalg.broadcast ins(%w : tensor<16xf32>) outs(%wbe : tensor<?x4x16xf32>) dimensions = [0, 1]
  %y = arith.mulf %d, %wb : tensor<?x4x16xf32>
  return %y : tensor<?x4x16xf32>
}

// CHECK-LABEL: func.func @layer_norm(
func.func @layer_norm(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %epsilon = arith.constant 1.0e-5 : f32
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  // CHECK-DAG: %[[W:.*]] = lm.get_weight @g
  // CHECK-DAG: %[[B:.*]] = lm.get_weight @b
  // CHECK: %[[R:.*]] = lm.layer_norm %arg0, %[[W]], %[[B]] {epsilon = 9.99999974E-6 : f32}
  // CHECK: return %[[R]]
  %uz = tensor.splat %zero[%n] : tensor<?xf32>
  %us = linalg.reduce { arith.addf } ins(%x : tensor<?x64xf32>) outs(%uz : tensor<?xf32>) dimensions = [1]
  %u = lm.scale %us, 0.015625 : tensor<?xf32>
  %ube = tensor.empty(%n) : tensor<?x64xf32>
  %ub = linalg.broadcast ins(%u : tensor<?xf32>) outs(%ube : tensor<?x64xf32>) dimensions = [1]
  %d = arith.subf %x, %ub : tensor<?x64xf32>
  %q = arith.mulf %d, %d : tensor<?x64xf32>
  %mz = tensor.splat %zero[%n] : tensor<?xf32>
  %ms = linalg.reduce { arith.addf } ins(%q : tensor<?x64xf32>) outs(%mz : tensor<?xf32>) dimensions = [1]
  %m = lm.scale %ms, 0.015625 : tensor<?xf32>
  %vc = tensor.splat %epsilon[%n] : tensor<?xf32>
  %v = arith.addf %m, %vc : tensor<?xf32>
  %r = math.sqrt %v : tensor<?xf32>
  %rbe = tensor.empty(%n) : tensor<?x64xf32>
  %rb = linalg.broadcast ins(%r : tensor<?xf32>) outs(%rbe : tensor<?x64xf32>) dimensions = [1]
  %t = arith.divf %d, %rb : tensor<?x64xf32>
  %w = lm.get_weight @g : tensor<64xf32>
  %wbe = tensor.empty(%n) : tensor<?x64xf32>
  %wb = linalg.broadcast ins(%w : tensor<64xf32>) outs(%wbe : tensor<?x64xf32>) dimensions = [0]
  %p = arith.mulf %t, %wb : tensor<?x64xf32>
  %b = lm.get_weight @b : tensor<64xf32>
  %y = lm.bias_add %p, %b : tensor<?x64xf32>, tensor<64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @layer_norm_without_a_bias(
func.func @layer_norm_without_a_bias(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %epsilon = arith.constant 1.0e-5 : f32
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  // CHECK: %[[W:.*]] = lm.get_weight @g
  // CHECK: %[[R:.*]] = lm.layer_norm %arg0, %[[W]] {epsilon = 9.99999974E-6 : f32}
  // CHECK: return %[[R]]
  %uz = tensor.splat %zero[%n] : tensor<?xf32>
  %us = linalg.reduce { arith.addf } ins(%x : tensor<?x64xf32>) outs(%uz : tensor<?xf32>) dimensions = [1]
  %u = lm.scale %us, 0.015625 : tensor<?xf32>
  %ube = tensor.empty(%n) : tensor<?x64xf32>
  %ub = linalg.broadcast ins(%u : tensor<?xf32>) outs(%ube : tensor<?x64xf32>) dimensions = [1]
  %d = arith.subf %x, %ub : tensor<?x64xf32>
  %q = arith.mulf %d, %d : tensor<?x64xf32>
  %mz = tensor.splat %zero[%n] : tensor<?xf32>
  %ms = linalg.reduce { arith.addf } ins(%q : tensor<?x64xf32>) outs(%mz : tensor<?xf32>) dimensions = [1]
  %m = lm.scale %ms, 0.015625 : tensor<?xf32>
  %vc = tensor.splat %epsilon[%n] : tensor<?xf32>
  %v = arith.addf %m, %vc : tensor<?xf32>
  %r = math.sqrt %v : tensor<?xf32>
  %rbe = tensor.empty(%n) : tensor<?x64xf32>
  %rb = linalg.broadcast ins(%r : tensor<?xf32>) outs(%rbe : tensor<?x64xf32>) dimensions = [1]
  %t = arith.divf %d, %rb : tensor<?x64xf32>
  %w = lm.get_weight @g : tensor<64xf32>
  %wbe = tensor.empty(%n) : tensor<?x64xf32>
  %wb = linalg.broadcast ins(%w : tensor<64xf32>) outs(%wbe : tensor<?x64xf32>) dimensions = [0]
  %p = arith.mulf %t, %wb : tensor<?x64xf32>
  return %p : tensor<?x64xf32>
}

// The rest is near misses: a sum that is no mean, a mean of something else, a norm of another row, a weight that is none.

// CHECK-LABEL: func.func @divided_by_too_few(
func.func @divided_by_too_few(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %epsilon = arith.constant 1.0e-5 : f32
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  // CHECK-NOT: lm.layer_norm
  // CHECK-NOT: lm.rms_norm
  // CHECK: return
  %uz = tensor.splat %zero[%n] : tensor<?xf32>
  %us = linalg.reduce { arith.addf } ins(%x : tensor<?x64xf32>) outs(%uz : tensor<?xf32>) dimensions = [1]
  %u = lm.scale %us, 0.015625 : tensor<?xf32>
  %ube = tensor.empty(%n) : tensor<?x64xf32>
  %ub = linalg.broadcast ins(%u : tensor<?xf32>) outs(%ube : tensor<?x64xf32>) dimensions = [1]
  %d = arith.subf %x, %ub : tensor<?x64xf32>
  %q = arith.mulf %d, %d : tensor<?x64xf32>
  %mz = tensor.splat %zero[%n] : tensor<?xf32>
  %ms = linalg.reduce { arith.addf } ins(%q : tensor<?x64xf32>) outs(%mz : tensor<?xf32>) dimensions = [1]
  %m = lm.scale %ms, 0.03125 : tensor<?xf32>
  %vc = tensor.splat %epsilon[%n] : tensor<?xf32>
  %v = arith.addf %m, %vc : tensor<?xf32>
  %r = math.sqrt %v : tensor<?xf32>
  %rbe = tensor.empty(%n) : tensor<?x64xf32>
  %rb = linalg.broadcast ins(%r : tensor<?xf32>) outs(%rbe : tensor<?x64xf32>) dimensions = [1]
  %t = arith.divf %d, %rb : tensor<?x64xf32>
  %w = lm.get_weight @g : tensor<64xf32>
  %wbe = tensor.empty(%n) : tensor<?x64xf32>
  %wb = linalg.broadcast ins(%w : tensor<64xf32>) outs(%wbe : tensor<?x64xf32>) dimensions = [0]
  %p = arith.mulf %t, %wb : tensor<?x64xf32>
  %b = lm.get_weight @b : tensor<64xf32>
  %y = lm.bias_add %p, %b : tensor<?x64xf32>, tensor<64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @mean_of_products(
func.func @mean_of_products(%x: tensor<?x64xf32>, %z: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %epsilon = arith.constant 1.0e-5 : f32
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  // CHECK-NOT: lm.rms_norm
  // CHECK: return
  %q = arith.mulf %x, %z : tensor<?x64xf32>
  %mz = tensor.splat %zero[%n] : tensor<?xf32>
  %ms = linalg.reduce { arith.addf } ins(%q : tensor<?x64xf32>) outs(%mz : tensor<?xf32>) dimensions = [1]
  %m = lm.scale %ms, 0.015625 : tensor<?xf32>
  %vc = tensor.splat %epsilon[%n] : tensor<?xf32>
  %v = arith.addf %m, %vc : tensor<?xf32>
  %r = math.rsqrt %v : tensor<?xf32>
  %rbe = tensor.empty(%n) : tensor<?x64xf32>
  %rb = linalg.broadcast ins(%r : tensor<?xf32>) outs(%rbe : tensor<?x64xf32>) dimensions = [1]
  %d = arith.mulf %x, %rb : tensor<?x64xf32>
  %w = lm.get_weight @g : tensor<64xf32>
  %wbe = tensor.empty(%n) : tensor<?x64xf32>
  %wb = linalg.broadcast ins(%w : tensor<64xf32>) outs(%wbe : tensor<?x64xf32>) dimensions = [0]
  %y = arith.mulf %d, %wb : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @norm_of_another_row(
func.func @norm_of_another_row(%x: tensor<?x64xf32>, %z: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %epsilon = arith.constant 1.0e-5 : f32
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  // CHECK-NOT: lm.rms_norm
  // CHECK: return
  %q = arith.mulf %x, %x : tensor<?x64xf32>
  %mz = tensor.splat %zero[%n] : tensor<?xf32>
  %ms = linalg.reduce { arith.addf } ins(%q : tensor<?x64xf32>) outs(%mz : tensor<?xf32>) dimensions = [1]
  %m = lm.scale %ms, 0.015625 : tensor<?xf32>
  %vc = tensor.splat %epsilon[%n] : tensor<?xf32>
  %v = arith.addf %m, %vc : tensor<?xf32>
  %r = math.rsqrt %v : tensor<?xf32>
  %rbe = tensor.empty(%n) : tensor<?x64xf32>
  %rb = linalg.broadcast ins(%r : tensor<?xf32>) outs(%rbe : tensor<?x64xf32>) dimensions = [1]
  %d = arith.mulf %z, %rb : tensor<?x64xf32>
  %w = lm.get_weight @g : tensor<64xf32>
  %wbe = tensor.empty(%n) : tensor<?x64xf32>
  %wb = linalg.broadcast ins(%w : tensor<64xf32>) outs(%wbe : tensor<?x64xf32>) dimensions = [0]
  %y = arith.mulf %d, %wb : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @weight_by_token(
func.func @weight_by_token(%x: tensor<?x64xf32>, %z: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %epsilon = arith.constant 1.0e-5 : f32
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  // CHECK-NOT: lm.rms_norm
  // CHECK: return
  %q = arith.mulf %x, %x : tensor<?x64xf32>
  %mz = tensor.splat %zero[%n] : tensor<?xf32>
  %ms = linalg.reduce { arith.addf } ins(%q : tensor<?x64xf32>) outs(%mz : tensor<?xf32>) dimensions = [1]
  %m = lm.scale %ms, 0.015625 : tensor<?xf32>
  %vc = tensor.splat %epsilon[%n] : tensor<?xf32>
  %v = arith.addf %m, %vc : tensor<?xf32>
  %r = math.rsqrt %v : tensor<?xf32>
  %rbe = tensor.empty(%n) : tensor<?x64xf32>
  %rb = linalg.broadcast ins(%r : tensor<?xf32>) outs(%rbe : tensor<?x64xf32>) dimensions = [1]
  %d = arith.mulf %x, %rb : tensor<?x64xf32>
  %y = arith.mulf %d, %z : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
