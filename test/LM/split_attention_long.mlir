// More slots than rows: some lie side by side.
// RUN: lamina-opt %s --lm-split-attention="max-batch-tokens=64 max-context=8192" | FileCheck %s

// CHECK: ranges = 16 : i64, {{.*}} split_tokens = 8 : i64} {{.*}} -> tensor<?x64xf32>
func.func @step(%q: tensor<?x16xf32>, %c: !lm.kv_cache<1 x 16 x 16, f16>, %p: tensor<?xi32>, %t: tensor<?x?xi32>) -> tensor<?x16xf32> {
  %o = lm.attention %q, %c at %p, %p, %t {scale = 0.25 : f32} : tensor<?x16xf32>, !lm.kv_cache<1 x 16 x 16, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x16xf32>
  return %o : tensor<?x16xf32>
}
