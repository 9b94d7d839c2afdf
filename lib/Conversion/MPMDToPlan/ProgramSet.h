//===- ProgramSet.h - the programs of all classes in the making -----------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_CONVERSION_MPMDTOPLAN_PROGRAMSET_H
#define LAMINA_LIB_CONVERSION_MPMDTOPLAN_PROGRAMSET_H

#include "lib/Conversion/MPMDToPlan/ProgramBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lamina {

/// While a function of fragments and transfers becomes programs: which buffer holds each placed value.
class ProgramSet {
public:
  /// A program for each class of the topology, at the insertion point of `builder`; the arguments of `function` are on these.
  mlir::LogicalResult create(mlir::func::FuncOp function, mlir::OpBuilder &builder);

  ProgramBuilder &of(llvm::StringRef deviceClass) { return programs_.find(deviceClass)->second; }
  /// The program of the class on which `placed` is.
  ProgramBuilder &of(mlir::Value placed);

  /// Null if the value has none.
  mlir::Value buffer(mlir::Value placed) const { return buffers_.lookup(placed); }
  void setBuffer(mlir::Value placed, mlir::Value buffer) { buffers_[placed] = buffer; }

  /// A send at the one end and a recv at the other.
  void append(mpmd::TransferOp transfer);

  /// The fragment that instructions come from; transfers are counted to the one that follows.
  int64_t slice = 0;

private:
  llvm::MapVector<llvm::StringRef, ProgramBuilder> programs_;
  llvm::DenseMap<mlir::Value, mlir::Value> buffers_;
  int64_t transfers_ = 0;
};

} // namespace lamina

#endif // LAMINA_LIB_CONVERSION_MPMDTOPLAN_PROGRAMSET_H
