//===- Evaluator.h - the reference semantics of nodes and graphs ------------------------------*- C++ -*-===//
//
// Runs rows of the operator table: slow, obvious, bounded. Tensors may lack elements: what depends on them
// then gets its type and shape alone, so the same code infers shapes, folds constants and computes whole
// models. Functions of the model must have been inlined.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_EVALUATOR_H
#define LAMINA_LIB_IMPORT_ONNX_EVALUATOR_H

#include "lib/Import/ONNX/OpTable.h"

namespace lamina::onnx {

/// What an evaluation may cost, so that no file makes it hang.
struct Limits {
  int64_t elements = int64_t{1} << 28; // of one tensor
  int64_t work = int64_t{1} << 36;     // about nanoseconds, all nodes together
  /// What becomes of a node beyond that: its results stay without elements, or an error (ResourceExhausted).
  bool leaveLarge = false;
};

class Evaluator {
public:
  /// The model must outlive the evaluator and the tensors that it returns.
  explicit Evaluator(const Model &model, Limits limits = {}) : model_(model), limits_(limits) {}

  /// The outputs of the model's graph, whose inputs are given in order.
  absl::StatusOr<std::vector<Tensor>> run(std::vector<Tensor> inputs);
  /// All values of the model's graph, by id.
  absl::StatusOr<std::vector<Tensor>> values(std::vector<Tensor> inputs);
  /// The outputs of one node of a graph, whose subgraphs may capture values of `scope`.
  absl::StatusOr<std::vector<Tensor>> node(const Node &node, std::vector<Tensor> inputs,
                                           std::span<const Tensor> scope);
  /// A constant as a tensor; without elements if they are strings or in a file that is not there.
  absl::StatusOr<Tensor> constant(const TensorConstant &constant) const;

private:
  class Host;

  absl::StatusOr<std::vector<Tensor>> graphValues(const Graph &graph, std::vector<Tensor> inputs,
                                                  std::span<const Tensor> outer);
  absl::StatusOr<std::vector<Tensor>> graphOutputs(const Graph &graph, std::vector<Tensor> inputs,
                                                   std::span<const Tensor> outer);
  absl::Status apply(const OpRow &row, OpContext &context) const;
  absl::Status checkInputs(const OpRow &row, const OpContext &context) const;
  absl::Status checkResults(const OpContext &context) const;
  absl::Status compute(const OpRow &row, OpContext &context) const;
  absl::Status account(const OpContext &context) const;

  const Model &model_;
  Limits limits_;
  int64_t spent_ = 0;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_EVALUATOR_H
