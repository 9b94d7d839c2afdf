//===- CudaProbe.h - what this machine's GPU can do -----------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBE_H
#define LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBE_H

#include "runtime/base/Status.h"

#include <string>

namespace lamina::bench {

/// Rates are bytes per second; 0: not measured.
struct CudaFigures {
  char name[96] = "";
  int capability = 0;                  ///< 90 for sm_90
  double copy = 0;                     ///< within its memory, counting reads and writes
  double read = 0;                     ///< by a kernel that reads 16 bytes at a time
  double products = 0;                 ///< operations on bf16 of tensor cores; a multiply-add counts as two
  double toDevice = 0, fromDevice = 0; ///< from and to pinned memory of the host
  double launchSeconds = 0;            ///< an empty kernel after another, launched one by one
  double replaySeconds = 0;            ///< the same, recorded once
  double overlapSeconds = 0;           ///< the same of kernels that may begin before the one in front is done
  char missing[256] =
      ""; ///< what went wrong first, or that it did not end; what the GPU cannot do is 0 without
};

enum class CudaParts { All, Bandwidth };

/// Measures GPU 0 in a process of its own, so that this one can still fork workers that use it. What fails, and
/// what the GPU does not finish in time, is 0; an error if nothing was measured.
absl::StatusOr<CudaFigures> probeCuda(CudaParts parts, int patienceMilliseconds = 20000);

/// A Markdown table.
std::string cudaTable(const CudaFigures &figures);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_CUDAPROBE_H
