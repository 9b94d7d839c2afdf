//===- AttentionNodes.h - attention that a graph spells out in single operators ----------------*- C++ -*-===//
//
// In a graph without caches: softmax(Q Kᵀ) V, and φ(Q) (ψ(K)ᵀ V) with a normaliser or without one. What is compared is which node
// reads which, so scales, masks, caps and casts may be anywhere between the products, and φ and ψ are the same operators, whose
// attributes and constants may differ: one softmax may be over features, the other over positions.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_ATTENTIONNODES_H
#define LAMINA_LIB_IMPORT_ONNX_ATTENTIONNODES_H

#include "lib/Import/ONNX/Model.h"
#include "lib/Import/ONNX/Tensor.h"

namespace lamina::onnx {

/// Nodes of which nothing but the last one's result, outputs of the graph, and shapes is read by others.
struct AttentionNodes {
  enum class Kind { Softmax, Linear };

  Kind kind = Kind::Softmax;
  /// What goes into the products: of softmax, the two sides of the scores; of linear, φ of queries and ψ of keys.
  ValueId query = kAbsent, key = kAbsent, value = kAbsent;
  std::vector<size_t> nodes; ///< indices, ascending
};

/// In the order of the products that give their results; no node is in two of them. `tensors`, by value, have the shapes of all, and
/// elements of what is no activation.
std::vector<AttentionNodes> findAttentionNodes(const Graph &graph, int64_t opset,
                                               const std::vector<Tensor> &tensors);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_ATTENTIONNODES_H
