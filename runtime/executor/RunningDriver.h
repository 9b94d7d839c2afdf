//===- RunningDriver.h - a driver of workers as seen by who started it ----------------------*- C++ -*-===//
//
// A process or a thread that runs the worker loop. Destroying it waits for the end of the driver, which must
// have been told to leave; a process that does not listen is killed.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_RUNNINGDRIVER_H
#define LAMINA_RUNTIME_EXECUTOR_RUNNINGDRIVER_H

#include "runtime/executor/WorkerLoop.h"

#include <memory>
#include <optional>
#include <string>

namespace lamina {

class RunningDriver {
public:
  virtual ~RunningDriver() = default;

  /// Of the process that the workers live in.
  virtual int pid() const = 0;

  /// How the driver ended, if it has: "was killed by signal 9 (Killed)". A thread never ends unasked.
  virtual std::optional<std::string> death() = 0;

  /// Ends a process at once. A thread cannot be ended from outside and is left to notice that it should
  /// leave.
  virtual void kill() = 0;
};

/// Forks a process that runs the workers. The process dies with the thread that forked it, ignores SIGINT,
/// and leaves other signals at their defaults.
absl::StatusOr<std::unique_ptr<RunningDriver>> startProcess(const DriverContext &context);

/// Starts a thread that runs the workers, with all signals blocked.
absl::StatusOr<std::unique_ptr<RunningDriver>> startThread(const DriverContext &context);

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_RUNNINGDRIVER_H
