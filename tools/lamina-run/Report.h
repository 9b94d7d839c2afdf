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

/// An input or output: its name, element type and shape.
nlohmann::ordered_json portJson(const plan::Port &port);

/// Warns on standard error if the context ended the generation.
void warnOfFullContext(const GenerationResult &result, const Session &session);

/// --stats, on standard error: rates, and where the time of a step went in each worker (from the engine's
/// trace).
void printStats(std::span<const GenerationResult> results, const Session &session, double wallMs);

} // namespace lamina::run

#endif // LAMINA_TOOLS_LAMINA_RUN_REPORT_H
