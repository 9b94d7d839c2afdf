//===- TraceSegment.h - what workers did, in memory that the front end reads ----------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_EXECUTOR_TRACESEGMENT_H
#define LAMINA_RUNTIME_EXECUTOR_TRACESEGMENT_H

#include "runtime/executor/Engine.h"
#include "runtime/executor/Executor.h"
#include "runtime/transport/SharedSegment.h"

namespace lamina {

/// A ring of trace records for each worker, shared with processes that are forked later. Without memory, as it
/// is made by default, nothing is recorded.
class TraceSegment {
public:
  static absl::StatusOr<TraceSegment> create(int workers);
  TraceSegment() = default;

  TraceRing ring(int worker) const;
  /// What has been recorded, worker after worker; times count from `begin`.
  std::vector<TraceEvent> events(const plan::Plan &plan, uint64_t begin) const;

private:
  SharedSegment segment_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_TRACESEGMENT_H
