//===- GraphWeights.h - constants of an ONNX graph as lm.weight symbols -----------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_GRAPHWEIGHTS_H
#define LAMINA_LIB_IMPORT_ONNX_GRAPHWEIGHTS_H

#include "dialects/LM/IR/LM.h"
#include "lib/Import/ImportOptions.h"
#include "lib/Import/ONNX/Model.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace lamina::onnx {

/// How the file holds a matrix.
enum class MatrixForm {
  Rows,    ///< [rows, columns], as lm.linear and lm.embedding read it
  Columns, ///< [columns, rows], the right side of a MatMul
};

/// Constants that were computed at import lie in no file. They follow the model's files as one more, which is made anew
/// whenever the model is opened: by value, in the order of their ids.
struct FoldedConstants {
  std::string bytes;
  std::map<ValueId, uint64_t> offsets;
};
FoldedConstants foldedConstants(const Model &model);

/// Declares weights on the first request. Errors are located at the constant.
class GraphWeights {
public:
  GraphWeights(mlir::ModuleOp module, const Model &model)
      : model_(model), folded_(foldedConstants(model)), builder_(module.getBodyRegion()), fileLoc_(module.getLoc()) {}

  /// Null if the value is no constant.
  const TensorConstant *find(ValueId id) const;
  /// Null after an error.
  lm::WeightOp vector(ValueId id, int64_t length);
  lm::WeightOp matrix(ValueId id, MatrixForm form);
  /// The rows of a table from one on.
  lm::WeightOp table(ValueId id, int64_t firstRow);

private:
  lm::WeightOp declare(const TensorConstant &constant, ValueId id, llvm::ArrayRef<int64_t> shape, int64_t columnPitch,
                       int64_t firstRow = 0);

  const Model &model_;
  FoldedConstants folded_;
  mlir::OpBuilder builder_;
  mlir::Location fileLoc_;
  llvm::StringMap<lm::WeightOp> declared_;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_GRAPHWEIGHTS_H
