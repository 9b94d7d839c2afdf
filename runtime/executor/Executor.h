//===- Executor.h - runs a worker's program, one step at a time -----------------------------*- C++ -*-===//
//
// The interpreter: one case per instruction of the plan. A program runs until it needs something of a peer
// that is not there yet, and goes on from that place when it is resumed; who waits meanwhile, or runs the
// program of another worker, is up to the caller. A step neither allocates nor locks, and makes no system
// call except to sleep while a sibling thread has work and this one has none.
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
  /// All arguments must outlive the executor; the program's transfers are bound to the transport. A step ends with
  /// Cancelled before the next instruction once `abort` is nonzero.
  Executor(const WorkerProgram &program, Device &device, Transport &transport,
           const std::atomic<uint32_t> &abort, TraceRing trace)
      : program_(program), device_(device), transport_(transport), abort_(abort), trace_(trace) {
    if (DeviceQueue *queue = device.queue())
      recorded_.emplace(program, device, *queue);
  }

  enum class Progress {
    None,    ///< it still has to wait for what the transport would block for
    Some,    ///< so it has now, behind instructions that it ran
    Finished ///< everything is done and visible to the host
  };

  /// Goes to the first instruction. After an error of this or of resume the worker's peers are in an unknown
  /// place, so nothing can be run any more.
  absl::Status beginStep(const LaminaStep &step, uint64_t number);
  /// Runs the program from where it stopped. Not after Finished.
  absl::StatusOr<Progress> resume();

  /// Of the last step that finished: time in resume, and the rest of its time.
  uint64_t busyNanoseconds() const { return busyNanoseconds_; }
  uint64_t waitNanoseconds() const { return waitNanoseconds_; }
  /// Transport::communicationNanoseconds of it.
  uint64_t communicationNanoseconds() const { return communicationNanoseconds_; }

private:
  /// False if it has to wait for a peer.
  absl::StatusOr<bool> execute(const WorkerProgram::Op &op);
  /// Runs the next instruction, or the run of launches that was recorded; how many that are, 0 as execute.
  absl::StatusOr<size_t> advance();
  /// False before the end of the program.
  absl::StatusOr<bool> runProgram();
  bool traced() const { return !trace_.records.empty(); }
  void record(uint64_t begin, uint64_t end, size_t instruction);
  absl::Status traceMarked(DeviceQueue &queue);

  const WorkerProgram &program_;
  Device &device_;
  Transport &transport_;
  const std::atomic<uint32_t> &abort_;
  TraceRing trace_;
  std::optional<RecordedLaunches> recorded_; // of a device with a queue

  LaminaStep step_{};
  uint64_t number_ = 0;
  size_t next_ = 0;         // instruction
  uint64_t triedSince_ = 0; // of a trace: when the next instruction was first tried; 0: not yet
  uint64_t began_ = 0;
  uint64_t communicatedBefore_ = 0;

  uint64_t busyNanoseconds_ = 0;
  uint64_t waitNanoseconds_ = 0;
  uint64_t communicationNanoseconds_ = 0;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_EXECUTOR_H
