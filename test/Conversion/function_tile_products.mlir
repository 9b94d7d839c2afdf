// RUN: lamina-opt %s --function-tile-products --function-to-loops | FileCheck %s
// RUN: lamina-opt %s --function-tile-products | FileCheck %s --check-prefix=STAY

// 18 columns are two tiles, 300 are two stretches of k, 14 rows are two tiles of six and one of two.
// CHECK-LABEL: func.func @product(
// CHECK-SAME:      %[[A:.*]]: memref<14x300xf32>, %[[B:.*]]: memref<300x18xf32>, %[[C:.*]]: memref<14x18xf32>)
// CHECK-DAG:     %[[C16:.*]] = arith.constant 16 : index
// CHECK-DAG:     %[[C256:.*]] = arith.constant 256 : index
// CHECK:         scf.parallel (%[[TILE:.*]]) = (%c0) to (%c2) step (%c1) {
// CHECK:           %[[FIRST:.*]] = arith.muli %[[TILE]], %[[C16]]
// CHECK:           %[[MASK:.*]] = vector.create_mask
// CHECK:           %[[PANEL:.*]] = memref.alloca() {alignment = 64 : i64} : memref<256x16xf32>
// CHECK:           scf.for %[[K0:.*]] = %c0 to %c300 step %[[C256]] {
// CHECK:             %[[DEPTH:.*]] = arith.minui
// CHECK:             scf.for %[[K:.*]] = %c0 to %[[DEPTH]] step %c1 {
// CHECK:               %[[BK:.*]] = arith.addi %[[K0]], %[[K]]
// CHECK:               %[[COLUMNS:.*]] = vector.maskedload %[[B]][%[[BK]], %[[FIRST]]], %[[MASK]]
// CHECK:               vector.store %[[COLUMNS]], %[[PANEL]][%[[K]], %c0]
// CHECK:             scf.for %[[M:.*]] = %c0 to %c12 step %c6 {
// CHECK:               vector.maskedload %[[C]][%[[M]], %[[FIRST]]], %[[MASK]]
// CHECK:               %[[SUMS:.*]]:6 = scf.for %[[K:.*]] = %c0 to %[[DEPTH]]
// CHECK:                 %[[ROW:.*]] = vector.load %[[PANEL]][%[[K]], %c0]
// CHECK:                 %[[AK:.*]] = arith.addi %[[K0]], %[[K]]
// CHECK:                 %[[X:.*]] = memref.load %[[A]][%[[M]], %[[AK]]]
// CHECK:                 %[[XS:.*]] = vector.broadcast %[[X]] : f32 to vector<16xf32>
// CHECK:                 arith.mulf %[[XS]], %[[ROW]] fastmath<contract>
// CHECK:               vector.maskedstore %[[C]][%[[M]], %[[FIRST]]], %[[MASK]], %[[SUMS]]#0
// CHECK:             scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>)
// CHECK-NOT:     linalg
func.func @product(%a: memref<14x300xf32>, %b: memref<300x18xf32>, %c: memref<14x18xf32>) {
  linalg.matmul ins(%a, %b : memref<14x300xf32>, memref<300x18xf32>) outs(%c : memref<14x18xf32>)
  return
}

// The columns of a transposed matrix are its rows: they are copied element by element, also for a single row.
// CHECK-LABEL: func.func @transposed(
// CHECK:         memref.load %{{.*}} : memref<18x300xf32>
// CHECK-NEXT:    memref.store %{{.*}} : memref<256x16xf32>
// CHECK:         scf.for {{.*}} -> (vector<16xf32>)
#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @transposed(%a: memref<1x300xf32>, %b: memref<18x300xf32>, %c: memref<1x18xf32>) {
  linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b : memref<1x300xf32>, memref<18x300xf32>) outs(%c : memref<1x18xf32>) {
  ^bb0(%x: f32, %y: f32, %sum: f32):
    %0 = arith.mulf %x, %y : f32
    %1 = arith.addf %sum, %0 : f32
    linalg.yield %1 : f32
  }
  return
}

// Each matrix of a batch has panels of its own; one matrix that all rows of a batch meet has them once.
// CHECK-LABEL: func.func @batch(
// CHECK:         scf.parallel ({{.*}}, {{.*}}) = (%c0, %c0) to (%c3, %c2)
func.func @batch(%a: memref<3x4x8xf32>, %b: memref<3x8x32xf32>, %c: memref<3x4x32xf32>) {
  linalg.batch_matmul ins(%a, %b : memref<3x4x8xf32>, memref<3x8x32xf32>) outs(%c : memref<3x4x32xf32>)
  return
}

// CHECK-LABEL: func.func @shared(
// CHECK:         scf.parallel ({{.*}}) = (%c0) to (%c2)
// CHECK:           vector.store
// CHECK:           scf.for %{{.*}} = %c0 to %c3 step %c1
#left = affine_map<(d, m, n, k) -> (d, m, k)>
#right = affine_map<(d, m, n, k) -> (k, n)>
#sums = affine_map<(d, m, n, k) -> (d, m, n)>
func.func @shared(%a: memref<3x4x8xf32>, %b: memref<8x32xf32>, %c: memref<3x4x32xf32>) {
  linalg.generic {indexing_maps = [#left, #right, #sums], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%a, %b : memref<3x4x8xf32>, memref<8x32xf32>) outs(%c : memref<3x4x32xf32>) {
  ^bb0(%x: f32, %y: f32, %sum: f32):
    %0 = arith.mulf %x, %y : f32
    %1 = arith.addf %sum, %0 : f32
    linalg.yield %1 : f32
  }
  return
}

// Few rows, a single tile, sizes that are not known, rows apart from each other, one loop more, other types, other arithmetic, and a scalar product stay.
// STAY-LABEL: func.func @stay(
// STAY-NOT:     memref.alloca
// STAY-COUNT-5: linalg.matmul
// STAY-COUNT-2: linalg.generic
// STAY:           arith.subf
// STAY:         linalg.dot
func.func @stay(%a: memref<3x8xf32>, %b: memref<8x32xf32>, %c: memref<3x32xf32>, %i: memref<32x32xi32>, %x: memref<8x8xf32>, %wide: memref<8x32xf32>, %tall: memref<32x8xf32>,
                %v: memref<8xf32>, %s: memref<f32>, %unknown: memref<?x32xf32>, %apart: memref<8x32xf32, strided<[64, 2]>>,
                %deep: memref<8x8x8xf32>) {
  linalg.matmul ins(%a, %b : memref<3x8xf32>, memref<8x32xf32>) outs(%c : memref<3x32xf32>)
  linalg.matmul ins(%x, %x : memref<8x8xf32>, memref<8x8xf32>) outs(%x : memref<8x8xf32>)
  linalg.matmul ins(%i, %i : memref<32x32xi32>, memref<32x32xi32>) outs(%i : memref<32x32xi32>)
  linalg.matmul ins(%x, %unknown : memref<8x8xf32>, memref<?x32xf32>) outs(%wide : memref<8x32xf32>)
  linalg.matmul ins(%x, %apart : memref<8x8xf32>, memref<8x32xf32, strided<[64, 2]>>) outs(%wide : memref<8x32xf32>)
  linalg.generic {indexing_maps = [affine_map<(m, n, k, j) -> (m, k, j)>, affine_map<(m, n, k, j) -> (n, k)>, affine_map<(m, n, k, j) -> (m, n)>],
                  iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%deep, %tall : memref<8x8x8xf32>, memref<32x8xf32>) outs(%wide : memref<8x32xf32>) {
  ^bb0(%p: f32, %q: f32, %sum: f32):
    %0 = arith.mulf %p, %q : f32
    %1 = arith.addf %sum, %0 : f32
    linalg.yield %1 : f32
  }
  linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %tall : memref<8x8xf32>, memref<32x8xf32>) outs(%wide : memref<8x32xf32>) {
  ^bb0(%p: f32, %q: f32, %sum: f32):
    %0 = arith.mulf %p, %q : f32
    %1 = arith.subf %sum, %0 : f32
    linalg.yield %1 : f32
  }
  linalg.dot ins(%v, %v : memref<8xf32>, memref<8xf32>) outs(%s : memref<f32>)
  return
}
