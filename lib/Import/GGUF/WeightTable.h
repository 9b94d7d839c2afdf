//===- WeightTable.h - tensors of a GGUF file as lm.weight symbols --------------------------*- C++ -*-===//
//
// Declares lm.weight symbols at the head of a module and keeps account of which tensors they have used. Like
// Metadata it goes on after an error: the first is reported at a location that names the tensor, later ones
// are dropped, and a null op is returned. Missing tensors wait for finish(), when it is known which of the
// file's tensors are strangers. Not thread-safe; the reader must outlive it.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_GGUF_WEIGHTTABLE_H
#define LAMINA_LIB_IMPORT_GGUF_WEIGHTTABLE_H

#include "dialects/LM/IR/LM.h"
#include "runtime/io/GGUFReader.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/StringMap.h"

#include <optional>

namespace lamina {

/// A weight that the model needs.
struct WeightRequest {
  std::string symbol;
  /// Of the value, rows first: [length], [rows, columns] or [experts, rows, columns].
  llvm::SmallVector<int64_t, 3> shape;
  /// The tensors stacked along the leading dimension; empty: the one called like the symbol.
  llvm::SmallVector<std::string, 1> tensors = {};
  /// A vector or matrix may be a part of one larger tensor of `totalRows` rows; 0: the whole tensor.
  int64_t firstRow = 0, totalRows = 0;
  /// lm.weight's rope_heads and rope_length; 0: rows stay as they are.
  int64_t ropeHeads = 0, ropeLength = 0;
};

class WeightTable {
public:
  /// Weights go to the head of `module`, whose location is that of the file.
  WeightTable(mlir::ModuleOp module, const GGUFReader &file);

  bool has(llvm::StringRef tensor) const { return find(tensor); }
  /// Rows of a matrix that is still to be declared; 1 if there is none.
  int64_t rows(llvm::StringRef tensor) const;
  /// The symbol, declared on the first request. Fails if a tensor is missing or has another shape or type.
  lm::WeightOp declare(const WeightRequest &request);
  /// The values of a small f32 vector, for what is computed at import.
  llvm::SmallVector<float> values(llvm::StringRef tensor, int64_t length);
  /// Declares that a tensor, if it is there, needs no weight.
  void ignore(llvm::StringRef tensor);

  void fail(llvm::StringRef tensor, const llvm::Twine &message);
  /// To be called after all requests: reports the first missing tensor, or else the first that nothing has
  /// used. True if there was no error at all.
  bool finish();

private:
  const GGUFTensor *find(llvm::StringRef tensor) const;
  /// The tensor, marked as used; null if it is missing or has other dimensions than `dims` (row length
  /// first).
  const GGUFTensor *take(llvm::StringRef name, llvm::ArrayRef<int64_t> dims);
  bool checkType(const GGUFTensor &tensor, bool isVector);
  lm::SourceAttr source(const GGUFTensor &tensor, int64_t firstElement);

  const GGUFReader &file_;
  mlir::Location fileLoc_;
  mlir::OpBuilder builder_;
  llvm::StringMap<lm::WeightOp> declared_;
  llvm::BitVector used_;           ///< by index in file_.tensors()
  std::vector<std::string> known_; ///< names of all requests
  std::string missing_;            ///< the first missing tensor
  bool failed_ = false;
};

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_GGUF_WEIGHTTABLE_H
