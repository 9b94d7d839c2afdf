//===- KernelBench.h - times the kernels of an artifact one by one --------------------------*- C++ -*-===//
//
// Every kernel runs by itself: its launches of a step one behind another, those of all layers, as often as it
// takes to be timed. A layer's weights and cache are thus read from memory and not from what was used just
// before, as far as those of all layers are larger than the caches. Nothing else of a step happens: no
// transfers, no other worker.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_KERNELBENCH_H
#define LAMINA_TOOLS_LAMINA_BENCH_KERNELBENCH_H

#include "runtime/base/Status.h"
#include "runtime/io/plan.pb.h"
#include "tools/lamina-bench/Options.h"

#include <string>
#include <vector>

namespace lamina::bench {

struct KernelResult {
  BatchedSpec spec;
  std::string worker;
  std::string kernel;
  std::string label; ///< of its first launch: "blk.0.ffn_up"
  bool onGpu = false;
  int64_t launches = 0; ///< in a step
  double seconds = 0;   ///< of all of them
  double bytesRead = 0; ///< by all of them: weights, and for attention keys and values

  double bandwidth() const { return seconds > 0 ? bytesRead / seconds : 0; }
};

/// The kernels of steps in which spec.sequences sequences have one token each, behind spec.prompt others. The
/// steps fit the limits of the plan, which is checked. In this process: it may fork no workers with GPUs
/// later.
absl::StatusOr<std::vector<KernelResult>> benchKernels(const plan::Plan &plan, const std::string &artifactDir,
                                                       const std::vector<BatchedSpec> &specs, int threads);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_KERNELBENCH_H
