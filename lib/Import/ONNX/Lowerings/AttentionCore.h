//===- AttentionCore.h - softmax(q kᵀ) v, once for all operators -------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_LOWERINGS_ATTENTIONCORE_H
#define LAMINA_LIB_IMPORT_ONNX_LOWERINGS_ATTENTIONCORE_H

#include "lib/Import/ONNX/Lowering.h"
#include "lib/Import/ONNX/Ops/AttentionCore.h"

#include <array>

namespace lamina::onnx {

/// A tensor of heads: [batch, heads, rows, size], or [batch, rows, width] with the heads side by side.
struct HeadsView {
  Operand tensor;
  int64_t size;

  mlir::Value read(Lowering &low, mlir::Value batch, mlir::Value head, mlir::Value row,
                   mlir::Value element) const;
};

/// What an index of a tensor of heads is, which has one of the two shapes: batch, head, row, element.
std::array<mlir::Value, 4> headIndex(Scalars &s, Indices index, int64_t size);

/// Rows of a past tensor [batch, heads, rows, size], or none, and then `fresh` rows of a new one.
Operand appendRows(Lowering &low, std::optional<Operand> past, const HeadsView &next,
                   llvm::ArrayRef<int64_t> dims);

struct AttentionLoops {
  AttentionSizes sizes;
  HeadsView q, k, v;
  double scale = 1, softcap = 0;         ///< softcap 0: none
  ElementType type = ElementType::Float; ///< what is computed in: float or double
  ElementType rounded =
      ElementType::Undefined; ///< what the softmax rounds scores to, if it is less than `type`
  /// A score of [batch, head, query, key] after masks and biases; -infinity hides the key.
  std::function<mlir::Value(mlir::Value score, Indices index)> biased = {};
};

/// Emits output 0, which has one of the two shapes of heads, as an lm.tensor_attention. A query that sees nothing has zeros. An
/// output 3 that is wanted is the scores of a stage.
void attend(Lowering &low, const AttentionLoops &problem, ScoreStage stage = ScoreStage::Probability);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_LOWERINGS_ATTENTIONCORE_H
