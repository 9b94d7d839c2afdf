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
  /// Where zeros lie, as many in f32 as the longest norm takes that has a mean but no bias.
  uint64_t zeros() const { return zeros_; }
  /// The matrix that a node reads, or for the result of a DequantizeLinear the matrix that it is as the right
  /// side of a product; null if there is none.
  const Matrix *find(const Node &node) const;
  const Matrix *find(ValueId result) const;

  uint64_t size() const { return size_; }
  /// Bytes from an offset on: a folded constant or rows of a matrix, or a part of the former.
  absl::Status read(uint64_t offset, std::span<uint8_t> out) const;

private:
  void add(std::optional<BlockMatrix> matrix, ValueId key);

  const Model &model_;
  std::map<ValueId, uint64_t> offsets_;
  std::string folded_; // and the zeros
  uint64_t zeros_ = 0;
  std::map<uint64_t, Matrix> matrices_;  // by offset
  std::map<ValueId, uint64_t> byResult_; // of the node
  using Key =
      std::tuple<const TensorConstant *, const TensorConstant *, const TensorConstant *, int64_t, int64_t>;
  std::map<Key, uint64_t> known_; // matrices that several nodes share
  uint64_t size_ = 0;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_COMPUTEDPART_H
