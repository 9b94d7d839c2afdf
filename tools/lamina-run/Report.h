//===- Report.h - results as JSON and tables ------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_RUN_REPORT_H
#define LAMINA_TOOLS_LAMINA_RUN_REPORT_H

#include "runtime/generate/Request.h"
#include "tools/common/Text.h"
#include "tools/lamina-run/Session.h"

#include <nlohmann/json_fwd.hpp>

#include <span>
#include <string>

namespace lamina::run {

/// The object of one generation as described in docs/formats/generation-json.md.
nlohmann::ordered_json generationJson(const GenerationResult &result, const Session &session);
/// The "workers" of it.
nlohmann::ordered_json workersJson(const Engine &engine);

/// --stats, on standard error: rates, and where the time of a step went in each worker (from the engine's
/// trace).
void printStats(std::span<const GenerationResult> results, const Session &session, double wallMs);

/// The first step of which the events hold everything, where each worker keeps the last `capacity` of its
/// own.
uint64_t firstWholeStep(std::span<const TraceEvent> events, uint64_t capacity);

} // namespace lamina::run

#endif // LAMINA_TOOLS_LAMINA_RUN_REPORT_H
