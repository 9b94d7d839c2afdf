//===- MPMDToPlan.cpp - fragments become programs -------------------------------------------------------------===//

#include "lib/Conversion/MPMDToPlan/MPMDToPlan.h"

#include "dialects/LM/Transforms/Passes.h"
#include "dialects/MPMD/IR/MPMD.h"
#include "dialects/Plan/IR/Labels.h"
#include "dialects/Plan/IR/Plan.h"
#include "lib/Conversion/MPMDToPlan/ProgramSet.h"
#include "runtime/device/KernelABI.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lamina {
#define GEN_PASS_DEF_MPMDTOPLANPASS
#include "lib/Conversion/MPMDToPlan/Passes.h.inc"
} // namespace lamina

using namespace mlir;
using namespace lamina;

namespace {

/// Converts one step function.
class Converter {
public:
  Converter(func::FuncOp step, OpBuilder &builder) : step_(step), builder_(builder) {}

  LogicalResult run() {
    if (step_.isExternal())
      return step_.emitOpError("has no body to convert");
    if (failed(programs_.create(step_, builder_)))
      return failure();
    for (BlockArgument argument : step_.getArguments())
      bindArgument(argument);
    for (Operation &op : step_.getBody().front())
      if (failed(convert(&op)))
        return failure();
    return success();
  }

private:
  void bindArgument(BlockArgument argument) {
    if (isa<mpmd::PlacedType>(argument.getType()))
      programs_.setBuffer(argument,
                          programs_.of(argument).addCache(mpmd::stripPlacement(argument.getType())));
  }

  LogicalResult convert(Operation *op) {
    if (auto fragment = dyn_cast<mpmd::FragmentOp>(op))
      return convertFragment(fragment);
    if (auto transfer = dyn_cast<mpmd::TransferOp>(op))
      return programs_.append(transfer), success();
    if (auto ret = dyn_cast<func::ReturnOp>(op))
      return convertReturn(ret);
    return op->emitOpError(
        "expected only fragments and transfers in a step function; run the comm phase first");
  }

  LogicalResult convertReturn(func::ReturnOp ret) {
    if (ret.getNumOperands() > std::size(plan::kResultNames))
      return ret.emitOpError() << "expected logits and candidates, got: " << ret.getNumOperands()
                               << " results";
    for (auto [result, name] : llvm::zip(ret.getOperands(), plan::kResultNames)) {
      if (!programs_.buffer(result))
        return ret.emitOpError("expected results with a place; run the comm phase first");
      programs_.of(result).renameBuffer(programs_.buffer(result), name);
    }
    return success();
  }

  LogicalResult convertFragment(mpmd::FragmentOp fragment) {
    ProgramBuilder &program = programs_.of(fragment.getDeviceClass());
    DenseMap<Value, Value> local;
    for (auto [argument, input] : llvm::zip(fragment.getBody().getArguments(), fragment.getInputs()))
      local[argument] = programs_.buffer(input);
    for (Operation &op : fragment.getBody().front().without_terminator())
      if (failed(program.append(&op, local, programs_.slice)))
        return failure();
    for (auto [output, value] : llvm::zip(fragment.getOutputs(), fragment.getReturn().getValues()))
      programs_.setBuffer(output, local.lookup(value));
    ++programs_.slice;
    return success();
  }

  func::FuncOp step_;
  OpBuilder &builder_;
  ProgramSet programs_;
};

struct MPMDToPlanPass : lamina::impl::MPMDToPlanPassBase<MPMDToPlanPass> {
  using Base::Base;

  void runOnOperation() final {
    ModuleOp module = getOperation();
    OpBuilder builder(module.getBodyRegion());
    builder.setInsertionPointToEnd(module.getBody());
    for (auto step : llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      if (failed(Converter(step, builder).run()))
        return signalPassFailure();
      if (Attribute cuts = step->getAttr(mpmd::kCutBytesAttr))
        module->setAttr(mpmd::kCutBytesAttr, cuts);
      step.erase();
    }
    int64_t context = lm::maxContextOf(module, maxContext);
    int64_t tokens = kvTokens ? int64_t(kvTokens) : 4 * context;
    int64_t pages = llvm::divideCeil(tokens, int64_t(LAMINA_KV_PAGE_TOKENS));
    auto limit = [&](StringRef name, int64_t value) {
      return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
    };
    module->setAttr(
        "plan.limits",
        builder.getDictionaryAttr({limit("max_batch_tokens", maxBatchTokens),
                                   limit("max_output_rows", std::min<int64_t>(maxOutputRows, maxBatchTokens)),
                                   limit("max_sequences", maxSequences), limit("max_context", context),
                                   limit("kv_pages", pages)}));
  }
};

} // namespace
