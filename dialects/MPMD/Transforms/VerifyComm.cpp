//===- VerifyComm.cpp - what communication promises ---------------------------------------------------===//

#include "dialects/MPMD/Transforms/Passes.h"
#include "dialects/MPMD/Transforms/Roles.h"
#include "dialects/MPMD/Transforms/Transfers.h"

using namespace mlir;
using namespace lamina::mpmd;

namespace lamina::mpmd {
#define GEN_PASS_DEF_MPMDVERIFYCOMMPASS
#include "dialects/MPMD/Transforms/Passes.h.inc"
} // namespace lamina::mpmd

namespace {

/// At most one transfer of a value to a class.
LogicalResult verifySentOnce(func::FuncOp step) {
  llvm::DenseMap<std::pair<Value, Attribute>, TransferOp> sent;
  for (TransferOp transfer : step.getOps<TransferOp>())
    for (Value input : transfer.getInputs()) {
      auto [first, isNew] = sent.try_emplace({input, transfer.getDestination()}, transfer);
      if (isNew)
        continue;
      InFlightDiagnostic diag = transfer.emitOpError()
                                << "moves a value to " << transfer.getDestination() << " a second time";
      diag.attachNote(first->second.getLoc()) << "moved here already";
      return diag;
    }
  return success();
}

/// What sends a query computes nothing else, so keys and values come after it.
LogicalResult verifyQueryAlone(FragmentOp fragment, ArrayRef<Value> queries) {
  Recomputable recomputable(fragment.getBody().front());
  auto needed = collectNeeded(queries, recomputable);
  for (Operation &op : fragment.getBody().front().without_terminator())
    if (!recomputable.contains(&op) && !needed.contains(&op)) {
      InFlightDiagnostic diag = fragment.emitOpError("delays the query by what does not need it");
      diag.attachNote(op.getLoc()) << "this operation";
      return diag;
    }
  return success();
}

/// The transfer of the query leaves before anything else runs.
LogicalResult verifyQuerySentAtOnce(FragmentOp fragment) {
  for (Value result : fragment.getOutputs()) {
    if (purposeOf(result) != Purpose::Query)
      continue;
    for (Operation *user : result.getUsers()) {
      if (!isa<TransferOp>(user))
        continue;
      for (Operation *op = fragment->getNextNode(); op != user; op = op->getNextNode())
        if (!isa<TransferOp>(op)) {
          InFlightDiagnostic diag = user->emitOpError("of the query waits for another fragment");
          diag.attachNote(op->getLoc()) << "this fragment";
          return diag;
        }
    }
  }
  return success();
}

LogicalResult verifyQueryFirst(func::FuncOp step) {
  for (FragmentOp fragment : step.getOps<FragmentOp>()) {
    SmallVector<Value> queries = returnedFor(fragment, Purpose::Query);
    if (queries.empty())
      continue;
    if (failed(verifyQueryAlone(fragment, queries)) || failed(verifyQuerySentAtOnce(fragment)))
      return failure();
  }
  return success();
}

struct VerifyCommPass : public lamina::mpmd::impl::MPMDVerifyCommPassBase<VerifyCommPass> {
  using Base::Base;

  void runOnOperation() final {
    for (func::FuncOp step : findSteps(getOperation()))
      if (failed(verifyAllInFragments(step)) || failed(verifySentOnce(step)) ||
          failed(verifyNoWeightMoves(step)) || failed(verifyQueryFirst(step)))
        return signalPassFailure();
  }
};

} // namespace
