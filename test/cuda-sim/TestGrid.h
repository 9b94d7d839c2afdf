//===- TestGrid.h - grids of the simulator's own tests --------------------------------------*- C++ -*-===//

#ifndef LAMINA_TEST_CUDASIM_TESTGRID_H
#define LAMINA_TEST_CUDASIM_TESTGRID_H

#include "FiberBlock.h"

namespace lamina::cudasim {

/// Runs `kernel` with `result` as its one parameter.
inline void run(LaminaSimulatedKernel kernel, void *result, int32_t blocks, int32_t threads,
                uint32_t sharedBytes = 0) {
  void *parameters[] = {result};
  runGrid({"test", kernel, parameters, blocks, threads, sharedBytes});
}

inline int32_t thread() { return lamina_sim_thread_id(); }

} // namespace lamina::cudasim

#endif // LAMINA_TEST_CUDASIM_TESTGRID_H
