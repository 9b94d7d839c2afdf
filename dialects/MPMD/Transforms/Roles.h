//===- Roles.h - which device class does what -----------------------------------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_MPMD_TRANSFORMS_ROLES_H
#define LAMINA_DIALECTS_MPMD_TRANSFORMS_ROLES_H

#include "dialects/MPMD/IR/MPMD.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lamina::mpmd {

/// The device class of each role.
struct Roles {
  mlir::FlatSymbolRefAttr compute;
  mlir::FlatSymbolRefAttr memory;

  /// One class alone plays both roles: nothing is cut.
  bool isMonolithic() const { return compute == memory; }
};

/// Reads the roles off the module's topology: a single class, or one of each role. Anything else is a located
/// error.
mlir::FailureOr<Roles> findRoles(mlir::ModuleOp module);

/// The functions that the phases of this dialect work on: public ones with a body, in order.
llvm::SmallVector<mlir::func::FuncOp> findSteps(mlir::ModuleOp module);

} // namespace lamina::mpmd

#endif // LAMINA_DIALECTS_MPMD_TRANSFORMS_ROLES_H
