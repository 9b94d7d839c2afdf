//===- Engine.cpp - the front end's view of a running plan --------------------------------------------===//

#include "runtime/executor/Engine.h"

#include "runtime/base/Affinity.h"
#include "runtime/executor/BatchSegment.h"
#include "runtime/executor/ChannelSizing.h"
#include "runtime/executor/PlanCheck.h"
#include "runtime/executor/RunningDriver.h"
#include "runtime/executor/TraceSegment.h"
#include "runtime/executor/WorkerLoop.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace lamina {
namespace {

/// How often the front end looks whether its workers live while it waits for them.
constexpr uint64_t kLivenessNanoseconds = 20'000'000;

} // namespace

class Engine::Impl {
public:
  Impl(const plan::Plan &plan, std::string artifactDir, const EngineOptions &options)
      : plan_(plan), artifactDir_(artifactDir.empty() ? "." : std::move(artifactDir)), options_(options),
        created_(monotonicNanoseconds()) {}

  ~Impl() { stop(); }

  absl::Status start() {
    LAMINA_RETURN_IF_ERROR(checkPlan(plan_));
    LAMINA_RETURN_IF_ERROR(mapSegments());
    pids_.resize(size_t(plan_.workers_size()));
    for (std::vector<int> &workers : groups()) {
      DriverContext context = contextOf(workers);
      LAMINA_ASSIGN_OR_RETURN(auto running,
                              options_.inProcess ? startThread(context) : startProcess(context));
      for (int worker : workers)
        pids_[size_t(worker)] = running->pid();
      drivers_.push_back({std::move(workers), std::move(running)});
    }
    absl::Status status =
        waitForWorkers([this](int i) { return slots_[i].ready.load(std::memory_order_acquire) != 0; });
    if (status.ok())
      return status;
    // What one worker cannot load others often cannot either. Once all have ended, the error that is told
    // does not depend on who was first.
    stop();
    absl::Status reported = reportedFailure();
    return reported.ok() ? status : reported;
  }

  absl::Status step(LaminaStep step, StepTimings *timings) {
    LAMINA_RETURN_IF_ERROR(failure_);
    if (step.blockTableStride == 0)
      step.blockTableStride = batch_.blockTableStride;
    LAMINA_RETURN_IF_ERROR(checkBatch(plan_, batch_, step));
    control_->step = step;
    uint64_t begin = monotonicNanoseconds();
    ++steps_;
    control_->published.add(1);
    failure_ = waitForWorkers(
        [this](int i) { return slots_[i].completed.load(std::memory_order_acquire) == steps_; });
    uint64_t wall = monotonicNanoseconds() - begin;
    stepNanoseconds_ += wall;
    if (!failure_.ok()) {
      // Survivors hold nothing worth saving, and one may be far from the next place where it would notice.
      for (Driver &driver : drivers_)
        driver.running->kill();
      stop();
      return failure_;
    }
    if (timings)
      report(*timings, wall);
    return absl::OkStatus();
  }

  std::vector<WorkerInfo> workers() const {
    std::vector<WorkerInfo> infos;
    for (int i = 0; i < plan_.workers_size(); ++i) {
      const plan::Worker &worker = plan_.workers(i);
      const WorkerSlot &slot = slots_[i];
      WorkerInfo info{.name = worker.name(),
                      .deviceClass = plan_.classes(int(worker.device_class())).name(),
                      .device = slot.device,
                      .note = slot.note,
                      .pid = pids_[size_t(i)]};
      for (int t = 0; t < plan_.transfers_size(); ++t) {
        const TransferCounters &counters = links_->counters(uint32_t(t));
        if (plan_.transfers(t).source() == uint32_t(i))
          info.bytesSent += counters.bytesSent.load(std::memory_order_relaxed);
        if (plan_.transfers(t).destination() == uint32_t(i))
          info.bytesReceived += counters.bytesReceived.load(std::memory_order_relaxed);
      }
      if (stepNanoseconds_ != 0)
        info.busyFraction =
            double(slot.busyNanoseconds.load(std::memory_order_relaxed)) / double(stepNanoseconds_);
      infos.push_back(std::move(info));
    }
    return infos;
  }

  std::vector<uint64_t> transferBytes() const {
    std::vector<uint64_t> bytes;
    for (int t = 0; t < plan_.transfers_size(); ++t)
      bytes.push_back(links_->counters(uint32_t(t)).bytesReceived.load(std::memory_order_relaxed));
    return bytes;
  }

  std::vector<TraceEvent> trace() const { return trace_.events(plan_, created_); }

  BatchView &batch() { return batch_; }
  std::span<std::byte> input(int index) const { return segment_.port(plan_, plan_.inputs(index)); }
  std::span<const std::byte> output(int index) const { return segment_.port(plan_, plan_.outputs(index)); }
  const float *logits(int64_t row) const { return rowOf<float>(segment_.logits(), row).data(); }
  int64_t logitsStride() const { return int64_t(segment_.logits().rowBytes / sizeof(float)); }
  Candidates candidates(int64_t row) const {
    return {rowOf<float>(segment_.candidateLogits(), row).first(size_t(control_->step.candidates)),
            rowOf<int32_t>(segment_.candidateIds(), row).first(size_t(control_->step.candidates))};
  }

private:
  template <typename T> std::span<const T> rowOf(const BatchSegment::Rows &rows, int64_t row) const {
    const std::byte *begin = segment_.data() + rows.offset + uint64_t(row) * rows.rowBytes;
    return {reinterpret_cast<const T *>(begin), rows.rowBytes / sizeof(T)};
  }

  /// Everything that is shared, before the first fork.
  absl::Status mapSegments() {
    LAMINA_ASSIGN_OR_RETURN(segment_, BatchSegment::create(plan_));
    batch_ = segment_.view(plan_.limits());
    uint64_t slots = uint64_t(plan_.workers_size());
    LAMINA_ASSIGN_OR_RETURN(
        controlSegment_,
        SharedSegment::create(sizeof(ControlBlock) + slots * sizeof(WorkerSlot), "the control block"));
    control_ = reinterpret_cast<ControlBlock *>(controlSegment_.data());
    slots_ = reinterpret_cast<WorkerSlot *>(control_ + 1);
    if (options_.trace) {
      LAMINA_ASSIGN_OR_RETURN(trace_, TraceSegment::create(plan_.workers_size()));
    }
    std::vector<TransferSpec> transfers;
    for (const plan::Transfer &transfer : plan_.transfers())
      transfers.push_back(
          {transfer.source(), transfer.destination(), transfer.bytes_per_row(), transfer.label()});
    LAMINA_ASSIGN_OR_RETURN(std::vector<ChannelSpec> channels, sizeChannels(plan_));
    std::vector<std::string> workers;
    for (const plan::Worker &worker : plan_.workers())
      workers.push_back(worker.name());
    LAMINA_ASSIGN_OR_RETURN(links_,
                            SharedMemoryLinks::create(std::move(workers), std::move(transfers), channels));
    return absl::OkStatus();
  }

  /// The workers of each driver: in this process those on CPUs have one together, so that its threads go from
  /// worker to worker where several sets of them would take the CPUs from each other.
  std::vector<std::vector<int>> groups() const {
    std::vector<std::vector<int>> groups;
    std::optional<size_t> onCpus;
    for (int i = 0; i < plan_.workers_size(); ++i) {
      bool joins =
          options_.inProcess && plan_.classes(int(plan_.workers(i).device_class())).device() == "cpu";
      if (joins && onCpus) {
        groups[*onCpus].push_back(i);
        continue;
      }
      if (joins)
        onCpus = groups.size();
      groups.push_back({i});
    }
    return groups;
  }

  DriverContext contextOf(const std::vector<int> &workers) const {
    std::vector<int> available = availableCpus();
    int threads =
        options_.threadsPerWorker != 0 ? options_.threadsPerWorker : std::max(1, int(available.size()));
    return {.plan = &plan_,
            .workers = workers,
            .artifactDir = artifactDir_,
            .threads = threads,
            .cpus = cpusOfThreads(threads, available),
            .spinNanoseconds = kSpinNanoseconds,
            .batch = &segment_,
            .links = links_.get(),
            .control = control_,
            .slots = slots_,
            .trace = &trace_};
  }

  std::string describe(int index) const {
    const std::string &name = plan_.workers(index).name();
    return options_.inProcess ? absl::StrCat("worker ", name)
                              : absl::StrCat("worker ", name, " (pid ", pids_[size_t(index)], ")");
  }

  /// What the first worker of those that failed so far reported.
  absl::Status reportedFailure() const {
    for (int i = 0; i < plan_.workers_size(); ++i)
      if (const WorkerSlot &slot = slots_[i]; slot.failed.load(std::memory_order_acquire) != 0)
        return absl::Status(absl::StatusCode(slot.errorCode),
                            absl::StrCat("worker ", plan_.workers(i).name(), ": ", slot.error));
    return absl::OkStatus();
  }

  /// Returns when `done` holds for every worker, or with the reason why it never will.
  template <typename Done> absl::Status waitForWorkers(Done done) {
    while (true) {
      uint32_t seen = control_->events.load();
      LAMINA_RETURN_IF_ERROR(reportedFailure());
      int pending = 0;
      for (int i = 0; i < plan_.workers_size(); ++i)
        pending += !done(i);
      if (pending == 0)
        return absl::OkStatus();
      if (control_->events.waitWhile(seen, 0, kLivenessNanoseconds) != seen)
        continue;
      LAMINA_RETURN_IF_ERROR(findDeath());
      if (options_.interrupted && options_.interrupted())
        return absl::CancelledError("interrupted");
    }
  }

  absl::Status findDeath() {
    for (const Driver &driver : drivers_)
      if (std::optional<std::string> death = driver.running->death()) {
        LAMINA_RETURN_IF_ERROR(reportedFailure()); // it may have said why before it ended
        return absl::UnavailableError(absl::StrCat(describe(driver.workers.front()), " ", *death));
      }
    return absl::OkStatus();
  }

  void report(StepTimings &timings, uint64_t wall) const {
    timings.wallNanoseconds = wall;
    timings.workers.resize(size_t(plan_.workers_size()));
    for (size_t i = 0; i < timings.workers.size(); ++i)
      timings.workers[i] = {slots_[i].lastBusyNanoseconds.load(std::memory_order_relaxed),
                            slots_[i].lastWaitNanoseconds.load(std::memory_order_relaxed),
                            slots_[i].lastCommunicationNanoseconds.load(std::memory_order_relaxed)};
  }

  void stop() {
    if (drivers_.empty())
      return;
    tellWorkersToLeave(*control_, *links_);
    drivers_.clear();
  }

  const plan::Plan plan_;
  const std::string artifactDir_;
  const EngineOptions options_;
  const uint64_t created_;
  BatchSegment segment_;
  BatchView batch_;
  SharedSegment controlSegment_;
  TraceSegment trace_; // without memory unless it was asked for
  ControlBlock *control_ = nullptr;
  WorkerSlot *slots_ = nullptr;
  std::unique_ptr<SharedMemoryLinks> links_;
  struct Driver {
    std::vector<int> workers;
    std::unique_ptr<RunningDriver> running;
  };
  std::vector<Driver> drivers_; // empty once stopped
  std::vector<int> pids_;
  absl::Status failure_;
  uint64_t steps_ = 0;
  uint64_t stepNanoseconds_ = 0;
};

absl::StatusOr<std::unique_ptr<Engine>> Engine::create(const plan::Plan &plan, std::string artifactDir,
                                                       const EngineOptions &options) {
  auto impl = std::make_unique<Impl>(plan, std::move(artifactDir), options);
  LAMINA_RETURN_IF_ERROR(impl->start());
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

BatchView &Engine::batch() { return impl_->batch(); }
absl::Status Engine::step(const LaminaStep &step, StepTimings *timings) { return impl_->step(step, timings); }
const float *Engine::logits(int64_t row) const { return impl_->logits(row); }
int64_t Engine::logitsStride() const { return impl_->logitsStride(); }
Candidates Engine::candidates(int64_t row) const { return impl_->candidates(row); }
std::span<std::byte> Engine::input(int index) { return impl_->input(index); }
std::span<const std::byte> Engine::output(int index) const { return impl_->output(index); }
std::vector<WorkerInfo> Engine::workers() const { return impl_->workers(); }
std::vector<uint64_t> Engine::transferBytes() const { return impl_->transferBytes(); }
std::vector<TraceEvent> Engine::trace() const { return impl_->trace(); }

} // namespace lamina
