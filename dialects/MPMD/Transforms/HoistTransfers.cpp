//===- HoistTransfers.cpp - send as soon as there is something to send --------------------------------===//

#include "dialects/MPMD/Transforms/Passes.h"
#include "dialects/MPMD/Transforms/Roles.h"

using namespace mlir;
using namespace lamina::mpmd;

namespace lamina::mpmd {
#define GEN_PASS_DEF_MPMDHOISTTRANSFERSPASS
#include "dialects/MPMD/Transforms/Passes.h.inc"
} // namespace lamina::mpmd

namespace {

/// The operation after which all operands are there; null if they are arguments.
Operation *lastProducer(TransferOp transfer) {
  Operation *last = nullptr;
  for (Value input : transfer.getInputs())
    if (Operation *producer = input.getDefiningOp(); producer && (!last || last->isBeforeInBlock(producer)))
      last = producer;
  return last;
}

/// Behind the transfers that already follow the producer: they were first before and stay so.
void hoist(TransferOp transfer) {
  Operation *producer = lastProducer(transfer);
  Operation *place = producer ? producer->getNextNode() : &transfer->getBlock()->front();
  while (place != transfer && isa<TransferOp>(place))
    place = place->getNextNode();
  if (place != transfer)
    transfer->moveBefore(place);
}

struct HoistTransfersPass : public lamina::mpmd::impl::MPMDHoistTransfersPassBase<HoistTransfersPass> {
  using Base::Base;

  void runOnOperation() final {
    for (func::FuncOp step : findSteps(getOperation()))
      for (TransferOp transfer : llvm::to_vector(step.getOps<TransferOp>()))
        hoist(transfer);
  }
};

} // namespace
