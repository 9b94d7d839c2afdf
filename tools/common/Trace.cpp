//===- Trace.cpp - a run as Chrome trace events -------------------------------------------------------===//
//
// Lanes: one per worker with every instruction, and one for communication. A transfer's bar begins with its
// send. It ends when the receiver has it if the receiver was waiting by then; otherwise the moment of arrival
// is unknown and it ends with the send. Bars of one lane may not overlap, so a transfer that overtakes
// another begins where that one ends.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "tools/common/Trace.h"

#include "runtime/base/StrCat.h"
#include "tools/common/Text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>

namespace lamina {
namespace {

using Json = nlohmann::ordered_json;

const char *kindName(TraceEvent::Kind kind) {
  switch (kind) {
  case TraceEvent::Kind::Dispatch:
    return "dispatch";
  case TraceEvent::Kind::Send:
    return "send";
  case TraceEvent::Kind::Recv:
    return "recv";
  case TraceEvent::Kind::Wait:
    return "wait";
  case TraceEvent::Kind::Collective:
    return "collective";
  }
  return "";
}

Json laneName(size_t lane, const std::string &name) {
  return {{"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", lane}, {"args", {{"name", name}}}};
}

/// Times are microseconds in this format.
Json bar(const std::string &name, const char *category, size_t lane, uint64_t begin, uint64_t end,
         Json args) {
  return {{"name", name},
          {"cat", category},
          {"ph", "X"},
          {"pid", 1},
          {"tid", lane},
          {"ts", static_cast<double>(begin) * 1e-3},
          {"dur", static_cast<double>(end - begin) * 1e-3},
          {"args", std::move(args)}};
}

struct Transfer {
  const TraceEvent *send;
  uint64_t end;
};

std::vector<Transfer> transfersOf(const std::vector<TraceEvent> &events) {
  std::map<std::pair<uint64_t, std::string_view>, const TraceEvent *> waits;
  for (const TraceEvent &event : events)
    if (event.kind == TraceEvent::Kind::Wait)
      waits[{event.step, event.label}] = &event;
  std::vector<Transfer> transfers;
  for (const TraceEvent &event : events) {
    if (event.kind != TraceEvent::Kind::Send)
      continue;
    auto wait = waits.find({event.step, event.label});
    bool awaited = wait != waits.end() && wait->second->beginNanoseconds <= event.endNanoseconds;
    transfers.push_back({&event, awaited ? std::max(wait->second->endNanoseconds, event.endNanoseconds)
                                         : event.endNanoseconds});
  }
  std::sort(transfers.begin(), transfers.end(), [](const Transfer &a, const Transfer &b) {
    return a.send->beginNanoseconds < b.send->beginNanoseconds;
  });
  return transfers;
}

void keepWholeSteps(std::vector<TraceEvent> &events, uint64_t capacity, const std::string &path) {
  uint64_t first = firstWholeStep(events, capacity), end = first;
  std::erase_if(events, [&](const TraceEvent &event) { return event.step < first; });
  for (const TraceEvent &event : events)
    end = std::max(end, event.step + 1);
  if (first > 1)
    std::fprintf(stderr, "%s: warning: only the last %llu steps are in '%s': the trace holds no more\n",
                 program_invocation_short_name, static_cast<unsigned long long>(end - first), path.c_str());
}

struct FileCloser {
  void operator()(std::FILE *file) const { std::fclose(file); }
};

absl::Status cannotWrite(const std::string &path) {
  return absl::UnavailableError(
      strCat("cannot write '", path, "': ", std::strerror(errno), "; give --trace another file"));
}

} // namespace

absl::Status checkTraceFile(const std::string &path) {
  std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "ae"));
  return file ? absl::OkStatus() : cannotWrite(path);
}

uint64_t firstWholeStep(std::span<const TraceEvent> events, uint64_t capacity) {
  struct Kept {
    uint64_t events = 0;
    uint64_t firstStep = 0;
  };
  std::map<int, Kept> workers;
  for (const TraceEvent &event : events)
    if (Kept &kept = workers[event.worker]; kept.events++ == 0)
      kept.firstStep = event.step;
  uint64_t first = 1;
  for (const auto &[worker, kept] : workers)
    if (kept.events >= capacity) // the beginning of its first step may be lost
      first = std::max(first, kept.firstStep + 1);
  return first;
}

absl::Status writeTrace(const Engine &engine, const std::string &path) {
  return writeTrace(engine.workers(), engine.trace(), Engine::kTraceCapacity, path);
}

absl::Status writeTrace(const std::vector<WorkerInfo> &workers, std::vector<TraceEvent> events,
                        uint64_t capacity, const std::string &path) {
  std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "we"));
  if (!file)
    return cannotWrite(path);
  // Streamed, because a long run has millions of events.
  bool first = true;
  auto put = [&](const Json &event) {
    std::fprintf(file.get(), "%s%s", first ? "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n" : ",\n",
                 dumpLine(event).c_str());
    first = false;
  };
  for (size_t i = 0; i < workers.size(); ++i)
    put(laneName(i, workers[i].name));
  put(laneName(workers.size(), "communication"));
  keepWholeSteps(events, capacity, path);
  for (const TraceEvent &event : events)
    put(bar(event.label.empty() ? kindName(event.kind) : event.label, kindName(event.kind),
            static_cast<size_t>(event.worker), event.beginNanoseconds, event.endNanoseconds,
            {{"kind", kindName(event.kind)}, {"step", event.step}, {"slice", event.slice}}));
  uint64_t laneEnd = 0;
  for (const Transfer &transfer : transfersOf(events)) {
    uint64_t begin = std::max(transfer.send->beginNanoseconds, laneEnd);
    laneEnd = std::max(begin, transfer.end);
    put(bar(
        transfer.send->label, "transfer", workers.size(), begin, laneEnd,
        {{"from", workers[static_cast<size_t>(transfer.send->worker)].name}, {"step", transfer.send->step}}));
  }
  std::fprintf(file.get(), "\n]}\n");
  bool broken = std::ferror(file.get()) != 0;
  return std::fclose(file.release()) != 0 || broken ? cannotWrite(path) : absl::OkStatus();
}

} // namespace lamina
