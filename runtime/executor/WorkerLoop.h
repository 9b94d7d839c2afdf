//===- WorkerLoop.h - what a worker process or thread does ----------------------------------*- C++ -*-===//
//
// A worker loads its part of the plan, reports ready, and then runs a step whenever the front end publishes
// one, until it is told to leave. Everything it tells the front end goes through the shared control block;
// there is no pipe, no lock and no message queue.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_WORKERLOOP_H
#define LAMINA_RUNTIME_EXECUTOR_WORKERLOOP_H

#include "runtime/base/WaitWord.h"
#include "runtime/executor/BatchSegment.h"
#include "runtime/executor/Executor.h"
#include "runtime/transport/SharedMemoryTransport.h"

#include <atomic>
#include <string>
#include <vector>

namespace lamina {

/// What all workers and the front end share. Lives in zeroed shared memory; the slots of the workers follow
/// it.
struct ControlBlock {
  alignas(64) SharedWaitWord published; ///< steps published by the front end, modulo 2^32
  alignas(64) SharedWaitWord events;    ///< changes whenever a worker becomes ready, finishes a step or fails
  alignas(64) std::atomic<uint32_t> leave; ///< nonzero: every worker returns as soon as it notices
  LaminaStep step;                         ///< of the last published step
};

/// What one worker reports. Written by the worker alone.
struct alignas(64) WorkerSlot {
  std::atomic<uint32_t> ready;
  std::atomic<uint32_t> failed;          ///< nonzero: it failed by itself, not because it was told to leave
  std::atomic<uint64_t> completed;       ///< steps finished
  std::atomic<uint64_t> busyNanoseconds; ///< of all steps
  std::atomic<uint64_t> lastBusyNanoseconds;
  std::atomic<uint64_t> lastWaitNanoseconds;
  std::atomic<uint64_t> lastCommunicationNanoseconds;
  uint32_t errorCode; ///< absl::StatusCode; valid, like the text, once `failed` is set
  char device[128];   ///< Device::description(); valid once ready
  char error[1024];
};

/// What a worker is given; everything in it outlives the worker.
struct WorkerContext {
  const plan::Plan *plan;
  int index;
  std::string artifactDir;
  int threads;
  std::vector<int> cpus; ///< of each thread; empty: wherever the system puts them
  uint64_t spinNanoseconds;
  const BatchSegment *batch;
  SharedMemoryLinks *links;
  ControlBlock *control;
  WorkerSlot *slot;
  TraceRing trace;
};

/// Runs the worker until it is told to leave or fails; a failure is reported in the slot and makes all others
/// leave.
void runWorker(const WorkerContext &context);

/// Makes every worker return and wakes those that sleep.
void tellWorkersToLeave(ControlBlock &control, SharedMemoryLinks &links);

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_WORKERLOOP_H
