//===- WorkerLoop.h - what drives workers, in a process or thread ---------------------------*- C++ -*-===//
//
// A driver is one thread that loads one or several workers, reports them ready, and then runs a step of all
// of them whenever the front end publishes one, until it is told to leave. It goes on with another of its
// workers where one has to wait for a peer, and sleeps when all have to: workers that share CPUs are run by
// the same threads, which hand nothing over to each other. Everything a driver tells the front end goes
// through the shared control block; there is no pipe, no lock and no message queue.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_WORKERLOOP_H
#define LAMINA_RUNTIME_EXECUTOR_WORKERLOOP_H

#include "runtime/base/WaitWord.h"
#include "runtime/executor/BatchSegment.h"
#include "runtime/executor/TraceSegment.h"
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

/// What is reported of one worker. Written by its driver alone.
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
  char note[256];     ///< Transport::connectionNote(); valid once ready
  char error[1024];
};

/// What a driver is given; everything in it outlives the driver.
struct DriverContext {
  const plan::Plan *plan;
  std::vector<int> workers; ///< indices in the plan, at least one; several only on CPUs
  std::string artifactDir;
  int threads;           ///< that compute, for all of the workers together
  std::vector<int> cpus; ///< of each thread; empty: wherever the system puts them
  uint64_t spinNanoseconds;
  const BatchSegment *batch;
  SharedMemoryLinks *links;
  ControlBlock *control;
  WorkerSlot *slots; ///< of all workers of the plan
  const TraceSegment *trace;
};

/// Runs the workers until it is told to leave or one fails; a failure is reported in its slot and makes all
/// others leave.
void runWorkers(const DriverContext &context);

/// Makes every worker return and wakes those that sleep.
void tellWorkersToLeave(ControlBlock &control, SharedMemoryLinks &links);

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_WORKERLOOP_H
