//===- Roles.cpp - which device class does what -------------------------------------------------------===//

#include "dialects/MPMD/Transforms/Roles.h"

using namespace mlir;
using namespace lamina::mpmd;

FailureOr<Roles> lamina::mpmd::findRoles(ModuleOp module) {
  auto topologies = module.getOps<TopologyOp>();
  if (topologies.empty())
    return module.emitError("expected an mpmd.topology that says where the step runs");
  TopologyOp topology = *topologies.begin();
  DeviceClassOp holders[2];
  DeviceClassOp last;
  int count = 0;
  for (DeviceClassOp deviceClass : topology.getBody().getOps<DeviceClassOp>()) {
    DeviceClassOp &holder = holders[static_cast<unsigned>(deviceClass.getRole())];
    if (holder) {
      InFlightDiagnostic diag = deviceClass.emitOpError()
                                << "is the second of role " << stringifyRole(deviceClass.getRole())
                                << ", expected one";
      diag.attachNote(holder.getLoc()) << "the first is here";
      return diag;
    }
    holder = last = deviceClass;
    ++count;
  }
  if (count == 1)
    return Roles{FlatSymbolRefAttr::get(last.getSymNameAttr()),
                 FlatSymbolRefAttr::get(last.getSymNameAttr())};
  return Roles{FlatSymbolRefAttr::get(holders[0].getSymNameAttr()),
               FlatSymbolRefAttr::get(holders[1].getSymNameAttr())};
}

SmallVector<func::FuncOp> lamina::mpmd::findSteps(ModuleOp module) {
  return llvm::to_vector(llvm::make_filter_range(module.getOps<func::FuncOp>(), [](func::FuncOp func) {
    return func.isPublic() && !func.isDeclaration();
  }));
}
