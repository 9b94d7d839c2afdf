//===- ProbeKernels.h - loops that do nothing but read or multiply --------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_PROBEKERNELS_H
#define LAMINA_TOOLS_LAMINA_BENCH_PROBEKERNELS_H

#include <cstddef>
#include <cstdint>

namespace lamina::bench {

/// Runs `rounds` rounds of independent multiply-adds in registers and returns how many operations that was
/// (a multiply-add is two).
struct ArithmeticKernel {
  const char *name;
  double (*run)(int64_t rounds);
};

/// The widest that this processor has.
ArithmeticKernel floatKernel();   ///< f32
ArithmeticKernel integerKernel(); ///< 8-bit integers, summed in 32 bits

/// Reads every byte; the result depends on all of them. `bytes` is a multiple of 256.
uint64_t readBytes(const std::byte *data, size_t bytes);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_PROBEKERNELS_H
