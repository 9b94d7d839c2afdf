//===- Report.cpp - results as JSON and tables
//-----------------------------------------------------------------===//

#include "tools/lamina-run/Report.h"

#include "runtime/base/StrCat.h"

#include <nlohmann/json.hpp>

#include <algorithm>
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

namespace {

void printRates(std::span<const GenerationResult> results, const Session &session) {
  int64_t prefillTokens = 0, decodeTokens = 0;
  double prefillMs = 0, decodeMs = 0, firstMs = 0;
  for (const GenerationResult &result : results) {
    prefillTokens += result.timings.prefillTokens;
    decodeTokens += result.timings.decodeTokens;
    // Requests run side by side, so their times overlap: the longest stands for all.
    prefillMs = std::max(prefillMs, result.timings.prefillMs);
    decodeMs = std::max(decodeMs, result.timings.decodeMs);
    firstMs = std::max(firstMs, result.timings.firstTokenMs);
  }
  std::fprintf(stderr, "loading      %10.1f ms\n", session.loadMs);
  std::fprintf(stderr, "first token  %10.1f ms after the prompt was given%s\n", firstMs,
               results.size() > 1 ? ", the slowest of all prompts" : "");
  std::fprintf(stderr, "prompt       %10.1f ms for %lld tokens: %.1f tokens/s\n", prefillMs,
               static_cast<long long>(prefillTokens), perSecond(prefillTokens, prefillMs));
  std::fprintf(stderr, "generation   %10.1f ms for %lld tokens: %.1f tokens/s\n", decodeMs,
               static_cast<long long>(decodeTokens), perSecond(decodeTokens, decodeMs));
}

} // namespace

void printStats(std::span<const GenerationResult> results, const Session &session, double wallMs) {
  printRates(results, session);
  const StepTotals &totals = session.runner->totals();
  if (totals.steps == 0)
    return;
  double steps = static_cast<double>(totals.steps), tokens = static_cast<double>(totals.tokens);
  double stepMs = static_cast<double>(totals.wallNanoseconds) * 1e-6;
  std::fprintf(stderr,
               "%llu steps over %llu tokens, %.3f ms each; between steps (sampling, text) %.3f ms\n\n",
               static_cast<unsigned long long>(totals.steps), static_cast<unsigned long long>(totals.tokens),
               stepMs / steps, std::max(0.0, wallMs - stepMs) / steps);
  std::fprintf(stderr, "%-12s %-10s %14s %14s %7s %16s %16s\n", "worker", "class", "busy ms/step",
               "wait ms/step", "busy", "sent/token", "received/token");
  std::vector<WorkerInfo> workers = session.engine->workers();
  uint64_t moved = 0;
  for (size_t i = 0; i < workers.size(); ++i) {
    double busy = static_cast<double>(totals.workers[i].busyNanoseconds) * 1e-6 / steps;
    double wait = static_cast<double>(totals.workers[i].waitNanoseconds) * 1e-6 / steps;
    moved += workers[i].bytesSent;
    std::fprintf(stderr, "%-12s %-10s %14.3f %14.3f %6.1f%% %16s %16s\n", workers[i].name.c_str(),
                 workers[i].deviceClass.c_str(), busy, wait, workers[i].busyFraction * 100,
                 bytesText(static_cast<double>(workers[i].bytesSent) / tokens).c_str(),
                 bytesText(static_cast<double>(workers[i].bytesReceived) / tokens).c_str());
  }
  std::fprintf(stderr, "over all links %s per token\n",
               bytesText(static_cast<double>(moved) / tokens).c_str());
}

} // namespace lamina::run
