//===- Executor.cpp - runs a worker's program, one step at a time -------------------------------------===//

#include "runtime/executor/Executor.h"

#include "runtime/base/Clock.h"

namespace lamina {
namespace {

int64_t rowsOf(plan::Extent extent, const LaminaStep &step) {
  switch (extent) {
  case plan::TOKENS:
    return step.tokens;
  case plan::OUTPUT_ROWS:
    return step.outputRows;
  default:
    return 1;
  }
}

} // namespace

absl::Status Executor::dispatch(const WorkerProgram::Op &op, const LaminaStep &step) {
  const WorkerProgram::Variant *variant = program_.variants() + op.firstVariant;
  while (variant->maxTokens < step.tokens)
    ++variant;
  int64_t workgroups = variant->workgroupsPerRow * rowsOf(variant->extent, step);
  return device_.launch(variant->kernel, program_.bindings(op), workgroups);
}

absl::Status Executor::execute(const WorkerProgram::Op &op, const LaminaStep &step) {
  switch (op.kind) {
  case WorkerProgram::OpKind::Dispatch:
    return dispatch(op, step);
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

absl::Status Executor::runStep(const LaminaStep &step, uint64_t number) {
  uint64_t begin = monotonicNanoseconds();
  uint64_t waited = transport_.waitedNanoseconds();
  uint64_t communicated = transport_.communicationNanoseconds();
  transport_.beginStep(number);
  LAMINA_RETURN_IF_ERROR(device_.beginStep(step));
  if (trace_.records.empty()) {
    for (const WorkerProgram::Op &op : program_.ops())
      LAMINA_RETURN_IF_ERROR(execute(op, step));
  } else {
    LAMINA_RETURN_IF_ERROR(runTraced(step, number));
  }
  LAMINA_RETURN_IF_ERROR(device_.synchronize());
  stepNanoseconds_ = monotonicNanoseconds() - begin;
  waitNanoseconds_ = transport_.waitedNanoseconds() - waited;
  communicationNanoseconds_ = transport_.communicationNanoseconds() - communicated;
  return absl::OkStatus();
}

} // namespace lamina
