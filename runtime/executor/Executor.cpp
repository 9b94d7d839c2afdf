//===- Executor.cpp - runs a worker's program, one step at a time -------------------------------------===//

#include "runtime/executor/Executor.h"

#include "runtime/base/Clock.h"

namespace lamina {

absl::Status Executor::execute(const WorkerProgram::Op &op, const LaminaStep &step) {
  switch (op.kind) {
  case WorkerProgram::OpKind::Dispatch:
    return program_.launch(op, step, device_);
  case WorkerProgram::OpKind::Send:
    return transport_.send(op.transfer, rowsOf(op.extent, step));
  case WorkerProgram::OpKind::Recv:
    return transport_.recv(op.transfer, rowsOf(op.extent, step));
  case WorkerProgram::OpKind::Wait:
    return transport_.wait(op.transfer);
  case WorkerProgram::OpKind::Collective:
    break; // a checked plan has them only in groups of one, where every collective is the identity
  }
  return absl::OkStatus();
}

absl::Status Executor::runRecorded(const LaminaStep &step) {
  const std::vector<WorkerProgram::Op> &ops = program_.ops();
  for (size_t i = 0; i < ops.size();) {
    size_t end = i;
    while (end < ops.size() && ops[end].kind == WorkerProgram::OpKind::Dispatch)
      ++end;
    if (end == i)
      LAMINA_RETURN_IF_ERROR(execute(ops[end++], step));
    else
      LAMINA_RETURN_IF_ERROR(recorded_->run(i, end, step));
    i = end;
  }
  return absl::OkStatus();
}

absl::Status Executor::runTraced(const LaminaStep &step, uint64_t number) {
  uint64_t count = trace_.count->load(std::memory_order_relaxed);
  const std::vector<WorkerProgram::Op> &ops = program_.ops();
  for (size_t i = 0; i < ops.size(); ++i) {
    uint64_t begin = monotonicNanoseconds();
    LAMINA_RETURN_IF_ERROR(execute(ops[i], step));
    trace_.records[count++ % trace_.records.size()] = {begin, monotonicNanoseconds(), number, i};
  }
  trace_.count->store(count, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status Executor::runMarked(DeviceQueue &queue, const LaminaStep &step) {
  const std::vector<WorkerProgram::Op> &ops = program_.ops();
  LAMINA_RETURN_IF_ERROR(queue.mark(0));
  for (size_t i = 0; i < ops.size(); ++i) {
    LAMINA_RETURN_IF_ERROR(execute(ops[i], step));
    LAMINA_RETURN_IF_ERROR(queue.mark(i + 1));
  }
  return absl::OkStatus();
}

absl::Status Executor::traceMarked(DeviceQueue &queue, uint64_t number) {
  uint64_t count = trace_.count->load(std::memory_order_relaxed);
  LAMINA_ASSIGN_OR_RETURN(uint64_t begin, queue.markTime(0));
  for (size_t i = 0; i < program_.ops().size(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(uint64_t end, queue.markTime(i + 1));
    trace_.records[count++ % trace_.records.size()] = {begin, end, number, i};
    begin = end;
  }
  trace_.count->store(count, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status Executor::runProgram(const LaminaStep &step, uint64_t number) {
  DeviceQueue *queue = device_.queue();
  bool traced = !trace_.records.empty();
  LAMINA_RETURN_IF_ERROR(device_.beginStep(step));
  if (queue != nullptr)
    LAMINA_RETURN_IF_ERROR(traced ? runMarked(*queue, step) : runRecorded(step));
  else if (traced)
    LAMINA_RETURN_IF_ERROR(runTraced(step, number));
  else
    for (const WorkerProgram::Op &op : program_.ops())
      LAMINA_RETURN_IF_ERROR(execute(op, step));
  LAMINA_RETURN_IF_ERROR(transport_.endStep());
  return queue != nullptr && traced ? traceMarked(*queue, number) : absl::OkStatus();
}

absl::Status Executor::runStep(const LaminaStep &step, uint64_t number) {
  uint64_t begin = monotonicNanoseconds();
  uint64_t waited = transport_.waitedNanoseconds();
  uint64_t communicated = transport_.communicationNanoseconds();
  transport_.beginStep(number);
  if (absl::Status status = runProgram(step, number); !status.ok()) {
    transport_.abandonStep();
    return status;
  }
  stepNanoseconds_ = monotonicNanoseconds() - begin;
  waitNanoseconds_ = transport_.waitedNanoseconds() - waited;
  communicationNanoseconds_ = transport_.communicationNanoseconds() - communicated;
  return absl::OkStatus();
}

} // namespace lamina
