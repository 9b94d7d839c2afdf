//===- FiberBlock.h - runs the simulated form of a CUDA kernel ------------------------------*- C++ -*-===//
//
// The blocks of a grid run one after another, the threads of a block as fibers of the calling thread, so that
// barriers and shuffles mean what they mean on a GPU. What a GPU would hang on or compute garbage from aborts
// with a message that names kernel, block and threads: a barrier that not every thread reaches, a shuffle or
// a product of tiles that not every lane of the warp calls, a thread that returns without the wait that its
// kernel promised. To show a missing barrier, threads run forwards and backwards by turns, from block to
// block and from grid to grid; shared memory begins as NaNs and ends at an inaccessible page.
//
// Defines the functions of runtime/device/CudaKernelABI.h for objects that are loaded into the process.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_CUDASIM_FIBERBLOCK_H
#define LAMINA_TEST_CUDASIM_FIBERBLOCK_H

#include "runtime/device/CudaKernelABI.h"

#include <cstdint>

namespace lamina::cudasim {

struct Grid {
  const char *name; ///< of the kernel, for messages
  LaminaSimulatedKernel kernel;
  void *const *parameters;
  int32_t blocks;
  int32_t threads;      ///< of a block: a multiple of LAMINA_CUDA_WARP, at most LAMINA_CUDA_MAX_BLOCK
  uint32_t sharedBytes; ///< at most LAMINA_CUDA_MAX_SHARED
  bool waits = false;   ///< every thread waits for the grids before
};

class BlockRunner;

/// A grid that may begin before those in front of it are done. Any thread may run grids, each its own; both
/// functions may be left by a long jump out of a kernel, and nothing more be called then.
class GridRun {
public:
  explicit GridRun(const Grid &grid);
  ~GridRun();

  /// Runs one of the blocks as far as it gets before the grids in front of it are done.
  void begin(int32_t block);
  /// Runs the rest of it.
  void finish();

private:
  Grid grid_;
  BlockRunner *runner_; // of the calling thread
  int32_t begun_ = -1;
};

/// Runs all of it.
void runGrid(const Grid &grid);

} // namespace lamina::cudasim

#endif // LAMINA_TEST_CUDASIM_FIBERBLOCK_H
