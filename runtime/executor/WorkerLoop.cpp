//===- WorkerLoop.cpp - what a worker process or thread does ------------------------------------------===//

#include "runtime/executor/WorkerLoop.h"

#include "runtime/device/DeviceKind.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cstring>

namespace lamina {
namespace {

/// How long an idle worker sleeps before it looks at `leave` by itself.
constexpr uint64_t kIdleNanoseconds = 100'000'000;

/// Copies as much of the text as fits, always terminated.
template <size_t size> void copyText(char (&target)[size], const std::string &text) {
  size_t length = std::min(text.size(), size - 1);
  memcpy(target, text.data(), length);
  target[length] = '\0';
}

const std::string &deviceKind(const plan::Plan &plan, int worker) {
  return plan.classes(int(plan.workers(worker).device_class())).device();
}

absl::StatusOr<std::unique_ptr<Device>> openDevice(const WorkerContext &context) {
  const std::string &kind = deviceKind(*context.plan, context.index);
  int index = 0;
  for (int i = 0; i < context.index; ++i)
    index += deviceKind(*context.plan, i) == kind;
  return createDevice(kind, {context.threads, context.spinNanoseconds, context.cpus, index});
}

absl::Status runSteps(const WorkerContext &context, Executor &executor) {
  ControlBlock &control = *context.control;
  WorkerSlot &slot = *context.slot;
  for (uint64_t done = 0;;) {
    while (control.published.load() == uint32_t(done)) {
      if (control.leave.load(std::memory_order_acquire) != 0)
        return absl::OkStatus();
      control.published.waitWhile(uint32_t(done), context.spinNanoseconds, kIdleNanoseconds);
    }
    if (control.leave.load(std::memory_order_acquire) != 0)
      return absl::OkStatus();
    LaminaStep step = control.step;
    LAMINA_RETURN_IF_ERROR(executor.runStep(step, ++done));
    uint64_t busy = executor.stepNanoseconds() - executor.waitNanoseconds();
    slot.lastBusyNanoseconds.store(busy, std::memory_order_relaxed);
    slot.lastWaitNanoseconds.store(executor.waitNanoseconds(), std::memory_order_relaxed);
    slot.lastCommunicationNanoseconds.store(executor.communicationNanoseconds(), std::memory_order_relaxed);
    slot.busyNanoseconds.fetch_add(busy, std::memory_order_relaxed);
    slot.completed.store(done, std::memory_order_release);
    control.events.add(1);
  }
}

absl::Status loadAndRun(const WorkerContext &context) {
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<Device> device, openDevice(context));
  LAMINA_ASSIGN_OR_RETURN(
      WorkerProgram program,
      WorkerProgram::load(*context.plan, context.index, context.artifactDir, *context.batch, *device));
  LAMINA_RETURN_IF_ERROR(context.links->mapChannels(uint32_t(context.index), *device));
  std::unique_ptr<Transport> transport = context.links->endpoint(
      uint32_t(context.index), *device, context.control->leave, context.spinNanoseconds);
  LAMINA_RETURN_IF_ERROR(program.bindTransfers(*context.plan, *transport));
  LAMINA_RETURN_IF_ERROR(transport->connect());
  Executor executor(program, *device, *transport, context.trace);
  copyText(context.slot->device, device->description());
  context.slot->ready.store(1, std::memory_order_release);
  context.control->events.add(1);
  return runSteps(context, executor);
}

} // namespace

void runWorker(const WorkerContext &context) {
  absl::Status status = loadAndRun(context);
  if (status.ok())
    return;
  // Peers of a failed worker are cancelled next, but merely because they were told to stop waiting.
  if (!absl::IsCancelled(status)) {
    context.slot->errorCode = uint32_t(status.code());
    copyText(context.slot->error, std::string(status.message()));
    context.slot->failed.store(1, std::memory_order_release);
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
