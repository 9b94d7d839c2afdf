//===- CudaProbeKernels.h - PTX that shows what a GPU can do --------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBEKERNELS_H
#define LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBEKERNELS_H

#include <string>
#include <vector>

namespace lamina::bench {

/// `empty(unused)`, and `read(data, rounds, sink)`: each thread reads `rounds` times four vectors of 16
/// bytes, a grid apart. Every driver compiles it.
std::string cudaProbeKernels();

/// `multiply(rounds, sink)`: products of tiles of bf16, which lie in registers or shared memory.
struct ProductKernel {
  std::string ptx;
  int capability; ///< of the GPUs that have its instructions: 90 for sm_90
  unsigned threads, blocksPerProcessor;
  double operationsPerRound; ///< of a block; a multiply-add counts as two
};
std::vector<ProductKernel> productKernels();

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBEKERNELS_H
