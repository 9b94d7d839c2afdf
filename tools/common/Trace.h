//===- Trace.h - a run as Chrome trace events -----------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_TRACE_H
#define LAMINA_TOOLS_COMMON_TRACE_H

#include "runtime/base/Status.h"

#include <string>

namespace lamina {

class Engine;

/// --trace: Chrome's trace event format, one lane per worker and one for communication.
absl::Status writeTrace(const Engine &engine, const std::string &path);
/// Whether it can be written, before a long run.
absl::Status checkTraceFile(const std::string &path);

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_TRACE_H
