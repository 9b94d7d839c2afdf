//===- KernelBench.cpp - times the kernels of an artifact one by one ----------------------------------===//

#include "tools/lamina-bench/KernelBench.h"

#include "runtime/base/Affinity.h"
#include "runtime/base/Clock.h"
#include "runtime/base/WaitWord.h"
#include "runtime/device/DeviceKind.h"
#include "runtime/device/KernelABI.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "runtime/executor/PlanCheck.h"
#include "runtime/executor/WorkerProgram.h"
#include "tools/lamina-bench/Needs.h"
#include "tools/lamina-bench/WorkerUse.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace lamina::bench {
namespace {

/// What is timed takes about that long, so that clocks and the first launch do not count.
constexpr double kSeconds = 0.05;
constexpr int kMostRounds = 1000;

/// One token in each sequence, at the end of `context` positions in pages of its own.
LaminaStep fillBatch(BatchView batch, int64_t sequences, int64_t context) {
  int64_t pages = pagesOf(context);
  for (int64_t s = 0; s < sequences; ++s) {
    auto row = static_cast<size_t>(s);
    batch.tokenIds[row] = 0;
    batch.positions[row] = static_cast<int32_t>(context - 1);
    batch.sequences[row] = batch.outputRows[row] = static_cast<int32_t>(s);
    auto first = batch.blockTable.begin() + s * batch.blockTableStride;
    std::iota(first, first + pages, static_cast<int32_t>(s * pages));
  }
  return {.tokens = sequences,
          .outputRows = sequences,
          .sequences = sequences,
          .blockTableStride = batch.blockTableStride};
}

/// One worker of the plan, without the others.
class LoneWorker {
public:
  static absl::StatusOr<LoneWorker> load(const plan::Plan &plan, int index, const std::string &artifactDir,
                                         const BatchSegment &batch, int threads) {
    const plan::Worker &worker = plan.workers(index);
    const std::string &kind = plan.classes(static_cast<int>(worker.device_class())).device();
    std::shared_ptr<ThreadPool> pool;
    if (kind == "cpu") { // a pool may tie this thread to a CPU, and with it the threads of a GPU's driver
      LAMINA_ASSIGN_OR_RETURN(
          pool, ThreadPool::create(threads, kSpinNanoseconds, cpusOfThreads(threads, availableCpus())));
    }
    LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<Device> device, createDevice(kind, {.threads = std::move(pool)}));
    LAMINA_ASSIGN_OR_RETURN(WorkerProgram program,
                            WorkerProgram::load(plan, index, artifactDir, batch, *device));
    return LoneWorker(std::move(device), std::move(program));
  }

  absl::Status begin(const LaminaStep &step) {
    step_ = step;
    return device_->beginStep(step);
  }

  absl::Status launch(const std::vector<size_t> &ops) {
    for (size_t op : ops)
      LAMINA_RETURN_IF_ERROR(program_.launch(program_.ops()[op], step_, *device_));
    return absl::OkStatus();
  }

  absl::Status finish() { return device_->synchronize(); }

  /// Seconds that the launches of `ops` take together.
  absl::StatusOr<double> time(const std::vector<size_t> &ops) {
    LAMINA_ASSIGN_OR_RETURN(double once, timeRounds(ops, 1)); // warms up, too
    LAMINA_ASSIGN_OR_RETURN(once, timeRounds(ops, 1));
    auto rounds = static_cast<int>(std::clamp(kSeconds / std::max(once, 1e-9), 1.0, double{kMostRounds}));
    LAMINA_ASSIGN_OR_RETURN(double seconds, timeRounds(ops, rounds));
    return seconds / rounds;
  }

private:
  LoneWorker(std::unique_ptr<Device> device, WorkerProgram program)
      : device_(std::move(device)), program_(std::move(program)) {}

  absl::StatusOr<double> timeRounds(const std::vector<size_t> &ops, int rounds) {
    if (DeviceQueue *queue = device_->queue())
      return timeRecorded(*queue, ops, rounds);
    uint64_t began = monotonicNanoseconds();
    for (int i = 0; i < rounds; ++i)
      LAMINA_RETURN_IF_ERROR(launch(ops));
    return static_cast<double>(monotonicNanoseconds() - began) * 1e-9;
  }

  /// As a step has them: recorded, and between times of the device's own.
  absl::StatusOr<double> timeRecorded(DeviceQueue &queue, const std::vector<size_t> &ops, int rounds) {
    LAMINA_RETURN_IF_ERROR(queue.beginRecording());
    absl::Status launched = launch(ops);
    LAMINA_ASSIGN_OR_RETURN(RecordedHandle recorded, queue.endRecording());
    LAMINA_RETURN_IF_ERROR(launched);
    LAMINA_RETURN_IF_ERROR(queue.mark(0));
    for (int i = 0; i < rounds; ++i)
      LAMINA_RETURN_IF_ERROR(queue.replay(recorded));
    LAMINA_RETURN_IF_ERROR(queue.mark(1));
    LAMINA_RETURN_IF_ERROR(device_->synchronize());
    LAMINA_ASSIGN_OR_RETURN(uint64_t begin, queue.markTime(0));
    LAMINA_ASSIGN_OR_RETURN(uint64_t end, queue.markTime(1));
    return static_cast<double>(end - begin) * 1e-9;
  }

  std::unique_ptr<Device> device_;
  WorkerProgram program_;
  LaminaStep step_{};
};

/// The worker's launches, by kernel.
std::vector<std::vector<size_t>> launchesOf(const plan::Worker &worker) {
  std::vector<std::vector<size_t>> launches(static_cast<size_t>(worker.kernels_size()));
  for (int i = 0; i < worker.program_size(); ++i)
    if (worker.program(i).has_dispatch())
      launches[worker.program(i).dispatch().kernel()].push_back(static_cast<size_t>(i));
  return launches;
}

/// Writes to every page of the cache: on a CPU, memory that was never written is one page of zeros.
absl::Status touchCache(const plan::Plan &plan, const plan::Worker &worker, BatchView batch, int64_t pages,
                        LoneWorker &lone) {
  std::vector<size_t> ops;
  for (int i = 0; i < worker.program_size(); ++i)
    for (uint32_t binding : worker.program(i).dispatch().bindings())
      if (worker.buffers(static_cast<int>(binding)).kind() == plan::Buffer::CACHE)
        ops.push_back(static_cast<size_t>(i));
  int64_t most = std::min(plan.limits().max_sequences(), plan.limits().max_batch_tokens());
  for (int64_t page = 0; page < pages && !ops.empty(); page += most) {
    int64_t rows = std::min(most, pages - page);
    for (int64_t r = 0; r < rows; ++r) { // sequences of one token
      auto row = static_cast<size_t>(r);
      batch.positions[row] = 0;
      batch.sequences[row] = static_cast<int32_t>(r);
      batch.blockTable[row * static_cast<size_t>(batch.blockTableStride)] = static_cast<int32_t>(page + r);
    }
    LAMINA_RETURN_IF_ERROR(lone.begin(
        {.tokens = rows, .outputRows = 0, .sequences = rows, .blockTableStride = batch.blockTableStride}));
    LAMINA_RETURN_IF_ERROR(lone.launch(ops));
    LAMINA_RETURN_IF_ERROR(lone.finish());
  }
  return absl::OkStatus();
}

/// The cache whose keys and values a dispatch reads.
std::optional<uint32_t> attendedCache(const plan::Worker &worker, const plan::Dispatch &dispatch) {
  if (isAttention(worker, dispatch))
    for (uint32_t binding : dispatch.bindings())
      if (const plan::Buffer &buffer = worker.buffers(static_cast<int>(binding));
          buffer.kind() == plan::Buffer::CACHE)
        return static_cast<uint32_t>(buffer.offset());
  return std::nullopt;
}

/// Positions of a sequence that a launch reads behind `prompt` others: all, or where two launches read a cache, the first
/// one the ranges that were cached before the step and the second one the rest (lm.online_attention).
int64_t positionsRead(const plan::Worker &worker, size_t op, int64_t prompt) {
  std::optional<uint32_t> cache = attendedCache(worker, worker.program(static_cast<int>(op)).dispatch());
  bool isFirst = false, isSecond = false;
  for (int i = 0; i < worker.program_size(); ++i)
    if (cache && attendedCache(worker, worker.program(i).dispatch()) == cache) {
      isFirst |= static_cast<size_t>(i) > op;
      isSecond |= static_cast<size_t>(i) < op;
    }
  int64_t cached = prompt / LAMINA_ATTENTION_RANGE * LAMINA_ATTENTION_RANGE;
  return isFirst ? cached : prompt + 1 - (isSecond ? cached : 0);
}

absl::StatusOr<std::vector<KernelResult>> benchStep(const plan::Plan &plan, const plan::Worker &worker,
                                                    const BatchedSpec &spec, LoneWorker &lone) {
  std::vector<KernelResult> results;
  for (const std::vector<size_t> &ops : launchesOf(worker)) {
    if (ops.empty())
      continue;
    auto dispatch = [&](size_t op) -> auto & { return worker.program(static_cast<int>(op)).dispatch(); };
    KernelResult result = {.spec = spec,
                           .worker = worker.name(),
                           .kernel = worker.kernels(static_cast<int>(dispatch(ops[0]).kernel())).name(),
                           .label = dispatch(ops[0]).label(),
                           .onGpu = runsOnGpu(plan, worker),
                           .launches = std::ssize(ops)};
    for (size_t op : ops)
      result.bytesRead +=
          launchBytes(worker, dispatch(op), spec.sequences * positionsRead(worker, op, spec.prompt));
    LAMINA_ASSIGN_OR_RETURN(result.seconds, lone.time(ops));
    results.push_back(std::move(result));
  }
  return results;
}

} // namespace

absl::StatusOr<std::vector<KernelResult>> benchKernels(const plan::Plan &plan, const std::string &artifactDir,
                                                       const std::vector<BatchedSpec> &specs, int threads) {
  LAMINA_ASSIGN_OR_RETURN(BatchSegment segment, BatchSegment::create(plan));
  BatchView batch = segment.view(plan.limits());
  int64_t pages = 0;
  for (const BatchedSpec &spec : specs)
    pages = std::max(pages, spec.sequences * pagesOf(spec.prompt + 1));
  std::vector<KernelResult> results;
  for (int w = 0; w < plan.workers_size(); ++w) {
    const plan::Worker &worker = plan.workers(w);
    LAMINA_ASSIGN_OR_RETURN(LoneWorker lone, LoneWorker::load(plan, w, artifactDir, segment, threads));
    LAMINA_RETURN_IF_ERROR(touchCache(plan, worker, batch, pages, lone));
    for (const BatchedSpec &spec : specs) {
      LaminaStep step = fillBatch(batch, spec.sequences, spec.prompt + 1);
      step.candidates = std::min<int64_t>(candidatesOf(plan), 1); // as greedy generation does
      LAMINA_RETURN_IF_ERROR(lone.begin(step));
      LAMINA_ASSIGN_OR_RETURN(std::vector<KernelResult> kernels, benchStep(plan, worker, spec, lone));
      results.insert(results.end(), kernels.begin(), kernels.end());
    }
  }
  return results;
}

} // namespace lamina::bench
