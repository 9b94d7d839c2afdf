//===- Probe.h - what this machine can do ---------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_PROBE_H
#define LAMINA_TOOLS_LAMINA_BENCH_PROBE_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <string>

namespace lamina::bench {

/// Bytes per second that `threads` threads read together from memory far larger than the caches; the best of
/// a few passes.
absl::StatusOr<double> readBandwidth(int threads);

struct TransportFigures {
  double roundTripSeconds = 0; ///< median of a row sent to another process and one that it answers with
  double bandwidth = 0;        ///< bytes per second in one direction, large messages
};

/// Between two processes with `threads` threads each over the engine's shared memory transport, as between its
/// workers. To be called while the calling process has one thread: it forks.
absl::StatusOr<TransportFigures> probeTransport(int threads);

/// Rates are per second.
struct ProbeFigures {
  int threads = 0; ///< of the figures for all threads
  double bandwidthOne = 0, bandwidthAll = 0;
  std::string floatKernel, integerKernel; ///< which instructions: "avx512f fma", "avx512vnni dpbusd"
  double flopsOne = 0, flopsAll = 0;      ///< f32; a multiply-add counts as two
  double intOpsOne = 0, intOpsAll = 0;    ///< 8-bit integers; a multiply-add counts as two
  TransportFigures transportOne, transportAll;
  uint64_t memoryBytes = 0;
};

absl::StatusOr<ProbeFigures> probeMachine(int threads);

/// A Markdown table.
std::string probeTable(const ProbeFigures &figures);

/// A cluster file (docs/formats/cluster.md) of a compute and a memory class on this machine.
std::string clusterText(const ProbeFigures &figures);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_PROBE_H
