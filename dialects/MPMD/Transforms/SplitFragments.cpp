//===- SplitFragments.cpp - query first, keys and values after it -------------------------------------===//

#include "dialects/MPMD/Transforms/FragmentBuilder.h"
#include "dialects/MPMD/Transforms/Passes.h"
#include "dialects/MPMD/Transforms/Roles.h"
#include "dialects/MPMD/Transforms/Transfers.h"

using namespace mlir;
using namespace lamina::mpmd;

namespace lamina::mpmd {
#define GEN_PASS_DEF_MPMDSPLITFRAGMENTSPASS
#include "dialects/MPMD/Transforms/Passes.h.inc"
} // namespace lamina::mpmd

namespace {

/// The fragments that one is split into, in the order in which they run.
struct Part {
  StringRef suffix;
  SmallVector<Operation *> ops;
};

SmallVector<Part> findParts(FragmentOp fragment, const Recomputable &recomputable) {
  Part query{".q", {}}, state{".kv", {}}, rest{".rest", {}};
  auto forQuery = collectNeeded(returnedFor(fragment, Purpose::Query), recomputable);
  auto forState = collectNeeded(returnedFor(fragment, Purpose::State), recomputable);
  for (Operation &op : fragment.getBody().front().without_terminator())
    if (!recomputable.contains(&op))
      (forQuery.contains(&op) ? query : forState.contains(&op) ? state : rest).ops.push_back(&op);
  SmallVector<Part> parts;
  for (Part *part : {&query, &state, &rest})
    if (!part->ops.empty())
      parts.push_back(std::move(*part));
  return parts;
}

void split(FragmentOp fragment) {
  Recomputable recomputable(fragment.getBody().front());
  SmallVector<Part> parts = findParts(fragment, recomputable);
  if (parts.size() < 2)
    return;
  OpBuilder builder(fragment);
  FragmentBuilder fragments(builder, recomputable);
  for (auto [argument, input] : llvm::zip_equal(fragment.getBody().getArguments(), fragment.getInputs()))
    fragments.place(argument, input);
  for (const Part &part : parts)
    fragments.build(fragment.getLoc(), fragment.getDeviceClassAttr(),
                    (fragment.getName() + part.suffix).str(), part.ops);
  for (auto [result, value] : llvm::zip_equal(fragment.getOutputs(), fragment.getReturn().getValues()))
    result.replaceAllUsesWith(fragments.lookup(value));
  fragment.erase();
}

struct SplitFragmentsPass : public lamina::mpmd::impl::MPMDSplitFragmentsPassBase<SplitFragmentsPass> {
  using Base::Base;

  void runOnOperation() final {
    FailureOr<Roles> roles = findRoles(getOperation());
    if (failed(roles))
      return signalPassFailure();
    for (func::FuncOp step : findSteps(getOperation()))
      for (FragmentOp fragment : llvm::make_early_inc_range(step.getOps<FragmentOp>()))
        if (fragment.getDeviceClassAttr() == roles->compute)
          split(fragment);
  }
};

} // namespace
