//===- Executor.h - runs a worker's program, one step at a time -----------------------------*- C++ -*-===//
//
// The interpreter: one case per instruction of the plan. A step neither allocates nor locks, and makes no
// system call except to sleep while a peer or a sibling thread has work and this one has none.
//
// A device with a queue gets the whole step handed over, launches in recorded runs (RecordedLaunches.h), and
// the host waits once, at the end. Then the first step of each class allocates, and calls into the device's
// driver are its own affair. A trace has each instruction handed over by itself, between marks that tell when
// it ran.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_EXECUTOR_H
#define LAMINA_RUNTIME_EXECUTOR_EXECUTOR_H

#include "runtime/executor/RecordedLaunches.h"
#include "runtime/executor/WorkerProgram.h"

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

namespace lamina {

/// One executed instruction.
struct TraceRecord {
  uint64_t begin; ///< monotonicNanoseconds()
  uint64_t end;
  uint64_t step;
  uint64_t instruction; ///< index in the worker's program
};

/// The last records.size() events, in shared memory; the front end reads it between steps.
struct TraceRing {
  std::atomic<uint64_t> *count = nullptr; ///< records written since the start
  std::span<TraceRecord> records;         ///< empty = tracing is off
};

class Executor {
public:
  /// All arguments must outlive the executor; the program's transfers are bound to the transport.
  Executor(const WorkerProgram &program, Device &device, Transport &transport, TraceRing trace)
      : program_(program), device_(device), transport_(transport), trace_(trace) {
    if (DeviceQueue *queue = device.queue())
      recorded_.emplace(program, device, *queue);
  }

  /// Runs the whole program for one batch; everything is done and visible to the host on return. After an
  /// error the worker's peers are in an unknown place, so nothing can be run any more.
  absl::Status runStep(const LaminaStep &step, uint64_t number);

  /// Of the last step: time in it, and time in it spent waiting for peers.
  uint64_t stepNanoseconds() const { return stepNanoseconds_; }
  uint64_t waitNanoseconds() const { return waitNanoseconds_; }
  /// Transport::communicationNanoseconds of it.
  uint64_t communicationNanoseconds() const { return communicationNanoseconds_; }

private:
  absl::Status execute(const WorkerProgram::Op &op, const LaminaStep &step);
  absl::Status runProgram(const LaminaStep &step, uint64_t number);
  absl::Status runRecorded(const LaminaStep &step);
  absl::Status runTraced(const LaminaStep &step, uint64_t number);
  absl::Status runMarked(DeviceQueue &queue, const LaminaStep &step);
  absl::Status traceMarked(DeviceQueue &queue, uint64_t number);

  const WorkerProgram &program_;
  Device &device_;
  Transport &transport_;
  TraceRing trace_;
  std::optional<RecordedLaunches> recorded_; // of a device with a queue
  uint64_t stepNanoseconds_ = 0;
  uint64_t waitNanoseconds_ = 0;
  uint64_t communicationNanoseconds_ = 0;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_EXECUTOR_H
