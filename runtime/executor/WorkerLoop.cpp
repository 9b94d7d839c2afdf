//===- WorkerLoop.cpp - what drives workers, in a process or thread ------------------------------------===//

#include "runtime/executor/WorkerLoop.h"

#include "runtime/device/DeviceKind.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "runtime/executor/Executor.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

namespace lamina {
namespace {

/// How long an idle worker sleeps before it looks at `leave` by itself.
constexpr uint64_t kIdleNanoseconds = 100'000'000;

/// Between two looks at what several workers wait for.
constexpr uint64_t kPollNanoseconds = 20'000;

/// Copies as much of the text as fits, always terminated.
template <size_t size> void copyText(char (&target)[size], const std::string &text) {
  size_t length = std::min(text.size(), size - 1);
  memcpy(target, text.data(), length);
  target[length] = '\0';
}

const std::string &deviceKind(const plan::Plan &plan, int worker) {
  return plan.classes(int(plan.workers(worker).device_class())).device();
}

/// Which of the run's devices of its kind a worker has.
int deviceIndex(const plan::Plan &plan, int worker) {
  int index = 0;
  for (int i = 0; i < worker; ++i)
    index += deviceKind(plan, i) == deviceKind(plan, worker);
  return index;
}

/// A worker that is loaded. Its parts refer to each other, so it stays where it is.
struct LoadedWorker {
  WorkerSlot *slot;
  std::unique_ptr<Device> device;
  std::optional<WorkerProgram> program;
  std::unique_ptr<Transport> transport;
  std::optional<Executor> executor;
  bool finished = false; // with the step at hand
};

class Driver {
public:
  explicit Driver(const DriverContext &context) : context_(context) {}

  absl::Status run() {
    workers_.reserve(context_.workers.size());
    for (int index : context_.workers)
      LAMINA_RETURN_IF_ERROR(load(index));
    for (LoadedWorker &worker : workers_)
      worker.slot->ready.store(1, std::memory_order_release);
    context_.control->events.add(1);
    return runSteps();
  }

  /// The worker that was at work when run returned.
  WorkerSlot &current() const { return *current_; }

private:
  absl::Status load(int index) {
    const plan::Plan &plan = *context_.plan;
    current_ = &context_.slots[index];
    if (deviceKind(plan, index) == "cpu" && !threads_) {
      LAMINA_ASSIGN_OR_RETURN(threads_,
                              ThreadPool::create(context_.threads, context_.spinNanoseconds, context_.cpus));
    }
    LoadedWorker &worker = workers_.emplace_back();
    worker.slot = current_;
    LAMINA_ASSIGN_OR_RETURN(worker.device,
                            createDevice(deviceKind(plan, index), {threads_, deviceIndex(plan, index)}));
    LAMINA_ASSIGN_OR_RETURN(worker.program, WorkerProgram::load(plan, index, context_.artifactDir,
                                                                *context_.batch, *worker.device));
    LAMINA_RETURN_IF_ERROR(context_.links->mapChannels(uint32_t(index), *worker.device));
    worker.transport = context_.links->endpoint(uint32_t(index), *worker.device, context_.control->leave,
                                                context_.spinNanoseconds, &local_);
    LAMINA_RETURN_IF_ERROR(worker.program->bindTransfers(plan, *worker.transport));
    LAMINA_RETURN_IF_ERROR(worker.transport->connect());
    worker.executor.emplace(*worker.program, *worker.device, *worker.transport, context_.control->leave,
                            context_.trace->ring(index));
    copyText(worker.slot->device, worker.device->description());
    copyText(worker.slot->note, worker.transport->connectionNote());
    return absl::OkStatus();
  }

  absl::Status runSteps() {
    ControlBlock &control = *context_.control;
    for (uint64_t done = 0;;) {
      while (control.published.load() == uint32_t(done)) {
        if (control.leave.load(std::memory_order_acquire) != 0)
          return absl::OkStatus();
        control.published.waitWhile(uint32_t(done), context_.spinNanoseconds, kIdleNanoseconds);
      }
      if (control.leave.load(std::memory_order_acquire) != 0)
        return absl::OkStatus();
      LAMINA_RETURN_IF_ERROR(runStep(control.step, ++done));
      for (LoadedWorker &worker : workers_)
        report(worker, done);
      control.events.add(1);
    }
  }

  /// One worker runs until it has to wait, then the next: one thread does what there is to do.
  absl::Status runStep(const LaminaStep &step, uint64_t number) {
    for (LoadedWorker &worker : workers_) {
      current_ = worker.slot;
      worker.finished = false;
      LAMINA_RETURN_IF_ERROR(worker.executor->beginStep(step, number));
    }
    while (true) {
      bool moved = false;
      LoadedWorker *waiting = nullptr;
      size_t unfinished = 0;
      for (LoadedWorker &worker : workers_) {
        if (worker.finished)
          continue;
        current_ = worker.slot;
        LAMINA_ASSIGN_OR_RETURN(Executor::Progress progress, worker.executor->resume());
        moved |= progress != Executor::Progress::None;
        worker.finished = progress == Executor::Progress::Finished;
        unfinished += !worker.finished;
        if (!worker.finished && waiting == nullptr)
          waiting = &worker;
      }
      if (unfinished == 0)
        return absl::OkStatus();
      if (!moved)
        LAMINA_RETURN_IF_ERROR(waiting->transport->block(unfinished == 1 ? 0 : kPollNanoseconds));
    }
  }

  static void report(LoadedWorker &worker, uint64_t done) {
    WorkerSlot &slot = *worker.slot;
    const Executor &executor = *worker.executor;
    slot.lastBusyNanoseconds.store(executor.busyNanoseconds(), std::memory_order_relaxed);
    slot.lastWaitNanoseconds.store(executor.waitNanoseconds(), std::memory_order_relaxed);
    slot.lastCommunicationNanoseconds.store(executor.communicationNanoseconds(), std::memory_order_relaxed);
    slot.busyNanoseconds.fetch_add(executor.busyNanoseconds(), std::memory_order_relaxed);
    slot.completed.store(done, std::memory_order_release);
  }

  const DriverContext &context_;
  WorkerSlot *current_ = nullptr;
  std::shared_ptr<ThreadPool> threads_; // of all devices on CPUs
  LocalEndpoints local_;
  std::vector<LoadedWorker> workers_;
};

} // namespace

void runWorkers(const DriverContext &context) {
  Driver driver(context);
  absl::Status status = driver.run();
  if (status.ok())
    return;
  // While the workers are still there: peers must know before they can leave what is freed with them.
  // Peers of a failed worker are cancelled next, but merely because they were told to stop waiting.
  if (WorkerSlot &slot = driver.current(); !absl::IsCancelled(status)) {
    slot.errorCode = uint32_t(status.code());
    copyText(slot.error, std::string(status.message()));
    slot.failed.store(1, std::memory_order_release);
  }
  tellWorkersToLeave(*context.control, *context.links);
}

void tellWorkersToLeave(ControlBlock &control, SharedMemoryLinks &links) {
  control.leave.store(1, std::memory_order_seq_cst);
  control.published.wakeAll();
  links.wakeAll();
  control.events.add(1);
}

} // namespace lamina
