//===- CudaProbeKernels.h - PTX that shows what a GPU can do --------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBEKERNELS_H
#define LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBEKERNELS_H

#include <string>
#include <vector>

namespace lamina::bench {

/// `empty(unused)`, and `read(data, rounds, sink)`: each thread reads `rounds` times four vectors of 16
/// bytes, a grid apart. Every driver compiles it.
std::string cudaProbeKernels();
/// "waiting", for sm_90 and newer: waits for the launches before it, lets the next one begin, and is done.
std::string waitingKernel();

/// `multiply(rounds, sink)`: products of tiles of bf16, which lie in registers or shared memory.
struct ProductKernel {
  std::string ptx;
  int capability; ///< of the first GPUs that have its instructions: 80 for sm_80
  bool exact;     ///< later ones do not
  unsigned threads, blocksPerProcessor;
  double operationsPerRound; ///< of a block; a multiply-add counts as two
};
std::vector<ProductKernel> productKernels();

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBEKERNELS_H
