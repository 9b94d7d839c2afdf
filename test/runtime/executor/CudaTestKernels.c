/* TestKernels.c in the simulated form of CUDA kernels: the first thread of block i does workgroup i. All may begin early. */
#define test_project cpu_project
#define test_append cpu_append
#define test_attend cpu_attend
#define test_head_one cpu_head_one
#define test_head_any cpu_head_any
#define test_top cpu_top
#include "TestKernels.c"
#undef test_project
#undef test_append
#undef test_attend
#undef test_head_one
#undef test_head_any
#undef test_top

#include "runtime/device/CudaKernelABI.h"

#define KERNEL(name, bindings, rows)                                                                          \
  EXPORT const int32_t test_##name##_parameters = bindings + 1;                                               \
  EXPORT const int32_t test_##name##_waits = 1;                                                               \
  EXPORT void test_##name(void *const *parameters) {                                                          \
    const LaminaStep *step = parameters[bindings];                                                            \
    int64_t block = lamina_sim_block_id();                                                                    \
    lamina_sim_grid_wait();                                                                                   \
    if (block < step->rows && lamina_sim_thread_id() == 0)                                                    \
      cpu_##name(parameters, step, block, block + 1);                                                         \
  }

KERNEL(project, 5, tokens)
KERNEL(append, 6, tokens)
KERNEL(attend, 7, tokens)
KERNEL(head_one, 3, outputRows)
KERNEL(head_any, 3, outputRows)
KERNEL(top, 3, outputRows)
