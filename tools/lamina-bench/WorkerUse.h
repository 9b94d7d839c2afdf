//===- WorkerUse.h - what each worker did during a test -------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_WORKERUSE_H
#define LAMINA_TOOLS_LAMINA_BENCH_WORKERUSE_H

#include "runtime/generate/EngineRunner.h"
#include "runtime/io/plan.pb.h"

#include <string>
#include <vector>

namespace lamina::bench {

/// One worker over the timed steps of a test. Rates are per token computed, or per step.
struct WorkerUse {
  std::string name;
  std::string deviceClass;
  double busyShare = 0; ///< of the time inside steps: computing and copying, not waiting for a peer
  double bytesSentPerToken = 0;
  double bytesReceivedPerToken = 0;
  double communicationNsPerStep = 0; ///< in which transfers alone kept it from computing
  double bytesReadPerStep = 0;       ///< weights, and keys and values
  double bandwidth = 0;              ///< bytes read over busy time, in bytes per second
  bool onGpu = false;                ///< there busy includes waiting for a peer
};

/// Whether the plan puts the worker on a GPU.
bool runsOnGpu(const plan::Plan &plan, const plan::Worker &worker);

/// Whether a dispatch reads keys and values that are cached.
bool isAttention(const plan::Worker &worker, const plan::Dispatch &dispatch);

/// What one launch must read: every weight that it multiplies with, but not rows that it looks up in the
/// embedding table; and attention the cache of sequences that are `context` tokens long in all. Of experts
/// all count, routed to or not.
double launchBytes(const plan::Worker &worker, const plan::Dispatch &dispatch, int64_t context);

/// What must come from memory in a step, by the plan: the weights of every launch, and the cache of every
/// sequence up to its last token once.
class Traffic {
public:
  explicit Traffic(const plan::Plan &plan);

  /// Bytes that a worker reads in a step, whose sequences are `context` tokens long in all.
  double bytesRead(size_t worker, int64_t context, int64_t outputRows) const;

private:
  struct PerWorker {
    double weights = 0;       ///< in every step
    double outputWeights = 0; ///< in steps with logits
    double cachePerToken = 0;
  };
  std::vector<PerWorker> workers_;
};

/// Adds up what the steps of a test read, and the engine's own sums over them.
class UseMeter {
public:
  UseMeter(const plan::Plan &plan, const Engine &engine, const EngineRunner &runner);

  /// Steps from here on to stop() count.
  void start();
  /// A step with sequences of `context` tokens in all.
  void step(int64_t context, int64_t outputRows);
  void stop();

  std::vector<WorkerUse> uses() const;

private:
  struct Sums {
    double bytesRead = 0, sent = 0, received = 0, busyNs = 0, communicationNs = 0;
  };
  /// The engine's counters, times `sign`.
  void count(int sign);

  const plan::Plan &plan_;
  const Engine &engine_;
  const EngineRunner &runner_;
  const Traffic traffic_;
  std::vector<Sums> workers_;
  double steps_ = 0, tokens_ = 0, wallNs_ = 0;
};

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_WORKERUSE_H
