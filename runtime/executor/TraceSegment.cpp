//===- TraceSegment.cpp - what workers did, in memory that the front end reads --------------------------===//

#include "runtime/executor/TraceSegment.h"

#include <algorithm>

namespace lamina {
namespace {

/// The count, padded to one record, then the records.
constexpr uint64_t kRingBytes = (Engine::kTraceCapacity + 1) * sizeof(TraceRecord);

TraceEvent::Kind traceKind(const plan::Instruction &instruction) {
  switch (instruction.kind_case()) {
  case plan::Instruction::kSend:
    return TraceEvent::Kind::Send;
  case plan::Instruction::kRecv:
    return TraceEvent::Kind::Recv;
  case plan::Instruction::kWait:
    return TraceEvent::Kind::Wait;
  case plan::Instruction::kCollective:
    return TraceEvent::Kind::Collective;
  default:
    return TraceEvent::Kind::Dispatch;
  }
}

std::string traceLabel(const plan::Plan &plan, const plan::Worker &worker,
                       const plan::Instruction &instruction) {
  switch (instruction.kind_case()) {
  case plan::Instruction::kDispatch:
    return instruction.dispatch().label();
  case plan::Instruction::kSend:
    return plan.transfers(int(instruction.send().transfer())).label();
  case plan::Instruction::kRecv:
    return plan.transfers(int(instruction.recv().transfer())).label();
  case plan::Instruction::kWait:
    return plan.transfers(int(instruction.wait().transfer())).label();
  default:
    return worker.buffers(int(instruction.collective().buffer())).name();
  }
}

} // namespace

absl::StatusOr<TraceSegment> TraceSegment::create(int workers) {
  TraceSegment trace;
  LAMINA_ASSIGN_OR_RETURN(trace.segment_, SharedSegment::create(uint64_t(workers) * kRingBytes, "the trace"));
  return trace;
}

TraceRing TraceSegment::ring(int worker) const {
  if (segment_.data() == nullptr)
    return {};
  std::byte *base = segment_.data() + uint64_t(worker) * kRingBytes;
  return {reinterpret_cast<std::atomic<uint64_t> *>(base),
          {reinterpret_cast<TraceRecord *>(base + sizeof(TraceRecord)), Engine::kTraceCapacity}};
}

std::vector<TraceEvent> TraceSegment::events(const plan::Plan &plan, uint64_t begin) const {
  std::vector<TraceEvent> events;
  for (int i = 0; segment_.data() != nullptr && i < plan.workers_size(); ++i) {
    const plan::Worker &worker = plan.workers(i);
    TraceRing trace = ring(i);
    uint64_t count = trace.count->load(std::memory_order_acquire);
    for (uint64_t k = count - std::min<uint64_t>(count, trace.records.size()); k < count; ++k) {
      const TraceRecord &record = trace.records[k % trace.records.size()];
      const plan::Instruction &instruction = worker.program(int(record.instruction));
      events.push_back({i, traceKind(instruction), traceLabel(plan, worker, instruction), instruction.slice(),
                        record.step, record.begin - begin, record.end - begin});
    }
  }
  return events;
}

} // namespace lamina
