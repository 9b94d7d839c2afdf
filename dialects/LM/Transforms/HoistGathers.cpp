//===- HoistGathers.cpp - picks the wanted rows before what works on each by itself -----------------------------===//

#include "dialects/LM/Transforms/Passes.h"

namespace lamina::lm {
#define GEN_PASS_DEF_LMHOISTGATHERSPASS
#include "dialects/LM/Transforms/Passes.h.inc"
} // namespace lamina::lm

using namespace mlir;
using namespace lamina::lm;

namespace {

/// Operations with one operand of rows, the first, whose other operands are the same for all rows.
bool worksOnRows(Operation *op) {
  return isa_and_nonnull<LinearOp, RMSNormOp, LayerNormOp, ScaleOp, SoftCapOp, BiasAddOp, ActivationOp>(op);
}

struct LMHoistGathersPass : lamina::lm::impl::LMHoistGathersPassBase<LMHoistGathersPass> {
  using Base::Base;

  void runOnOperation() final {
    SmallVector<GatherRowsOp> gathers;
    getOperation().walk([&](GatherRowsOp gather) { gathers.push_back(gather); });
    for (GatherRowsOp gather : gathers)
      hoist(gather);
  }

private:
  void hoist(GatherRowsOp gather) {
    SmallVector<Operation *> after; // that the gather moves before, the last first
    Value source = gather.getInput();
    while (source.hasOneUse() && worksOnRows(source.getDefiningOp())) {
      after.push_back(source.getDefiningOp());
      source = source.getDefiningOp()->getOperand(0);
    }
    if (after.empty())
      return;
    OpBuilder builder(gather);
    Value rows = GatherRowsOp::create(builder, gather.getLoc(), source.getType(), source, gather.getRows());
    for (Operation *op : llvm::reverse(after)) {
      op->moveBefore(gather);
      op->setOperand(0, rows);
      rows = op->getResult(0);
    }
    gather.getResult().replaceAllUsesWith(rows);
    gather.erase();
    ++numHoisted;
  }
};

} // namespace
