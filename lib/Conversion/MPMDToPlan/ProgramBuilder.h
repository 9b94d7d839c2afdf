//===- ProgramBuilder.h - one worker's program in the making --------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_CONVERSION_MPMDTOPLAN_PROGRAMBUILDER_H
#define LAMINA_LIB_CONVERSION_MPMDTOPLAN_PROGRAMBUILDER_H

#include "dialects/MPMD/IR/MPMD.h"
#include "dialects/Plan/IR/Plan.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

namespace lamina {

/// Appends instructions to a plan.program and gives values their buffers. A buffer stands before the first
/// instruction that uses it. Values passed in and out are results of the program's plan.buffer operations.
class ProgramBuilder {
public:
  /// Creates the program of the first worker of `deviceClass` at the insertion point of `builder`.
  ProgramBuilder(mlir::OpBuilder &builder, mpmd::DeviceClassOp deviceClass);

  llvm::StringRef name() { return program_.getSymName(); }

  /// The next cache of the worker; `type` is an !lm.kv_cache.
  mlir::Value addCache(mlir::Type type);

  /// Memory of fixed size, a memref.
  mlir::Value addMemory(mlir::Location loc, llvm::StringRef name, mlir::Type type);

  /// The buffer of a weight.
  mlir::Value addWeight(mlir::Location loc, mlir::FlatSymbolRefAttr source, mlir::Type type);

  /// Memory for what arrives from `remote`, a buffer of another program: same name, type and extent.
  mlir::Value addArrival(mlir::Value remote);

  void renameBuffer(mlir::Value buffer, llvm::StringRef name);

  /// Appends one operation of a fragment: a source becomes a buffer, a call a dispatch. `local` maps values of the
  /// fragment to buffers and is extended.
  mlir::LogicalResult append(mlir::Operation *op, llvm::DenseMap<mlir::Value, mlir::Value> &local,
                             int64_t slice);

  /// Appends a dispatch over memory of fixed size.
  void appendDispatch(mlir::Location loc, llvm::StringRef kernel, mlir::ValueRange operands,
                      llvm::StringRef label, int64_t slice);

  void appendSend(mlir::Location loc, int64_t transfer, llvm::StringRef peer, mlir::ValueRange buffers,
                  int64_t slice);
  void appendRecv(mlir::Location loc, int64_t transfer, llvm::StringRef peer, mlir::ValueRange buffers,
                  int64_t slice);

  /// Waits for what is still on its way, before an instruction that touches `buffers`.
  void waitFor(mlir::ValueRange buffers, int64_t slice);

private:
  mlir::Value addBuffer(mlir::Location loc, plan::BufferKind kind, llvm::StringRef name,
                        plan::RowExtent extent, mlir::Type type, std::optional<int64_t> offset,
                        mlir::FlatSymbolRefAttr source = {});
  void appendCall(plan::CallOp call, llvm::DenseMap<mlir::Value, mlir::Value> &local, int64_t slice);
  plan::ProgramOp program_;
  mlir::OpBuilder buffers_;      // after the last buffer
  mlir::OpBuilder instructions_; // at the end
  int64_t caches_ = 0;
  llvm::StringMap<mlir::Value> weights_;
  llvm::DenseMap<int32_t, mlir::Value> batchFields_;
  llvm::DenseMap<mlir::Value, int64_t> arriving_; // buffers between recv and wait, with their transfer
  /// Results of calls that read nothing but the batch, by kernel and operands.
  std::map<std::pair<std::string, std::vector<void *>>, std::vector<mlir::Value>> batchOnly_;
};

} // namespace lamina

#endif // LAMINA_LIB_CONVERSION_MPMDTOPLAN_PROGRAMBUILDER_H
