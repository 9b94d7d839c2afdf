//===- VerifySchedule.cpp - checks what the executor relies on ------------------------------------------------===//

#include "dialects/LM/IR/LM.h"
#include "dialects/Plan/Transforms/Lifetimes.h"
#include "dialects/Plan/Transforms/Passes.h"

namespace lamina::plan {
#define GEN_PASS_DEF_PLANVERIFYSCHEDULEPASS
#include "dialects/Plan/Transforms/Passes.h.inc"
} // namespace lamina::plan

using namespace mlir;
using namespace lamina;
using namespace lamina::plan;

namespace {

/// The two ends of a transfer.
struct Ends {
  SendOp send;
  RecvOp recv;
};

LogicalResult verifyEnds(ModuleOp module) {
  llvm::MapVector<int64_t, Ends> transfers;
  WalkResult walk = module.walk([&](Operation *op) {
    if (auto send = dyn_cast<SendOp>(op)) {
      SendOp &known = transfers[send.getTransfer()].send;
      if (known)
        return op->emitOpError() << "sends transfer " << send.getTransfer() << " a second time",
               WalkResult::interrupt();
      known = send;
    }
    if (auto recv = dyn_cast<RecvOp>(op)) {
      RecvOp &known = transfers[recv.getTransfer()].recv;
      if (known)
        return op->emitOpError() << "receives transfer " << recv.getTransfer() << " a second time",
               WalkResult::interrupt();
      known = recv;
    }
    return WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return failure();
  for (auto &[index, ends] : transfers) {
    if (!ends.recv)
      return ends.send.emitOpError() << "has no recv of transfer " << index;
    if (!ends.send)
      return ends.recv.emitOpError() << "has no send of transfer " << index;
    auto sender = ends.send->getParentOfType<ProgramOp>(), receiver = ends.recv->getParentOfType<ProgramOp>();
    if (ends.send.getPeer() != receiver.getSymName() || ends.recv.getPeer() != sender.getSymName() ||
        ends.send.getBuffers().getTypes() != ends.recv.getBuffers().getTypes()) {
      InFlightDiagnostic diag = ends.recv.emitOpError() << "does not match the send of transfer " << index;
      diag.attachNote(ends.send.getLoc()) << "send is here";
      return diag;
    }
  }
  return success();
}

/// Runs all programs side by side: a program goes on until it waits for a transfer that has not been sent.
LogicalResult verifyProgress(ModuleOp module) {
  struct Cursor {
    ProgramOp program;
    Block::iterator next;
    llvm::DenseSet<int64_t> posted;
  };
  SmallVector<Cursor> cursors;
  for (ProgramOp program : module.getOps<ProgramOp>())
    cursors.push_back({program, program.getBody().front().begin(), {}});
  llvm::DenseSet<int64_t> sent;
  for (bool moved = true; moved;) {
    moved = false;
    for (Cursor &cursor : cursors)
      for (; cursor.next != cursor.program.getBody().front().end(); ++cursor.next, moved = true) {
        if (auto send = dyn_cast<SendOp>(*cursor.next))
          sent.insert(send.getTransfer());
        if (auto recv = dyn_cast<RecvOp>(*cursor.next))
          cursor.posted.insert(recv.getTransfer());
        auto wait = dyn_cast<WaitOp>(*cursor.next);
        if (!wait)
          continue;
        if (!cursor.posted.contains(wait.getTransfer()))
          return wait.emitOpError() << "waits for transfer " << wait.getTransfer() << " before its recv";
        if (!sent.contains(wait.getTransfer()))
          break;
        cursor.posted.erase(wait.getTransfer());
      }
  }
  for (Cursor &cursor : cursors) {
    if (cursor.next != cursor.program.getBody().front().end())
      return cursor.next->emitOpError("waits for ever: its transfer depends on what comes later");
    if (!cursor.posted.empty())
      return cursor.program.emitOpError()
             << "receives transfer " << *cursor.posted.begin() << " without a wait";
  }
  return success();
}

LogicalResult verifyPlaces(ProgramOp program, const StepLimits &limits) {
  SymbolTable symbols(program->getParentOp());
  int64_t weightsEnd = 0; // weights lie in the order of their buffers
  for (BufferOp buffer : program.getBody().front().getOps<BufferOp>()) {
    if (!buffer.getOffset())
      return buffer.emitOpError("has no place; run plan-assign-offsets first");
    if (buffer.getKind() != BufferKind::weight)
      continue;
    if (int64_t(*buffer.getOffset()) < weightsEnd)
      return buffer.emitOpError("shares memory with the weight before it");
    auto weight = symbols.lookup<lm::WeightOp>(*buffer.getSource());
    if (!weight ||
        weightBytes(weight.getTensorType()) != weightBytes(buffer.getResult().getType().getContents()))
      return buffer.emitOpError() << "expected an lm.weight of as many bytes, got: "
                                  << buffer.getSourceAttr();
    weightsEnd = *buffer.getOffset() + weightBytes(buffer.getResult().getType().getContents());
    if (!program.getWeightBytes() || weightsEnd > int64_t(*program.getWeightBytes()))
      return buffer.emitOpError("reaches beyond the weight shard");
  }
  ArenaUse use = collectArenaUse(program, limits);
  std::vector<uint64_t> offsets;
  for (auto [op, buffer] : llvm::zip(use.ops, use.buffers)) {
    offsets.push_back(*op.getOffset());
    if (!program.getArenaBytes() || offsets.back() + buffer.bytes > uint64_t(*program.getArenaBytes()))
      return op.emitOpError("reaches beyond the arena");
  }
  auto overlaps = findOverlaps(use.buffers, offsets);
  if (overlaps.empty())
    return success();
  InFlightDiagnostic diag =
      use.ops[overlaps.front().second].emitOpError("shares memory with a buffer alive at the same time");
  diag.attachNote(use.ops[overlaps.front().first].getLoc()) << "the other buffer";
  return diag;
}

struct PlanVerifySchedulePass : plan::impl::PlanVerifySchedulePassBase<PlanVerifySchedulePass> {
  using Base::Base;

  void runOnOperation() final {
    FailureOr<StepLimits> limits = StepLimits::get(getOperation());
    if (failed(limits) || failed(verifyEnds(getOperation())) || failed(verifyProgress(getOperation())))
      return signalPassFailure();
    for (ProgramOp program : getOperation().getOps<ProgramOp>())
      if (failed(verifyPlaces(program, *limits)))
        return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
