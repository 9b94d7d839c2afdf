//===- Report.cpp - results as JSON -------------------------------------------------------------------===//

#include "tools/lamina-run/Report.h"

#include <nlohmann/json.hpp>

#include <cstdio>

namespace lamina::run {

using Json = nlohmann::ordered_json;

std::string bytesText(double bytes) {
  static constexpr const char *units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(units); ++unit)
    bytes /= 1024;
  char text[64];
  std::snprintf(text, sizeof(text), unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
  return text;
}

std::string countText(uint64_t count) {
  char text[64];
  if (count >= 1000000000)
    std::snprintf(text, sizeof(text), "%.2f billion", static_cast<double>(count) * 1e-9);
  else if (count >= 1000000)
    std::snprintf(text, sizeof(text), "%.1f million", static_cast<double>(count) * 1e-6);
  else if (count >= 10000)
    std::snprintf(text, sizeof(text), "%.0f thousand", static_cast<double>(count) * 1e-3);
  else
    std::snprintf(text, sizeof(text), "%llu", static_cast<unsigned long long>(count));
  return text;
}

std::string dumpLine(const Json &json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

double perSecond(int64_t tokens, double milliseconds) {
  return milliseconds > 0 ? static_cast<double>(tokens) * 1000 / milliseconds : 0;
}

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

} // namespace lamina::run
