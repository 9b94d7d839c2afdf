//===- OpContext.h - what the semantics of an operator see of a node --------------------------*- C++ -*-===//
//
// Inputs, attributes and outputs of one node while its shape rule and its semantics run. What is wrong with
// attributes (Attributes.h) the evaluator returns afterwards, so that operators need not look at it. Every
// error names the node.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_OPCONTEXT_H
#define LAMINA_LIB_IMPORT_ONNX_OPCONTEXT_H

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/Indexing.h"
#include "runtime/base/StrCat.h"

#include <string>

namespace lamina::onnx {

/// What an operator may ask of whoever evaluates it.
class OpHost {
public:
  virtual ~OpHost() = default;
  /// The outputs of a subgraph of the node, which sees the outer values that it captures.
  virtual absl::StatusOr<std::vector<Tensor>> subgraph(const Graph &graph, std::vector<Tensor> inputs) = 0;
  virtual absl::StatusOr<Tensor> constant(const TensorConstant &constant) = 0;
  /// Takes from what the evaluation may cost; false if there is not so much left.
  virtual bool spend(int64_t work) = 0;
};

class OpContext : public Attributes {
public:
  OpContext(const Node &node, int64_t opset, std::vector<Tensor> inputs, OpHost &host)
      : Attributes(node), node_(node), opset_(opset), inputs_(std::move(inputs)),
        outputs_(node.outputs.size()), host_(host) {}

  const Node &node() const { return node_; }
  int64_t opset() const { return opset_; }

  size_t numInputs() const { return inputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && !inputs_[i].isAbsent(); }
  /// An absent tensor if there is no such input.
  const Tensor &in(size_t i) const;
  const Dims &dims(size_t i) const { return in(i).dims(); }
  ElementType type(size_t i) const { return in(i).type(); }
  /// The integers of an input that the shape depends on; an error if they are not known. At most 2^20.
  absl::StatusOr<std::vector<int64_t>> known(size_t i) const;

  size_t numOutputs() const { return outputs_.size(); }
  bool wants(size_t i) const { return i < outputs_.size() && node_.outputs[i] != kAbsent; }
  Tensor &out(size_t i) { return outputs_[i]; }
  const Tensor &out(size_t i) const { return outputs_[i]; }
  std::vector<Tensor> takeOutputs() { return std::move(outputs_); }
  /// Says what an output is, wanted or not; nothing if the node has fewer outputs.
  void result(size_t i, ElementType type, Dims dims) {
    if (i < outputs_.size())
      outputs_[i] = Tensor(type, std::move(dims));
  }

  /// An axis of a tensor of this rank, counted from the front; or an error.
  absl::StatusOr<int64_t> axis(std::string_view name, int64_t fallback, int64_t rank);
  absl::StatusOr<int64_t> normalizedAxis(int64_t axis, int64_t rank) const;
  /// The same for a list, without duplicates, ascending.
  absl::StatusOr<std::vector<int64_t>> normalizedAxes(std::vector<int64_t> axes, int64_t rank) const;
  absl::StatusOr<Dims> broadcasted(const Dims &a, const Dims &b) const;
  /// An error unless input i has this shape; -1 is any size.
  absl::Status expectDims(size_t i, const Dims &expected) const;
  absl::Status expectRank(size_t i, int64_t least, int64_t most) const;

  /// Announces so many multiply-adds, the product of `factors`; an error if they are too many.
  absl::Status spend(std::initializer_list<int64_t> factors) const;
  OpHost &host() const { return host_; }

  /// "node '/model/attn' (MatMul): …"
  template <typename... Parts> absl::Status error(const Parts &...parts) const {
    return absl::InvalidArgumentError(strCat(node_.describe(), ": ", parts...));
  }

private:
  const Node &node_;
  int64_t opset_;
  std::vector<Tensor> inputs_, outputs_;
  OpHost &host_;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_OPCONTEXT_H
