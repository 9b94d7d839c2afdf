//===- Environment.h - what all tests of a run have in common -------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_ENVIRONMENT_H
#define LAMINA_TOOLS_LAMINA_BENCH_ENVIRONMENT_H

#include "runtime/io/plan.pb.h"
#include "tools/lamina-bench/Options.h"

#include <cstdint>
#include <string>

namespace lamina::bench {

struct Environment {
  std::string modelFile;
  std::string modelType;   ///< "llama 1.10B Q4_0"
  uint64_t modelBytes = 0; ///< of weights, over all workers
  uint64_t parameters = 0;
  int64_t batchTokens = 0; ///< of a step
  int64_t cacheTokens = 0;
  std::string cacheType; ///< of keys and values: "f16"
  int threads = 0;       ///< of each worker
  std::string cpu;
  uint64_t loadNs = 0;       ///< from the start of the process until the workers were ready
  uint64_t firstTokenNs = 0; ///< and until the logits of a first prompt of `firstPrompt` tokens
  int64_t firstPrompt = 0;
  double readBandwidth = 0; ///< bytes per second, measured with the same threads
  std::string gpu;          ///< GPU 0's name, if a worker has a GPU
  double gpuBandwidth = 0;  ///< of GPU 0

  /// What llama-bench calls it.
  const char *backend() const { return gpu.empty() ? "CPU" : "CUDA"; }
};

/// Share of the bandwidth of its device that a worker made use of; 0 if that was not measured.
double bandwidthShare(const Environment &environment, bool onGpu, double bandwidth);

/// What follows from the model.
Environment describe(const std::string &modelFile, const plan::Plan &plan, int threads);

/// The processor's name: "AMD EPYC 9654".
std::string cpuName();

/// Now, as RFC 3339 has it: "2026-11-22T19:00:00Z".
std::string timeText();

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_ENVIRONMENT_H
