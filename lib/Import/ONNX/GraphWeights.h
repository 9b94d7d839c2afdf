//===- GraphWeights.h - constants of an ONNX graph as lm.weight symbols -----------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_GRAPHWEIGHTS_H
#define LAMINA_LIB_IMPORT_ONNX_GRAPHWEIGHTS_H

#include "dialects/LM/IR/LM.h"
#include "lib/Import/ImportOptions.h"
#include "lib/Import/ONNX/ComputedPart.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSet.h"

namespace lamina::onnx {

/// How the file holds a matrix.
enum class MatrixForm {
  Rows,    ///< [rows, columns], as lm.linear and lm.embedding read it
  Columns, ///< [columns, rows], the right side of a MatMul
};

/// Declares weights on the first request. Errors are located at the constant.
class GraphWeights {
public:
  GraphWeights(mlir::ModuleOp module, const Model &model)
      : model_(model), computed_(model), builder_(module.getBodyRegion()), fileLoc_(module.getLoc()) {}

  /// Null if the value is no constant.
  const TensorConstant *find(ValueId id) const;
  /// Null after an error.
  lm::WeightOp vector(ValueId id, int64_t length);
  /// All elements of a constant of any shape, in row-major order.
  lm::WeightOp elements(ValueId id);
  lm::WeightOp matrix(ValueId id, MatrixForm form);
  /// Some elements of a vector.
  lm::WeightOp part(ValueId id, int64_t first, int64_t length);
  /// The rows of a table from one on.
  lm::WeightOp table(ValueId id, int64_t firstRow);
  /// The matrices that all experts of a MoE or QMoE have in one role.
  lm::WeightOp experts(const Node &node, ExpertMatrix::Role role);

  /// The matrix of few bits that a node reads, or that a value is as the right side of a product; null, without an error, if there
  /// is none.
  lm::WeightOp blocks(const Node &node) { return declare(computed_.find(node)); }
  lm::WeightOp blocks(ValueId result) { return declare(computed_.find(result)); }
  bool isBlocks(ValueId result) const { return computed_.find(result) != nullptr; }

private:
  mlir::StringAttr unique(std::string symbol);
  lm::WeightOp declare(const ComputedPart::Matrix *matrix);
  lm::WeightOp declare(const TensorConstant &constant, ValueId id, llvm::ArrayRef<int64_t> shape,
                       int64_t columnPitch, int64_t first = 0);

  const Model &model_;
  ComputedPart computed_;
  mlir::OpBuilder builder_;
  mlir::Location fileLoc_;
  std::map<std::tuple<ValueId, int64_t, int64_t, int64_t>, lm::WeightOp>
      declared_;                            ///< by value, column pitch, first element, size
  std::map<uint64_t, lm::WeightOp> blocks_; ///< by offset in the computed part
  llvm::StringSet<> symbols_;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_GRAPHWEIGHTS_H
