//===- ProgramSet.cpp - the programs of all classes in the making ---------------------------------------------===//

#include "lib/Conversion/MPMDToPlan/ProgramSet.h"

using namespace mlir;
using namespace lamina;

LogicalResult ProgramSet::create(func::FuncOp function, OpBuilder &builder) {
  for (auto topology : function->getParentOfType<ModuleOp>().getOps<mpmd::TopologyOp>())
    for (auto deviceClass : topology.getOps<mpmd::DeviceClassOp>()) {
      if (deviceClass.getCount() != 1)
        return deviceClass.emitError() << "device class '" << deviceClass.getSymName() << "' has a count of "
                                       << deviceClass.getCount()
                                       << ", expected 1: work is not yet divided over the devices of a class";
      programs_.try_emplace(deviceClass.getSymName(), builder, deviceClass);
    }
  // What fragments and transfers give has been verified by them; nobody does it for arguments.
  for (BlockArgument argument : function.getArguments()) {
    auto placed = dyn_cast<mpmd::PlacedType>(argument.getType());
    if (placed && !programs_.contains(placed.getDeviceClass().getValue()))
      return function.emitError() << "expected argument " << argument.getArgNumber()
                                  << " on a device class of the topology, got: " << placed.getDeviceClass();
  }
  return success();
}

ProgramBuilder &ProgramSet::of(Value placed) {
  return of(cast<mpmd::PlacedType>(placed.getType()).getDeviceClass().getValue());
}

void ProgramSet::append(mpmd::TransferOp transfer) {
  ProgramBuilder &source = of(transfer.getSource().getValue()),
                 &destination = of(transfer.getDestination().getValue());
  SmallVector<Value> sent, received;
  for (auto [input, output] : llvm::zip(transfer.getInputs(), transfer.getOutputs())) {
    sent.push_back(buffer(input));
    received.push_back(destination.addArrival(sent.back()));
    setBuffer(output, received.back());
  }
  source.appendSend(transfer.getLoc(), transfers_, destination.name(), sent, slice);
  destination.appendRecv(transfer.getLoc(), transfers_, source.name(), received, slice);
  ++transfers_;
}
