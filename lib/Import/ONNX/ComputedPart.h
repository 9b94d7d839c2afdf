//===- ComputedPart.h - what weights need beyond the model's files -----------------------*- C++ -*-===//
//
// Constants that folding computed lie in no file, and neither do matrices of few bits in the form that
// kernels read. They follow the model's files as one more part. Where what lies in it follows from the model
// alone, so it is the same whenever the model is opened; folded constants are there at once, matrices are
// encoded when they are read.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_COMPUTEDPART_H
#define LAMINA_LIB_IMPORT_ONNX_COMPUTEDPART_H

#include "lib/Import/ONNX/BlockMatrix.h"

#include <tuple>

namespace lamina::onnx {

class ComputedPart {
public:
  /// The model must outlive this.
  explicit ComputedPart(const Model &model);

  struct Matrix {
    BlockMatrix matrix;
    uint64_t offset = 0;
  };
  /// Where a folded constant lies.
  uint64_t offsetOf(ValueId constant) const { return offsets_.at(constant); }
  /// The matrix that a node reads, or for the result of a DequantizeLinear the matrix that it is as the right
  /// side of a product; null if there is none.
  const Matrix *find(const Node &node) const;
  const Matrix *find(ValueId result) const;
  /// One matrix of an expert of a QMoE; null if it cannot be re-encoded.
  const Matrix *find(const Node &node, ExpertMatrix::Role role, int64_t expert) const;

  uint64_t size() const { return size_; }
  /// Bytes from an offset on: a folded constant or rows of a matrix, or a part of the former.
  absl::Status read(uint64_t offset, std::span<uint8_t> out) const;

private:
  /// Where the matrix lies, perhaps as that of another node; none if there is none.
  std::optional<uint64_t> place(std::optional<BlockMatrix> matrix);
  void add(std::optional<BlockMatrix> matrix, ValueId key);
  void addExperts(const Node &node);

  const Model &model_;
  std::map<ValueId, uint64_t> offsets_;
  std::string folded_;
  std::map<uint64_t, Matrix> matrices_;  // by offset
  std::map<ValueId, uint64_t> byResult_; // of the node
  std::map<std::tuple<ValueId, ExpertMatrix::Role, int64_t>, uint64_t> byExpert_;
  std::map<BlockMatrix, uint64_t> known_; // several nodes may share one
  uint64_t size_ = 0;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_COMPUTEDPART_H
