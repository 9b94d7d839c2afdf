//===- CudaProbe.h - what this machine's GPU can do -----------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBE_H
#define LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBE_H

#include "runtime/base/Status.h"

#include <string>

namespace lamina::bench {

/// Rates are bytes per second. What needs a kernel is 0 where the driver compiles none.
struct CudaFigures {
  char name[96] = "";
  int capability = 0;                  ///< 90 for sm_90
  double copy = 0;                     ///< within its memory, counting reads and writes
  double read = 0;                     ///< by a kernel that reads 16 bytes at a time
  double products = 0;                 ///< operations on bf16 of tensor cores; a multiply-add counts as two
  double toDevice = 0, fromDevice = 0; ///< from and to pinned memory of the host
  double launchSeconds = 0;            ///< an empty kernel after another, launched one by one
  double replaySeconds = 0;            ///< the same, recorded once
};

/// Measures GPU 0 in a process of its own, so that this one can still fork workers that use it.
absl::StatusOr<CudaFigures> probeCuda();

/// A Markdown table.
std::string cudaTable(const CudaFigures &figures);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBE_H
