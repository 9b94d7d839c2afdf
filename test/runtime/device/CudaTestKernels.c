/* Simulated CUDA kernels for the tests of devices, obeying runtime/device/CudaKernelABI.h. */
#include "runtime/device/CudaKernelABI.h"
#include "runtime/device/KernelABI.h"

#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

/* input, output: output[i] = 2 · input[i] + tokens; block i has the element i */
EXPORT const int32_t test_double_parameters = 3;
EXPORT void test_double(void *const *parameters) {
  const int32_t *input = parameters[0];
  int32_t *output = parameters[1];
  const LaminaStep *step = parameters[2];
  int32_t i = lamina_sim_block_id();
  if (lamina_sim_thread_id() == 0)
    output[i] = 2 * input[i] + (int32_t)step->tokens;
}

/* output: the sum of the block's thread numbers, through shared memory */
EXPORT const int32_t test_sum_parameters = 2;
EXPORT void test_sum(void *const *parameters) {
  int32_t *output = parameters[0], *shared = lamina_sim_shared(), thread = lamina_sim_thread_id();
  shared[thread] = thread;
  for (int32_t half = 32; half > 0; half /= 2) {
    lamina_sim_barrier();
    if (thread < half)
      shared[thread] += shared[thread + half];
  }
  if (thread == 0)
    output[lamina_sim_block_id()] = shared[0];
}

/* input, output, stale: output = input + 1; stale is whether the input was another one before the wait */
EXPORT const int32_t test_early_parameters = 4;
EXPORT const int32_t test_early_waits = 1;
EXPORT void test_early(void *const *parameters) {
  const volatile int32_t *input = parameters[0];
  int32_t *output = parameters[1], *stale = parameters[2], before = *input;
  lamina_sim_grid_wait();
  if (lamina_sim_thread_id() == 0) {
    *output = *input + 1;
    *stale = *input != before;
  }
}

/* output: writes where nothing is */
EXPORT const int32_t test_fault_parameters = 2;
EXPORT void test_fault(void *const *parameters) {
  (void)parameters;
  *(volatile int32_t *)NULL = 1;
}
