//===- ProgramMemory.cpp - what a worker needs of its device's memory -----------------------------------------===//

#include "dialects/Plan/Transforms/ProgramMemory.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lamina;
using namespace lamina::plan;
using llvm::SaturatingAdd;
using llvm::SaturatingMultiply;

uint64_t ProgramMemory::total() const {
  return SaturatingAdd(SaturatingAdd(weights, arena), SaturatingAdd(cache, transfers));
}

/// Adds one message to what is known of its link.
static uint64_t noteMessage(llvm::StringMap<uint64_t> &largest, const Twine &link, OperandRange buffers,
                            const StepLimits &limits) {
  uint64_t rowBytesOfAll = 0, rows = 0;
  for (Value buffer : buffers) {
    rowBytesOfAll += contentsRowBytes(cast<BufferType>(buffer.getType()).getContents());
    rows = limits.rows(buffer.getDefiningOp<BufferOp>().getExtent());
  }
  uint64_t &known = largest[link.str()];
  known = std::max(known, SaturatingMultiply(rowBytesOfAll, rows));
  return rowBytesOfAll;
}

ProgramMemory plan::memoryOf(ProgramOp program, const StepLimits &limits) {
  ProgramMemory memory;
  memory.weights = program.getWeightBytes().value_or(0);
  memory.arena = program.getArenaBytes().value_or(0);
  llvm::StringMap<uint64_t> largest;
  for (Operation &op : program.getBody().front()) {
    if (auto send = dyn_cast<SendOp>(op))
      memory.sent += noteMessage(largest, "to " + send.getPeer(), send.getBuffers(), limits);
    else if (auto recv = dyn_cast<RecvOp>(op))
      noteMessage(largest, "from " + recv.getPeer(), recv.getBuffers(), limits);
    else if (auto buffer = dyn_cast<BufferOp>(op); buffer && buffer.getKind() == BufferKind::cache)
      memory.pageBytes =
          SaturatingAdd(memory.pageBytes, uint64_t(pageBytes(buffer.getResult().getType().getContents())));
  }
  memory.cache = SaturatingMultiply(memory.pageBytes, uint64_t(limits.kvPages));
  for (auto &entry : largest)
    memory.transfers = SaturatingAdd(memory.transfers, SaturatingMultiply(entry.second, uint64_t(2)));
  return memory;
}
