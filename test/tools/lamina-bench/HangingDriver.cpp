//===- HangingDriver.cpp - a CUDA driver whose every function waits for ever --------------------------===//

#include "runtime/device/cuda/DriverTypes.h"

#include <unistd.h>

using namespace lamina::cuda;

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define LAMINA_CUDA_FUNCTION(name, symbol, ...)                                                              \
  extern "C" __attribute__((visibility("default"))) CUresult symbol(__VA_ARGS__) {                           \
    while (true)                                                                                             \
      pause();                                                                                               \
  }
#include "runtime/device/cuda/DriverFunctions.def"
#undef LAMINA_CUDA_FUNCTION
