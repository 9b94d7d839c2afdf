//===- OfferCandidates.cpp - the largest logits, where they are computed ------------------------------===//

#include "dialects/LM/IR/LM.h"
#include "dialects/MPMD/Transforms/Passes.h"
#include "dialects/MPMD/Transforms/Roles.h"
#include "runtime/device/KernelABI.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace lamina;
using namespace lamina::mpmd;

namespace lamina::mpmd {
#define GEN_PASS_DEF_MPMDOFFERCANDIDATESPASS
#include "dialects/MPMD/Transforms/Passes.h.inc"
} // namespace lamina::mpmd

namespace {

/// The fragment on a GPU that computes the logits of a step; null if there is none, or too few of them for a choice.
FragmentOp fragmentOfLogits(func::ReturnOp ret) {
  auto fragment = ret.getNumOperands() == 1 ? ret.getOperand(0).getDefiningOp<FragmentOp>() : FragmentOp();
  DeviceClassOp deviceClass =
      fragment ? lookupDeviceClass(fragment, fragment.getDeviceClassAttr()) : DeviceClassOp();
  if (!deviceClass || deviceClass.getDevice() != DeviceKind::cuda)
    return {};
  auto logits = dyn_cast<RankedTensorType>(stripPlacement(ret.getOperand(0).getType()));
  return logits && logits.getShape().back() >= LAMINA_CANDIDATES ? fragment : FragmentOp();
}

/// The same fragment with more results.
FragmentOp withResults(FragmentOp fragment, ValueRange values) {
  OpBuilder builder(fragment);
  ReturnOp ret = fragment.getReturn();
  ret.getValuesMutable().append(values);
  auto wider = FragmentOp::create(builder, fragment.getLoc(), fragment.getDeviceClassAttr(),
                                  fragment.getName(), fragment.getInputs(), ret.getValues().getTypes());
  wider.getBody().takeBody(fragment.getBody());
  for (auto [before, after] : llvm::zip(fragment.getOutputs(), wider.getOutputs()))
    before.replaceAllUsesWith(after);
  fragment.erase();
  return wider;
}

void offerCandidates(func::FuncOp step) {
  auto ret = cast<func::ReturnOp>(step.getBody().back().getTerminator());
  FragmentOp fragment = fragmentOfLogits(ret);
  if (!fragment)
    return;
  ReturnOp inner = fragment.getReturn();
  Value logits = inner.getValues()[cast<OpResult>(ret.getOperand(0)).getResultNumber()];
  OpBuilder builder(inner);
  auto row = [&](Type element) {
    return RankedTensorType::get({ShapedType::kDynamic, LAMINA_CANDIDATES}, element);
  };
  Location loc = NameLoc::get(builder.getStringAttr("top_k"), logits.getLoc()); // what traces call it
  auto top = lm::TopKOp::create(builder, loc, row(builder.getF32Type()), row(builder.getI32Type()), logits);
  fragment = withResults(fragment, top.getResults());
  ret->insertOperands(1, fragment.getOutputs().take_back(2));
  step.setType(builder.getFunctionType(step.getArgumentTypes(), ret.getOperandTypes()));
}

struct OfferCandidatesPass : public lamina::mpmd::impl::MPMDOfferCandidatesPassBase<OfferCandidatesPass> {
  using Base::Base;

  void runOnOperation() final {
    for (func::FuncOp step : findSteps(getOperation()))
      offerCandidates(step);
  }
};

} // namespace
