// RUN: lamina-opt %s -split-input-file --mpmd-overlap-attention | FileCheck %s

!act = tensor<?x32xf32>
!on_compute = !mpmd.placed<tensor<?x32xf32>, @compute>
!on_memory = !mpmd.placed<tensor<?x32xf32>, @memory>
!cache = !mpmd.placed<!lm.kv_cache<2 x 16 x 16, f16>, @memory>

mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cuda
  mpmd.device_class @memory : memory on cpu
}

// The query's ranges that are cached come first, from the cache as it was; the places are repeated.
// CHECK-LABEL: func.func @overlaps(
// CHECK-SAME: %[[BATCH:[^:]*]]: !lm.batch, %[[CACHE:[^:]*]]: !mpmd.placed<!lm.kv_cache
// CHECK: %[[Q:.*]] = mpmd.transfer %{{.*}}
// CHECK: %[[E:.*]] = mpmd.fragment @memory "attention0.cached"(%[[QI:.*]] = %[[Q]], %[[CI:.*]] = %[[CACHE]], %[[BI:.*]] = %[[BATCH]])
// CHECK-NEXT: %[[P:.*]] = lm.batch_field %[[BI]], positions
// CHECK-NEXT: %[[S:.*]] = lm.batch_field %[[BI]], sequences
// CHECK-NEXT: %[[T:.*]] = lm.batch_field %[[BI]], block_table
// CHECK-NEXT: %[[X:.*]] = lm.online_attention %[[QI]], %[[CI]] at %[[P]], %[[S]], %[[T]] {cached_only,
// CHECK-NEXT: mpmd.return %[[X]]
// CHECK: mpmd.fragment @compute "slice0.kv"
// CHECK: mpmd.fragment @memory "attention0"({{.*}}, %[[EI:.*]] = %[[E]])
// CHECK: %[[D:.*]] = lm.cache_append
// CHECK: lm.online_attention %{{.*}}, %[[D]] at %{{.*}}, %{{.*}}, %{{.*}} after %[[EI]] : tensor<?x48xf32> {range
func.func @overlaps(%batch: !lm.batch, %cache: !cache, %x: !on_compute) -> !on_memory {
  %q = mpmd.transfer %x : (!on_compute) -> !on_memory
  %kv:2 = mpmd.fragment @compute "slice0.kv"(%a = %x) : (!on_compute) -> (!on_compute, !on_compute) {
    %k = lm.scale %a, 2.0 : !act
    %v = lm.scale %a, 3.0 : !act
    mpmd.return %k, %v : !act, !act
  }
  %k, %v = mpmd.transfer %kv#0, %kv#1 : (!on_compute, !on_compute) -> (!on_memory, !on_memory)
  %o = mpmd.fragment @memory "attention0"(%b = %batch, %c = %cache, %ka = %k, %va = %v, %qa = %q)
      : (!lm.batch, !cache, !on_memory, !on_memory, !on_memory) -> (!on_memory) {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %s = lm.batch_field %b, sequences : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %d = lm.cache_append %c, %ka, %va at %p, %s, %t : !lm.kv_cache<2 x 16 x 16, f16>, !act, !act, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %y = lm.online_attention %qa, %d at %p, %s, %t {scale = 0.25 : f32, range = 512, ranges = 8, split_tokens = 8} : !act, !lm.kv_cache<2 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x48xf32>
    %z = lm.attention_combine %y at %p {heads = 2, range = 512, ranges = 8, split_tokens = 8} : (tensor<?x48xf32>, tensor<?xi32>) -> !act
    mpmd.return %z : !act
  }
  return %o : !on_memory
}

// One range: nothing of it is ever cached.
// CHECK-LABEL: func.func @one_range(
// CHECK-NOT: cached
func.func @one_range(%batch: !lm.batch, %cache: !cache, %x: !on_compute) -> !on_memory {
  %q = mpmd.transfer %x : (!on_compute) -> !on_memory
  %k = mpmd.transfer %x : (!on_compute) -> !on_memory
  %o = mpmd.fragment @memory "attention0"(%b = %batch, %c = %cache, %ka = %k, %qa = %q) : (!lm.batch, !cache, !on_memory, !on_memory) -> (!on_memory) {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %d = lm.cache_append %c, %ka, %ka at %p, %p, %t : !lm.kv_cache<2 x 16 x 16, f16>, !act, !act, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %y = lm.online_attention %qa, %d at %p, %p, %t {scale = 0.25 : f32, range = 512, ranges = 1, split_tokens = 0} : !act, !lm.kv_cache<2 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x48xf32>
    %z = lm.attention_combine %y at %p {heads = 2, range = 512, ranges = 1, split_tokens = 0} : (tensor<?x48xf32>, tensor<?xi32>) -> !act
    mpmd.return %z : !act
  }
  return %o : !on_memory
}

// All arrive together: there is nothing to wait for.
// CHECK-LABEL: func.func @together(
// CHECK-NOT: cached
func.func @together(%batch: !lm.batch, %cache: !cache, %x: !on_compute) -> !on_memory {
  %q, %k = mpmd.transfer %x, %x : (!on_compute, !on_compute) -> (!on_memory, !on_memory)
  %o = mpmd.fragment @memory "attention0"(%b = %batch, %c = %cache, %ka = %k, %qa = %q) : (!lm.batch, !cache, !on_memory, !on_memory) -> (!on_memory) {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %d = lm.cache_append %c, %ka, %ka at %p, %p, %t : !lm.kv_cache<2 x 16 x 16, f16>, !act, !act, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %y = lm.online_attention %qa, %d at %p, %p, %t {scale = 0.25 : f32, range = 512, ranges = 8, split_tokens = 8} : !act, !lm.kv_cache<2 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x48xf32>
    %z = lm.attention_combine %y at %p {heads = 2, range = 512, ranges = 8, split_tokens = 8} : (tensor<?x48xf32>, tensor<?xi32>) -> !act
    mpmd.return %z : !act
  }
  return %o : !on_memory
}

// The cache is another one's result: what is in it when the query comes is not what was cached before the step.
// CHECK-LABEL: func.func @cache_of_another(
// CHECK-NOT: cached
func.func @cache_of_another(%batch: !lm.batch, %before: !cache, %x: !on_compute) -> !on_memory {
  %cache = mpmd.fragment @memory "earlier"(%c = %before) : (!cache) -> (!cache) {
    mpmd.return %c : !lm.kv_cache<2 x 16 x 16, f16>
  }
  %q = mpmd.transfer %x : (!on_compute) -> !on_memory
  %k = mpmd.transfer %x : (!on_compute) -> !on_memory
  %o = mpmd.fragment @memory "attention0"(%b = %batch, %c = %cache, %ka = %k, %qa = %q) : (!lm.batch, !cache, !on_memory, !on_memory) -> (!on_memory) {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %d = lm.cache_append %c, %ka, %ka at %p, %p, %t : !lm.kv_cache<2 x 16 x 16, f16>, !act, !act, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %y = lm.online_attention %qa, %d at %p, %p, %t {scale = 0.25 : f32, range = 512, ranges = 8, split_tokens = 8} : !act, !lm.kv_cache<2 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x48xf32>
    %z = lm.attention_combine %y at %p {heads = 2, range = 512, ranges = 8, split_tokens = 8} : (tensor<?x48xf32>, tensor<?xi32>) -> !act
    mpmd.return %z : !act
  }
  return %o : !on_memory
}

// -----

// Two workers on one machine's processors share these.
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cpu
  mpmd.device_class @memory : memory on cpu
}

// CHECK-LABEL: func.func @two_processors(
// CHECK-NOT: cached
func.func @two_processors(%batch: !lm.batch, %cache: !mpmd.placed<!lm.kv_cache<2 x 16 x 16, f16>, @memory>, %x: !mpmd.placed<tensor<?x32xf32>, @compute>) -> !mpmd.placed<tensor<?x32xf32>, @memory> {
  %q = mpmd.transfer %x : (!mpmd.placed<tensor<?x32xf32>, @compute>) -> !mpmd.placed<tensor<?x32xf32>, @memory>
  %k = mpmd.transfer %x : (!mpmd.placed<tensor<?x32xf32>, @compute>) -> !mpmd.placed<tensor<?x32xf32>, @memory>
  %o = mpmd.fragment @memory "attention0"(%b = %batch, %c = %cache, %ka = %k, %qa = %q) : (!lm.batch, !mpmd.placed<!lm.kv_cache<2 x 16 x 16, f16>, @memory>, !mpmd.placed<tensor<?x32xf32>, @memory>, !mpmd.placed<tensor<?x32xf32>, @memory>) -> (!mpmd.placed<tensor<?x32xf32>, @memory>) {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %d = lm.cache_append %c, %ka, %ka at %p, %p, %t : !lm.kv_cache<2 x 16 x 16, f16>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %y = lm.online_attention %qa, %d at %p, %p, %t {scale = 0.25 : f32, range = 512, ranges = 8, split_tokens = 8} : tensor<?x32xf32>, !lm.kv_cache<2 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x48xf32>
    %z = lm.attention_combine %y at %p {heads = 2, range = 512, ranges = 8, split_tokens = 8} : (tensor<?x48xf32>, tensor<?xi32>) -> tensor<?x32xf32>
    mpmd.return %z : tensor<?x32xf32>
  }
  return %o : !mpmd.placed<tensor<?x32xf32>, @memory>
}

// -----

// Two GPUs, or two workers on one, whose kernels go side by side.
mpmd.topology @cluster {
  mpmd.device_class @compute : compute on cuda
  mpmd.device_class @memory : memory on cuda
}

// CHECK-LABEL: func.func @two_gpus(
// CHECK: mpmd.transfer
// CHECK-NEXT: mpmd.fragment @memory "attention0.cached"
// CHECK: lm.online_attention {{.*}} after %
func.func @two_gpus(%batch: !lm.batch, %cache: !mpmd.placed<!lm.kv_cache<2 x 16 x 16, f16>, @memory>, %x: !mpmd.placed<tensor<?x32xf32>, @compute>) -> !mpmd.placed<tensor<?x32xf32>, @memory> {
  %q = mpmd.transfer %x : (!mpmd.placed<tensor<?x32xf32>, @compute>) -> !mpmd.placed<tensor<?x32xf32>, @memory>
  %k = mpmd.transfer %x : (!mpmd.placed<tensor<?x32xf32>, @compute>) -> !mpmd.placed<tensor<?x32xf32>, @memory>
  %o = mpmd.fragment @memory "attention0"(%b = %batch, %c = %cache, %ka = %k, %qa = %q) : (!lm.batch, !mpmd.placed<!lm.kv_cache<2 x 16 x 16, f16>, @memory>, !mpmd.placed<tensor<?x32xf32>, @memory>, !mpmd.placed<tensor<?x32xf32>, @memory>) -> (!mpmd.placed<tensor<?x32xf32>, @memory>) {
    %p = lm.batch_field %b, positions : tensor<?xi32>
    %t = lm.batch_field %b, block_table : tensor<?x?xi32>
    %d = lm.cache_append %c, %ka, %ka at %p, %p, %t : !lm.kv_cache<2 x 16 x 16, f16>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>
    %y = lm.online_attention %qa, %d at %p, %p, %t {scale = 0.25 : f32, range = 512, ranges = 8, split_tokens = 8} : tensor<?x32xf32>, !lm.kv_cache<2 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x48xf32>
    %z = lm.attention_combine %y at %p {heads = 2, range = 512, ranges = 8, split_tokens = 8} : (tensor<?x48xf32>, tensor<?xi32>) -> tensor<?x32xf32>
    mpmd.return %z : tensor<?x32xf32>
  }
  return %o : !mpmd.placed<tensor<?x32xf32>, @memory>
}
