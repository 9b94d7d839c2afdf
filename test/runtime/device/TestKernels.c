/* One kernel for CpuDeviceTest.cpp: output[i] = 2 · input[i] + tokens. */
#include "runtime/device/KernelABI.h"

__attribute__((visibility("default"))) void test_double(void *const *bindings, const LaminaStep *step,
                                                        int64_t begin, int64_t end) {
  const int32_t *input = bindings[0];
  int32_t *output = bindings[1];
  for (int64_t i = begin; i < end; ++i)
    output[i] = 2 * input[i] + (int32_t)step->tokens;
}
