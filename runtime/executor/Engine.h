//===- Engine.h - the front end's view of a running plan ------------------------------------*- C++ -*-===//
//
// An Engine turns a plan and its artifact directory into running workers and lets the front end drive them
// one step at a time:
//
//   auto engine = Engine::create(plan, "model.lamina", {});
//   BatchView &batch = (*engine)->batch();           // shared with the workers: write, then step
//   batch.tokenIds[0] = …; batch.positions[0] = …;
//   status = (*engine)->step({.tokens = 1, .outputRows = 1, .sequences = 1});
//   const float *row = (*engine)->logits(0);
//
// Each worker is a process (default), or they are in this one (`inProcess`): there one set of threads runs
// all workers on CPUs in turn, and one thread each worker on a GPU. Both run the same loop. All memory that
// workers share is anonymous and mapped before the first fork, so nothing outlives the processes, whatever
// kills them.
//
// Threads: an Engine belongs to one thread, which must outlive it (the kernel kills workers when the thread
// that forked them ends). Create it before any other thread of the process starts: workers are forked.
// Signals: workers ignore SIGINT; the front end decides what an interrupt means and destroys the Engine.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_ENGINE_H
#define LAMINA_RUNTIME_EXECUTOR_ENGINE_H

#include "runtime/base/Status.h"
#include "runtime/device/KernelABI.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lamina::plan {
class Plan;
}

namespace lamina {

struct EngineOptions {
  /// Threads that compute in each worker; 0 = one per CPU that this process may use. If that is a
  /// multiple of the number of those CPUs, thread i of each worker stays on the CPU of thread i of the others
  /// and they take turns; otherwise threads run where the system puts them.
  int threadsPerWorker = 0;
  bool inProcess = false; ///< workers are in this process, and those on CPUs have the same threads
  bool trace = false;     ///< record the begin and end of every instruction
  /// Asked now and then during a step; true ends the step and the workers with Cancelled. May be null.
  /// Workers in this process finish the instruction that they are at.
  bool (*interrupted)() = nullptr;
};

/// The arrays that describe a batch, in memory that every worker reads in place. The front end writes them
/// between steps and never during one. Sizes are the plan's limits.
struct BatchView {
  std::span<int32_t> tokenIds;   ///< [max_batch_tokens]
  std::span<int32_t> positions;  ///< [max_batch_tokens] position of the token in its sequence
  std::span<int32_t> sequences;  ///< [max_batch_tokens] sequence slot of the token
  std::span<int32_t> outputRows; ///< [max_output_rows] rows of the batch whose logits are wanted
  std::span<int32_t>
      blockTable; ///< [max_sequences × blockTableStride] page of each LAMINA_KV_PAGE_TOKENS positions
  int64_t blockTableStride = 0; ///< entries per sequence slot; belongs into LaminaStep.blockTableStride
};

/// The largest logits of a row in descending order, the lower id first of equal ones; what is no number counts as plus
/// infinity.
struct Candidates {
  std::span<const float> logits;
  std::span<const int32_t> ids;
};

/// What one step took. Reuse one object for all steps: then its vector is allocated once.
struct StepTimings {
  struct Worker {
    uint64_t busyNanoseconds = 0; ///< within the step: computing and copying
    uint64_t waitNanoseconds = 0; ///< within the step: waiting for a peer; 0 and counted as busy on a GPU
    /// Within the step: kept from computing by transfers alone (Transport::communicationNanoseconds).
    uint64_t communicationNanoseconds = 0;
  };
  uint64_t wallNanoseconds = 0; ///< from publishing the step until every worker was done
  std::vector<Worker> workers;  ///< in the plan's order
};

/// One worker, as of the last finished step.
struct WorkerInfo {
  std::string name;        ///< "memory0"
  std::string deviceClass; ///< "memory"
  std::string device;      ///< "cpu x86-64-v4, 2 threads"
  std::string note;        ///< what it could not have as it would be fastest, and why; mostly empty
  int pid = 0;             ///< of the worker's process; in process: our own
  uint64_t bytesSent = 0;  ///< payload of transfers since the start
  uint64_t bytesReceived = 0;
  double busyFraction = 0; ///< share of the time inside steps in which it did not wait
};

/// One executed instruction. Times are nanoseconds since the Engine was created, on one clock for all
/// workers.
struct TraceEvent {
  enum class Kind { Dispatch, Send, Recv, Wait, Collective };
  int worker = 0; ///< index into Engine::workers()
  Kind kind = Kind::Dispatch;
  std::string label; ///< "blk.0.ffn_up", "blk.0 q"
  uint32_t slice = 0;
  uint64_t step = 0; ///< 1 = the first step
  uint64_t beginNanoseconds = 0;
  uint64_t endNanoseconds = 0;
};

class Engine {
public:
  /// Checks the plan (see PlanCheck.h), maps the shared segments, starts the workers and returns when each
  /// has loaded its code and weights. `artifactDir` is the directory that the plan's file names are relative
  /// to. What goes wrong in a worker comes back as its own message with the worker's name in front.
  static absl::StatusOr<std::unique_ptr<Engine>> create(const plan::Plan &plan, std::string artifactDir,
                                                        const EngineOptions &options);

  /// Asks the workers to stop, waits for them, and kills those that do not answer within a second.
  ~Engine();
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;

  BatchView &batch();

  /// Runs one step over what batch() holds and returns when every worker has finished it.
  /// `step.blockTableStride` may be 0, meaning batch().blockTableStride. InvalidArgument: the step or the
  /// batch is outside the plan's limits (a token id not in the vocabulary, a page that does not exist, …);
  /// nothing ran, and the Engine stays usable. Every other error is final, and so is what later steps return:
  /// Unavailable if a worker died (name, pid, signal or exit status; noticed within a second), Cancelled if
  /// EngineOptions.interrupted said so, otherwise what a worker reported. `timings` may be null.
  absl::Status step(const LaminaStep &step, StepTimings *timings = nullptr);

  /// Row `row` (of step.outputRows) of the logits of the last step, which asked for no candidates: Model.vocab_size
  /// floats, valid until the next step. Rows are `logitsStride()` floats apart.
  const float *logits(int64_t row) const;
  int64_t logitsStride() const;
  /// The step.candidates largest of a row of the last step, valid until the next. Plans for some devices offer them
  /// (candidatesOf in PlanCheck.h); then logits that are not asked for stay where they are.
  Candidates candidates(int64_t row) const;

  /// Of a plan with inputs and outputs: the memory of one, by its number. Inputs are filled before a step, which is
  /// `step({.tokens = 1, .outputRows = 0, .sequences = 1})`, and outputs read after it.
  std::span<std::byte> input(int index);
  std::span<const std::byte> output(int index) const;

  /// The workers in the plan's order.
  std::vector<WorkerInfo> workers() const;

  /// Payload bytes of each of the plan's transfers since the start.
  std::vector<uint64_t> transferBytes() const;

  /// The most recent events of every worker, ordered by begin within each; empty unless EngineOptions.trace.
  /// At most kTraceCapacity events are kept per worker.
  std::vector<TraceEvent> trace() const;
  static constexpr uint64_t kTraceCapacity = 1 << 18;

private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_ENGINE_H
