//===- MergeTransfers.cpp - one message for what is made and needed together --------------------------===//

#include "dialects/MPMD/Transforms/Passes.h"
#include "dialects/MPMD/Transforms/Roles.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace lamina::mpmd;

namespace lamina::mpmd {
#define GEN_PASS_DEF_MPMDMERGETRANSFERSPASS
#include "dialects/MPMD/Transforms/Passes.h.inc"
} // namespace lamina::mpmd

namespace {

/// Transfers whose operands come from one operation, go to one class and are read by the same operations
/// there.
struct Group {
  llvm::SetVector<Operation *> consumers;
  SmallVector<TransferOp> transfers;
};

SmallVector<Group> findGroups(func::FuncOp step) {
  // By producer and destination; the few groups of one producer are compared one by one.
  llvm::MapVector<std::pair<Operation *, Attribute>, SmallVector<Group>> groups;
  for (TransferOp transfer : step.getOps<TransferOp>()) {
    Operation *producer = transfer.getInputs().front().getDefiningOp();
    if (!llvm::all_of(transfer.getInputs(), [&](Value input) { return input.getDefiningOp() == producer; }))
      continue;
    llvm::SetVector<Operation *> consumers;
    for (Operation *user : transfer->getUsers())
      consumers.insert(user);
    SmallVector<Group> &candidates = groups[{producer, transfer.getDestination()}];
    auto isSame = [&](const Group &group) {
      return group.consumers.size() == consumers.size() &&
             llvm::all_of(consumers, [&](Operation *op) { return group.consumers.contains(op); });
    };
    Group *group = llvm::find_if(candidates, isSame);
    if (group == candidates.end())
      group = &candidates.emplace_back(Group{std::move(consumers), {}});
    group->transfers.push_back(transfer);
  }
  SmallVector<Group> result;
  for (auto &[key, candidates] : groups)
    llvm::move(candidates, std::back_inserter(result));
  return result;
}

/// All have one producer, so the place of the first of them suits the others.
void merge(ArrayRef<TransferOp> transfers) {
  SmallVector<Value> inputs, outputs;
  SmallVector<Location> locs;
  for (TransferOp transfer : transfers) {
    llvm::append_range(inputs, transfer.getInputs());
    llvm::append_range(outputs, transfer.getOutputs());
    locs.push_back(transfer.getLoc());
  }
  TransferOp first = transfers.front();
  OpBuilder builder(first);
  auto merged = TransferOp::create(builder, builder.getFusedLoc(locs), inputs, first.getDestination());
  for (auto [output, replacement] : llvm::zip_equal(outputs, merged.getOutputs()))
    output.replaceAllUsesWith(replacement);
  for (TransferOp transfer : transfers)
    transfer->erase();
}

struct MergeTransfersPass : public lamina::mpmd::impl::MPMDMergeTransfersPassBase<MergeTransfersPass> {
  using Base::Base;

  void runOnOperation() final {
    for (func::FuncOp step : findSteps(getOperation()))
      for (const Group &group : findGroups(step))
        if (group.transfers.size() > 1)
          merge(group.transfers);
  }
};

} // namespace
