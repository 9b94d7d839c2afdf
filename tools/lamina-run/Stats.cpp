//===- Stats.cpp - --stats ----------------------------------------------------------------------------===//

#include "tools/common/Trace.h"
#include "tools/lamina-run/Report.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>
#include <set>
#include <string_view>

namespace lamina::run {
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
  if (results.empty())
    return;
  std::fprintf(stderr, "first token  %10.1f ms after the prompt was given%s\n", firstMs,
               results.size() > 1 ? ", the slowest of all prompts" : "");
  std::fprintf(stderr, "prompt       %10.1f ms for %lld tokens: %.1f tokens/s\n", prefillMs,
               static_cast<long long>(prefillTokens), perSecond(prefillTokens, prefillMs));
  std::fprintf(stderr, "generation   %10.1f ms for %lld tokens: %.1f tokens/s\n", decodeMs,
               static_cast<long long>(decodeTokens), perSecond(decodeTokens, decodeMs));
}

/// "blk.12.ffn_up" and "blk.12 q" without the layer, so that equal work of all layers adds up.
std::string_view withoutLayer(std::string_view label) {
  if (!label.starts_with("blk."))
    return label;
  size_t end = 4;
  while (end < label.size() && std::isdigit(static_cast<unsigned char>(label[end])))
    ++end;
  return end + 1 < label.size() ? label.substr(end + 1) : label;
}

std::string activityOf(const TraceEvent &event) {
  std::string label(withoutLayer(event.label));
  switch (event.kind) {
  case TraceEvent::Kind::Dispatch:
  case TraceEvent::Kind::Collective:
    return label;
  case TraceEvent::Kind::Send:
    return "send " + label;
  case TraceEvent::Kind::Recv:
    return "receive " + label;
  case TraceEvent::Kind::Wait:
    return "wait for " + label;
  }
  return label;
}

/// What a worker spent its time on from a step on, the most expensive first.
void printActivities(const WorkerInfo &worker, int index, const std::vector<TraceEvent> &events,
                     uint64_t firstStep) {
  constexpr size_t kShown = 8;
  std::map<std::string, uint64_t> sums;
  std::set<uint64_t> steps;
  uint64_t total = 0;
  for (const TraceEvent &event : events) {
    if (event.worker != index || event.step < firstStep)
      continue;
    uint64_t duration = event.endNanoseconds - event.beginNanoseconds;
    sums[activityOf(event)] += duration;
    total += duration;
    steps.insert(event.step);
  }
  if (total == 0)
    return;
  std::vector<std::pair<uint64_t, std::string>> sorted;
  for (const auto &[name, sum] : sums)
    sorted.emplace_back(sum, name);
  std::sort(sorted.begin(), sorted.end(), [](const auto &a, const auto &b) { return a.first > b.first; });
  std::fprintf(stderr, "\n%-28s ms/step   share\n", worker.name.c_str());
  auto line = [&](const std::string &name, uint64_t sum) {
    std::fprintf(stderr, "  %-26s %7.3f  %5.1f%%\n", name.c_str(),
                 static_cast<double>(sum) * 1e-6 / static_cast<double>(steps.size()),
                 static_cast<double>(sum) * 100 / static_cast<double>(total));
  };
  for (size_t i = 0; i < std::min(kShown, sorted.size()); ++i)
    line(sorted[i].second, sorted[i].first);
  uint64_t rest = 0;
  for (size_t i = kShown; i < sorted.size(); ++i)
    rest += sorted[i].first;
  if (rest > 0)
    line("everything else", rest);
}

void printWorkers(const StepTotals &totals, const std::vector<WorkerInfo> &workers) {
  double steps = static_cast<double>(totals.steps), tokens = static_cast<double>(totals.tokens);
  std::fprintf(stderr, "\n%-12s %-10s %14s %14s %7s %16s %16s\n", "worker", "class", "busy ms/step",
               "wait ms/step", "busy", "sent/token", "received/token");
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
  for (const WorkerInfo &worker : workers)
    if (!worker.note.empty())
      std::fprintf(stderr, "%s: %s\n", worker.name.c_str(), worker.note.c_str());
}

} // namespace

void printStats(std::span<const GenerationResult> results, const Session &session, double wallMs) {
  printRates(results, session);
  const StepTotals &totals = session.runner->totals();
  if (totals.steps == 0)
    return;
  double steps = static_cast<double>(totals.steps),
         stepMs = static_cast<double>(totals.wallNanoseconds) * 1e-6;
  std::fprintf(
      stderr,
      "steps        %10.1f ms for %llu steps of %.1f tokens: %.3f ms each, and %.3f ms between them\n",
      stepMs, static_cast<unsigned long long>(totals.steps), static_cast<double>(totals.tokens) / steps,
      stepMs / steps, std::max(0.0, wallMs - stepMs) / steps);
  std::vector<WorkerInfo> workers = session.engine->workers();
  printWorkers(totals, workers);
  std::vector<TraceEvent> events = session.engine->trace();
  uint64_t first = firstWholeStep(events, Engine::kTraceCapacity);
  if (first > 1)
    std::fprintf(stderr, "\nonly the last %llu steps are shown below: the trace holds no more\n",
                 static_cast<unsigned long long>(totals.steps + 1 - std::min(first, totals.steps + 1)));
  for (size_t i = 0; i < workers.size(); ++i)
    printActivities(workers[i], static_cast<int>(i), events, first);
}

} // namespace lamina::run
