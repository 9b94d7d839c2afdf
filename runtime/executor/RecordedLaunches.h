//===- RecordedLaunches.h - runs of launches that a device takes at once --------------------*- C++ -*-===//
//
// Where a device runs beside the host, a run of launches is recorded the first time that a step of its class
// comes, and replayed for every later one: handing it over costs the host one call. A class is a range of
// numbers of tokens and of output rows for which every kernel has the same form. Launches are recorded for
// the largest step of the class; blocks that the step at hand does not have return at once.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_RECORDEDLAUNCHES_H
#define LAMINA_RUNTIME_EXECUTOR_RECORDEDLAUNCHES_H

#include "runtime/executor/WorkerProgram.h"

#include <map>
#include <tuple>
#include <vector>

namespace lamina {

class RecordedLaunches {
public:
  /// All arguments must outlive it.
  RecordedLaunches(const WorkerProgram &program, Device &device, DeviceQueue &queue);

  /// Runs the instructions [begin, end) of the program, all of them dispatches.
  absl::Status run(size_t begin, size_t end, const LaminaStep &step);

private:
  absl::StatusOr<RecordedHandle> record(size_t begin, size_t end, const LaminaStep &largest);

  const WorkerProgram &program_;
  Device &device_;
  DeviceQueue &queue_;
  std::vector<int64_t> tokenBounds_; // the largest step of each class, ascending
  std::vector<int64_t> rowBounds_;
  std::map<std::tuple<size_t, int64_t, int64_t>, RecordedHandle> recorded_; // by first instruction and class
};

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_RECORDEDLAUNCHES_H
