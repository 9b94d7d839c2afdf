//===- Executor.cpp - runs a worker's program, one step at a time -------------------------------------===//

#include "runtime/executor/Executor.h"

#include "runtime/base/Clock.h"

namespace lamina {

absl::StatusOr<bool> Executor::execute(const WorkerProgram::Op &op) {
  switch (op.kind) {
  case WorkerProgram::OpKind::Dispatch:
    LAMINA_RETURN_IF_ERROR(program_.launch(op, step_, device_));
    break;
  case WorkerProgram::OpKind::Send:
    return transport_.trySend(op.transfer, rowsOf(op.extent, step_));
  case WorkerProgram::OpKind::Recv:
    LAMINA_RETURN_IF_ERROR(transport_.recv(op.transfer, rowsOf(op.extent, step_)));
    break;
  case WorkerProgram::OpKind::Wait:
    return transport_.tryWait(op.transfer);
  case WorkerProgram::OpKind::Collective:
    break; // a checked plan has them only in groups of one, where every collective is the identity
  }
  return true;
}

absl::StatusOr<size_t> Executor::advance() {
  const std::vector<WorkerProgram::Op> &ops = program_.ops();
  size_t end = next_;
  if (recorded_ && !traced())
    while (end < ops.size() && ops[end].kind == WorkerProgram::OpKind::Dispatch)
      ++end;
  if (end != next_) {
    LAMINA_RETURN_IF_ERROR(recorded_->run(next_, end, step_));
    return end - next_;
  }
  LAMINA_ASSIGN_OR_RETURN(bool done, execute(ops[next_]));
  return size_t(done);
}

void Executor::record(uint64_t begin, uint64_t end, size_t instruction) {
  uint64_t count = trace_.count->load(std::memory_order_relaxed);
  trace_.records[count % trace_.records.size()] = {begin, end, number_, instruction};
  trace_.count->store(count + 1, std::memory_order_release);
}

absl::Status Executor::traceMarked(DeviceQueue &queue) {
  LAMINA_ASSIGN_OR_RETURN(uint64_t begin, queue.markTime(0));
  for (size_t i = 0; i < program_.ops().size(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(uint64_t end, queue.markTime(i + 1));
    record(begin, end, i);
    begin = end;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Executor::runProgram() {
  DeviceQueue *queue = device_.queue();
  while (next_ < program_.ops().size()) {
    if (abort_.load(std::memory_order_relaxed) != 0) // who says so waits for us
      return absl::CancelledError("told to leave within a step");
    if (traced() && triedSince_ == 0)
      triedSince_ = monotonicNanoseconds();
    LAMINA_ASSIGN_OR_RETURN(size_t done, advance());
    if (done == 0)
      return false;
    if (traced() && queue == nullptr)
      record(triedSince_, monotonicNanoseconds(), next_);
    triedSince_ = 0;
    next_ += done;
    if (traced() && queue != nullptr)
      LAMINA_RETURN_IF_ERROR(queue->mark(next_));
  }
  if (queue != nullptr)
    LAMINA_RETURN_IF_ERROR(program_.copyLogits(step_, *queue));
  LAMINA_RETURN_IF_ERROR(transport_.endStep());
  if (traced() && queue != nullptr)
    LAMINA_RETURN_IF_ERROR(traceMarked(*queue));
  return true;
}

absl::Status Executor::beginStep(const LaminaStep &step, uint64_t number) {
  step_ = step;
  number_ = number;
  next_ = 0;
  triedSince_ = 0;
  began_ = monotonicNanoseconds();
  busyNanoseconds_ = 0;
  communicatedBefore_ = transport_.communicationNanoseconds();
  transport_.beginStep(number);
  absl::Status status = device_.beginStep(step);
  if (DeviceQueue *queue = device_.queue(); status.ok() && traced() && queue != nullptr)
    status = queue->mark(0);
  if (!status.ok())
    transport_.abandonStep();
  return status;
}

absl::StatusOr<Executor::Progress> Executor::resume() {
  uint64_t begin = monotonicNanoseconds();
  size_t before = next_;
  absl::StatusOr<bool> finished = runProgram();
  if (!finished.ok()) {
    transport_.abandonStep();
    return finished.status();
  }
  uint64_t end = monotonicNanoseconds();
  busyNanoseconds_ += end - begin;
  if (!*finished)
    return next_ == before ? Progress::None : Progress::Some;
  waitNanoseconds_ = end - began_ - busyNanoseconds_;
  communicationNanoseconds_ = transport_.communicationNanoseconds() - communicatedBefore_;
  return Progress::Finished;
}

} // namespace lamina
