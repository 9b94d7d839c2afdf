//===- RecordedLaunches.cpp - runs of launches that a device takes at once ----------------------------===//

#include "runtime/executor/RecordedLaunches.h"

#include <algorithm>

namespace lamina {
namespace {

/// Powers of two and what `more` adds, below `largest`; then `largest`.
std::vector<int64_t> classBounds(int64_t largest, std::vector<int64_t> more) {
  for (int64_t bound = 1; bound < largest; bound *= 2)
    more.push_back(bound);
  std::erase_if(more, [&](int64_t bound) { return bound >= largest; });
  more.push_back(largest);
  std::sort(more.begin(), more.end());
  more.erase(std::unique(more.begin(), more.end()), more.end());
  return more;
}

int64_t boundOf(const std::vector<int64_t> &bounds, int64_t value) {
  return *std::lower_bound(bounds.begin(), bounds.end(), value);
}

} // namespace

RecordedLaunches::RecordedLaunches(const WorkerProgram &program, Device &device, DeviceQueue &queue)
    : program_(program), device_(device), queue_(queue),
      tokenBounds_(classBounds(program.maxTokens(), program.variantBounds())),
      rowBounds_(classBounds(program.maxOutputRows(), {0})) {}

absl::StatusOr<RecordedHandle> RecordedLaunches::record(size_t begin, size_t end, const LaminaStep &largest) {
  LAMINA_RETURN_IF_ERROR(queue_.beginRecording());
  absl::Status status;
  for (size_t i = begin; i < end && status.ok(); ++i)
    status = program_.launch(program_.ops()[i], largest, device_);
  absl::StatusOr<RecordedHandle> recorded = queue_.endRecording();
  LAMINA_RETURN_IF_ERROR(status);
  return recorded;
}

absl::Status RecordedLaunches::run(size_t begin, size_t end, const LaminaStep &step) {
  if (end - begin == 1) // nothing to save
    return program_.launch(program_.ops()[begin], step, device_);
  LaminaStep largest = step;
  largest.tokens = boundOf(tokenBounds_, step.tokens);
  largest.outputRows = boundOf(rowBounds_, step.outputRows);
  std::tuple key{begin, largest.tokens, largest.outputRows};
  auto found = recorded_.find(key);
  if (found == recorded_.end()) {
    LAMINA_ASSIGN_OR_RETURN(RecordedHandle recorded, record(begin, end, largest));
    found = recorded_.emplace(key, recorded).first;
  }
  return queue_.replay(found->second);
}

} // namespace lamina
