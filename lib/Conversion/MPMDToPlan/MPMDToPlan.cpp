//===- MPMDToPlan.cpp - fragments become programs -------------------------------------------------------------===//

#include "lib/Conversion/MPMDToPlan/MPMDToPlan.h"

#include "dialects/LM/Transforms/Passes.h"
#include "dialects/MPMD/IR/MPMD.h"
#include "dialects/Plan/IR/Plan.h"
#include "lib/Conversion/MPMDToPlan/ProgramBuilder.h"
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
    for (auto topology : step_->getParentOfType<ModuleOp>().getOps<mpmd::TopologyOp>())
      for (auto deviceClass : topology.getOps<mpmd::DeviceClassOp>()) {
        if (deviceClass.getCount() != 1)
          return deviceClass.emitError() << "device class '" << deviceClass.getSymName()
                                         << "' has a count of " << deviceClass.getCount()
                                         << ", expected 1: work is not yet divided over the devices of a class";
        programs_.try_emplace(deviceClass.getSymName(), builder_, deviceClass);
      }
    for (BlockArgument argument : step_.getArguments())
      bindArgument(argument);
    for (Operation &op : step_.getBody().front())
      if (failed(convert(&op)))
        return failure();
    return success();
  }

private:
  /// The program of the class on which `value` is placed.
  ProgramBuilder &programOf(Value value) {
    return programs_.find(cast<mpmd::PlacedType>(value.getType()).getDeviceClass().getValue())->second;
  }

  void bindArgument(BlockArgument argument) {
    if (isa<mpmd::PlacedType>(argument.getType()))
      buffers_[argument] = programOf(argument).addCache(mpmd::stripPlacement(argument.getType()));
  }

  LogicalResult convert(Operation *op) {
    if (auto fragment = dyn_cast<mpmd::FragmentOp>(op))
      return convertFragment(fragment);
    if (auto transfer = dyn_cast<mpmd::TransferOp>(op))
      return convertTransfer(transfer);
    if (auto ret = dyn_cast<func::ReturnOp>(op)) {
      for (Value result : ret.getOperands()) {
        if (!buffers_.contains(result))
          return ret.emitOpError("expected results with a place; run the comm phase first");
        programOf(result).renameBuffer(buffers_.lookup(result), "logits");
      }
      return success();
    }
    return op->emitOpError("expected only fragments and transfers in a step function; run the comm phase first");
  }

  LogicalResult convertFragment(mpmd::FragmentOp fragment) {
    ProgramBuilder &program = programs_.find(fragment.getDeviceClass())->second;
    DenseMap<Value, Value> local;
    for (auto [argument, input] : llvm::zip(fragment.getBody().getArguments(), fragment.getInputs()))
      local[argument] = buffers_.lookup(input);
    for (Operation &op : fragment.getBody().front().without_terminator())
      if (failed(program.append(&op, local, slice_)))
        return failure();
    for (auto [output, value] : llvm::zip(fragment.getOutputs(), fragment.getReturn().getValues()))
      buffers_[output] = local.lookup(value);
    ++slice_;
    return success();
  }

  LogicalResult convertTransfer(mpmd::TransferOp transfer) {
    ProgramBuilder &source = programs_.find(transfer.getSource().getValue())->second;
    ProgramBuilder &destination = programs_.find(transfer.getDestination().getValue())->second;
    SmallVector<Value> sent, received;
    for (auto [input, output] : llvm::zip(transfer.getInputs(), transfer.getOutputs())) {
      sent.push_back(buffers_.lookup(input));
      received.push_back(destination.addArrival(sent.back()));
      buffers_[output] = received.back();
    }
    source.appendSend(transfer.getLoc(), nextTransfer_, destination.name(), sent, slice_);
    destination.appendRecv(transfer.getLoc(), nextTransfer_, source.name(), received, slice_);
    ++nextTransfer_;
    return success();
  }

  func::FuncOp step_;
  OpBuilder &builder_;
  llvm::MapVector<StringRef, ProgramBuilder> programs_;
  DenseMap<Value, Value> buffers_; // placed values to buffers of their class's program
  int64_t nextTransfer_ = 0, slice_ = 0;
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
    auto limit = [&](StringRef name, int64_t value) { return builder.getNamedAttr(name, builder.getI64IntegerAttr(value)); };
    module->setAttr("plan.limits",
                    builder.getDictionaryAttr({limit("max_batch_tokens", maxBatchTokens),
                                               limit("max_output_rows", std::min<int64_t>(maxOutputRows, maxBatchTokens)),
                                               limit("max_sequences", maxSequences), limit("max_context", context),
                                               limit("kv_pages", pages)}));
  }
};

} // namespace
