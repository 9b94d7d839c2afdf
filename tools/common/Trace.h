//===- Trace.h - a run as Chrome trace events -----------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_TRACE_H
#define LAMINA_TOOLS_COMMON_TRACE_H

#include "runtime/base/Status.h"
#include "runtime/executor/Engine.h"

#include <span>
#include <string>
#include <vector>

namespace lamina {

/// The first step of which the events hold everything, where each worker keeps the last `capacity` of its
/// own.
uint64_t firstWholeStep(std::span<const TraceEvent> events, uint64_t capacity);

/// --trace: Chrome's trace event format, one lane per worker and one for communication. Steps that are not whole any more
/// are left out, and standard error says so.
absl::Status writeTrace(const Engine &engine, const std::string &path);
absl::Status writeTrace(const std::vector<WorkerInfo> &workers, std::vector<TraceEvent> events,
                        uint64_t capacity, const std::string &path);
/// Whether it can be written, before a long run.
absl::Status checkTraceFile(const std::string &path);

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_TRACE_H
