//===- VerifyPartition.cpp - what the partition promises ----------------------------------------------===//

#include "dialects/MPMD/Analysis/AttentionCuts.h"
#include "dialects/MPMD/Transforms/Passes.h"
#include "dialects/MPMD/Transforms/Roles.h"
#include "dialects/MPMD/Transforms/Transfers.h"

using namespace mlir;
using namespace lamina::mpmd;

namespace lamina::mpmd {
#define GEN_PASS_DEF_MPMDVERIFYPARTITIONPASS
#include "dialects/MPMD/Transforms/Passes.h.inc"
} // namespace lamina::mpmd

namespace {

/// What runs once runs in one fragment: as many such operations as the step had.
LogicalResult verifyOperations(func::FuncOp step) {
  int64_t operations = 0;
  for (FragmentOp fragment : step.getOps<FragmentOp>()) {
    Recomputable recomputable(fragment.getBody().front());
    for (Operation &inner : fragment.getBody().front().without_terminator())
      operations += !recomputable.contains(&inner);
  }
  auto expected = step->getAttrOfType<IntegerAttr>(kOperationsAttr);
  if (!expected)
    return step.emitOpError() << "has no " << kOperationsAttr << ": it is not partitioned";
  if (operations != expected.getInt())
    return step.emitOpError() << "had " << expected.getInt()
                              << " operations that run once, its fragments hold " << operations;
  return success();
}

/// n memory fragments with an attention each and n + 1 compute fragments without; one fragment of all if
/// monolithic.
LogicalResult verifyFragments(func::FuncOp step, const Roles &roles) {
  size_t compute = 0, memory = 0;
  for (FragmentOp fragment : step.getOps<FragmentOp>()) {
    auto attentions = fragment.getBody().getOps<lamina::lm::AttentionOpInterface>();
    size_t count = std::distance(attentions.begin(), attentions.end());
    bool onMemory = fragment.getDeviceClassAttr() == roles.memory;
    ++(onMemory ? memory : compute);
    if (!roles.isMonolithic() && count != onMemory)
      return fragment.emitOpError() << "on " << fragment.getDeviceClassAttr() << " holds " << count
                                    << " attentions, expected " << int(onMemory);
  }
  if (roles.isMonolithic() && memory != 1)
    return step.emitOpError() << "has " << memory << " fragments, expected one of everything";
  if (!roles.isMonolithic() && compute != memory + 1)
    return step.emitOpError() << "has " << memory << " attentions and " << compute
                              << " compute fragments, expected " << memory + 1;
  return success();
}

/// Per memory fragment: bytes per token on the compute class that are defined before it and used by a
/// fragment after it.
SmallVector<int64_t> measureContexts(func::FuncOp step, ArrayRef<FragmentOp> attentions, const Roles &roles) {
  SmallVector<int64_t> contexts(attentions.size());
  auto firstAfter = [&](Operation *op) {
    return llvm::partition_point(attentions, [&](FragmentOp it) { return it->isBeforeInBlock(op); });
  };
  auto add = [&](Value value) {
    auto type = dyn_cast<PlacedType>(value.getType());
    if (!type || type.getDeviceClass() != roles.compute)
      return;
    Operation *last = nullptr;
    for (Operation *user : value.getUsers())
      if (!isa<TransferOp>(user) && (!last || last->isBeforeInBlock(user)))
        last = user;
    const FragmentOp *begin = value.getDefiningOp() ? firstAfter(value.getDefiningOp()) : attentions.begin();
    const FragmentOp *end = last ? firstAfter(last) : begin;
    for (; begin < end; ++begin)
      contexts[begin - attentions.begin()] += bytesPerToken(type.getValueType()).value_or(0);
  };
  llvm::for_each(step.getArguments(), add);
  for (Operation &op : step.getBody().front())
    llvm::for_each(op.getResults(), add);
  return contexts;
}

LogicalResult verifyCuts(func::FuncOp step, const Roles &roles) {
  auto cutBytes = step->getAttrOfType<DenseI64ArrayAttr>(kCutBytesAttr);
  if (!cutBytes)
    return step.emitOpError() << "has no " << kCutBytesAttr << ": it is not partitioned";
  SmallVector<FragmentOp> attentions;
  if (!roles.isMonolithic())
    for (FragmentOp fragment : step.getOps<FragmentOp>())
      if (fragment.getDeviceClassAttr() == roles.memory)
        attentions.push_back(fragment);
  if (size_t(cutBytes.size()) != attentions.size())
    return step.emitOpError() << "has " << attentions.size() << " attentions, its " << kCutBytesAttr
                              << " tells of " << cutBytes.size();
  SmallVector<int64_t> contexts = measureContexts(step, attentions, roles);
  for (auto [attention, bytes, minimum] : llvm::zip_equal(attentions, contexts, cutBytes.asArrayRef()))
    if (bytes != minimum)
      return attention.emitOpError() << "keeps " << bytes << " bytes per token on " << roles.compute
                                     << ", the minimum cut " << minimum;
  return success();
}

struct VerifyPartitionPass : public lamina::mpmd::impl::MPMDVerifyPartitionPassBase<VerifyPartitionPass> {
  using Base::Base;

  void runOnOperation() final {
    FailureOr<Roles> roles = findRoles(getOperation());
    if (failed(roles))
      return signalPassFailure();
    for (func::FuncOp step : findSteps(getOperation()))
      if (failed(verifyAllInFragments(step)) || failed(verifyOperations(step)) ||
          failed(verifyFragments(step, *roles)) || failed(verifyCuts(step, *roles)) ||
          failed(verifyNoWeightMoves(step)))
        return signalPassFailure();
  }
};

} // namespace
