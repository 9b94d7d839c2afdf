//===- AttentionCore.h - softmax(q kᵀ) v, once for all operators ------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_OPS_ATTENTIONCORE_H
#define LAMINA_LIB_IMPORT_ONNX_OPS_ATTENTIONCORE_H

#include "lib/Import/ONNX/Ops/Rules.h"

#include <functional>

namespace lamina::onnx {

/// Sizes of an attention: heads of q share heads of k and v in equal groups.
struct AttentionSizes {
  int64_t batch = 0, heads = 0, kvHeads = 0, queries = 0, keys = 0, size = 0, valueSize = 0;
};

/// What the inputs of a node say: with `past` rows among the keys that an earlier step has left.
struct AttentionShape {
  AttentionSizes sizes;
  int64_t past = 0;
};
/// Of the standard's Attention, and of onnxruntime's Attention and MultiHeadAttention. Errors for inputs that do not fit.
absl::StatusOr<AttentionShape> attentionShape(OpContext &context);
absl::StatusOr<AttentionShape> projectedAttentionShape(OpContext &context);
absl::StatusOr<AttentionShape> multiHeadAttentionShape(OpContext &context);

/// A stack of heads, [batch, heads, rows, size]; how its elements are found in a tensor.
struct Heads {
  std::vector<double> values;
  int64_t heads = 0, rows = 0, size = 0;

  Heads() = default;
  Heads(int64_t batch, int64_t heads, int64_t rows, int64_t size)
      : values(batch * heads * rows * size), heads(heads), rows(rows), size(size) {}
  double &at(int64_t b, int64_t h, int64_t r, int64_t d) {
    return values[((b * heads + h) * rows + r) * size + d];
  }
  double at(int64_t b, int64_t h, int64_t r, int64_t d) const {
    return values[((b * heads + h) * rows + r) * size + d];
  }
};

/// From [batch, heads, rows, size], or from [batch, rows, width] with the heads side by side from column
/// `first` on.
Heads headsOf(const Tensor &tensor, int64_t batch, int64_t heads, int64_t rows, int64_t size,
              int64_t first = 0);
/// The other way; the tensor has one of the two shapes.
void storeHeads(const Heads &heads, Tensor &tensor);
/// Rows of `past`, then rows of `next`.
Heads appendRows(const Heads &past, const Heads &next, int64_t batch);

/// The refusal of caches that hold scaled integers.
absl::Status quantizedCacheError(const OpContext &context);

struct AttentionProblem {
  AttentionSizes sizes;
  Heads q, k, v;
  double scale = 1, softcap = 0; // softcap 0: none
  /// What is added to the score of query i and key j; -infinity forbids it.
  std::function<double(int64_t b, int64_t h, int64_t i, int64_t j)> bias;
  /// One number per head that joins the softmax without a value; or none.
  std::vector<double> sinks;
  ElementType softmaxType = ElementType::Double; // scores are rounded to it
};

/// Scores on the way, each [batch, heads, queries, keys].
enum class ScoreStage { Raw = 0, Capped = 1, Biased = 2, Probability = 3 };

/// Y as heads, [batch, heads, queries, valueSize]. A query that may see nothing gives zeros. `scores`, if
/// given, receives those of a stage.
absl::StatusOr<Heads> attend(const OpContext &context, const AttentionProblem &problem,
                             Tensor *scores = nullptr, ScoreStage stage = ScoreStage::Raw);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_OPS_ATTENTIONCORE_H
