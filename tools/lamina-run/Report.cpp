//===- Report.cpp - results as JSON -------------------------------------------------------------------===//

#include "tools/lamina-run/Report.h"

#include "runtime/generate/ContextBound.h"

#include <nlohmann/json.hpp>

#include <cstdio>

namespace lamina::run {

using Json = nlohmann::ordered_json;

Json workersJson(const Engine &engine) {
  Json workers = Json::array();
  for (const WorkerInfo &worker : engine.workers())
    workers.push_back({{"name", worker.name},
                       {"class", worker.deviceClass},
                       {"pid", worker.pid},
                       {"device", worker.device},
                       {"bytes_sent", worker.bytesSent},
                       {"bytes_received", worker.bytesReceived},
                       {"busy_fraction", worker.busyFraction}});
  return workers;
}

Json generationJson(const GenerationResult &result, const Session &session) {
  const GenerationTimings &timings = result.timings;
  return {{"prompt_tokens", result.promptTokens},
          {"tokens", result.tokens},
          {"text", result.text},
          {"finish_reason", finishReasonName(result.finishReason)},
          {"timings",
           {{"load_ms", session.loadMs},
            {"prefill_ms", timings.prefillMs},
            {"prefill_tokens", timings.prefillTokens},
            {"first_token_ms", timings.firstTokenMs},
            {"decode_ms", timings.decodeMs},
            {"decode_tokens", timings.decodeTokens},
            {"prefill_tokens_per_second", perSecond(timings.prefillTokens, timings.prefillMs)},
            {"decode_tokens_per_second", perSecond(timings.decodeTokens, timings.decodeMs)}}},
          {"workers", workersJson(*session.engine)}};
}

Json portJson(const plan::Port &port) {
  return {{"name", port.name()},
          {"element_type", port.element_type()},
          {"shape", std::vector<uint64_t>(port.shape().begin(), port.shape().end())}};
}

void warnOfFullContext(const GenerationResult &result, const Session &session) {
  if (result.contextFull)
    std::fprintf(stderr, "lamina-run: warning: %s\n",
                 ContextBound(session.runner->limits()).fullText().c_str());
}

} // namespace lamina::run
