//===- Evaluator.cpp - rows of the table, in order ------------------------------------------------------===//

#include "lib/Import/ONNX/Evaluator.h"

namespace lamina::onnx {

namespace {
/// Sizes that arithmetic and loops can take, whatever the elements: loops run over some of a tensor's axes
/// even where another one is empty, so those must not be long then.
bool isSensible(const Dims &dims) {
  constexpr int64_t kLargest = int64_t{1} << 40, kMostBesideEmpty = 1 << 24;
  Dims others;
  for (int64_t size : dims)
    if (size < 0 || size > kLargest)
      return false;
    else if (size != 0)
      others.push_back(size);
  int64_t count = elementCount(others);
  return dims.size() <= 64 && count < std::numeric_limits<int64_t>::max() &&
         (others.size() == dims.size() || count <= kMostBesideEmpty);
}
} // namespace

class Evaluator::Host : public OpHost {
public:
  Host(Evaluator &evaluator, std::span<const Tensor> scope) : evaluator_(evaluator), scope_(scope) {}

  absl::StatusOr<std::vector<Tensor>> subgraph(const Graph &graph, std::vector<Tensor> inputs) override {
    return evaluator_.graphOutputs(graph, std::move(inputs), scope_);
  }
  absl::StatusOr<Tensor> constant(const TensorConstant &constant) override {
    return evaluator_.constant(constant);
  }
  bool spend(int64_t work) override {
    if (work > evaluator_.limits_.work - evaluator_.spent_)
      return false;
    evaluator_.spent_ += work;
    return true;
  }

private:
  Evaluator &evaluator_;
  std::span<const Tensor> scope_;
};

absl::StatusOr<std::vector<Tensor>> Evaluator::run(std::vector<Tensor> inputs) {
  return graphOutputs(model_.graph, std::move(inputs), {});
}

absl::StatusOr<std::vector<Tensor>> Evaluator::values(std::vector<Tensor> inputs) {
  return graphValues(model_.graph, std::move(inputs), {});
}

absl::StatusOr<Tensor> Evaluator::constant(const TensorConstant &constant) const {
  if (elementBytes(constant.type) == 0)
    return Tensor(constant.type, constant.dims);
  absl::StatusOr<std::span<const uint8_t>> bytes = model_.bytes(constant);
  if (absl::IsNotFound(bytes.status()))
    return Tensor(constant.type, constant.dims);
  if (!bytes.ok())
    return bytes.status();
  return Tensor::fromFile(constant.type, constant.dims, *bytes);
}

absl::StatusOr<std::vector<Tensor>> Evaluator::graphValues(const Graph &graph, std::vector<Tensor> inputs,
                                                           std::span<const Tensor> outer) {
  if (inputs.size() != graph.inputs.size())
    return absl::InvalidArgumentError(strCat("graph ", quoteName(graph.name), " takes ", graph.inputs.size(),
                                             " inputs, got ", inputs.size()));
  std::vector<Tensor> values(graph.values.size());
  for (const auto &[id, constantOf] : graph.constants) {
    LAMINA_ASSIGN_OR_RETURN(values[id], constant(constantOf));
  }
  for (const Graph::Capture &capture : graph.captures)
    values[capture.inner] = capture.outer == kAbsent ? Tensor() : outer[capture.outer];
  for (size_t i = 0; i < inputs.size(); ++i)
    values[graph.inputs[i]] = std::move(inputs[i]);
  for (const Node &each : graph.nodes) {
    std::vector<Tensor> operands;
    for (ValueId id : each.inputs)
      operands.push_back(id == kAbsent ? Tensor() : values[id]);
    LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> results, node(each, std::move(operands), values));
    for (size_t i = 0; i < each.outputs.size(); ++i)
      if (each.outputs[i] != kAbsent)
        values[each.outputs[i]] = std::move(results[i]);
  }
  return values;
}

absl::StatusOr<std::vector<Tensor>> Evaluator::graphOutputs(const Graph &graph, std::vector<Tensor> inputs,
                                                            std::span<const Tensor> outer) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<Tensor> values, graphValues(graph, std::move(inputs), outer));
  std::vector<Tensor> outputs;
  for (ValueId id : graph.outputs)
    outputs.push_back(values[id]);
  return outputs;
}

absl::StatusOr<std::vector<Tensor>> Evaluator::node(const Node &node, std::vector<Tensor> inputs,
                                                    std::span<const Tensor> scope) {
  auto opset = model_.opsets.find(node.domain);
  LAMINA_ASSIGN_OR_RETURN(const OpRow *row, findRow(node, opset == model_.opsets.end() ? 1 : opset->second));
  if (node.outputs.empty())
    return std::vector<Tensor>();
  Host host(*this, scope);
  OpContext context(node, opset == model_.opsets.end() ? 1 : opset->second, std::move(inputs), host);
  LAMINA_RETURN_IF_ERROR(apply(*row, context));
  return context.takeOutputs();
}

absl::Status Evaluator::apply(const OpRow &row, OpContext &context) const {
  LAMINA_RETURN_IF_ERROR(checkInputs(row, context));
  LAMINA_RETURN_IF_ERROR(row.rule(context));
  LAMINA_RETURN_IF_ERROR(context.attributeError());
  LAMINA_RETURN_IF_ERROR(checkResults(context));
  absl::Status status = compute(row, context);
  if (!absl::IsResourceExhausted(status) || !limits_.leaveLarge)
    return status;
  for (size_t i = 0; i < context.numOutputs(); ++i)
    context.out(i) = Tensor(context.out(i).type(), context.out(i).dims());
  return absl::OkStatus();
}

absl::Status Evaluator::checkInputs(const OpRow &row, const OpContext &context) const {
  if (context.numInputs() > row.most)
    return context.error("expected at most ", row.most, " inputs, got ", context.numInputs());
  for (size_t i = 0; i < row.required; ++i)
    if (!context.has(i))
      return context.error("input ", i, " is missing");
  for (size_t i = 0; i < context.numInputs(); ++i)
    if (context.has(i) && !isSensible(context.dims(i)))
      return context.error("input ", i, " is too large: ", context.in(i).describe());
  return absl::OkStatus();
}

absl::Status Evaluator::checkResults(const OpContext &context) const {
  for (size_t i = 0; i < context.numOutputs(); ++i) {
    const Tensor &result = context.out(i);
    if (context.wants(i) && result.isAbsent())
      return context.error("has no output ", i);
    if (!isSensible(result.dims()))
      return context.error("output ", i, " would have an impossible shape: ", result.describe());
  }
  return absl::OkStatus();
}

absl::Status Evaluator::compute(const OpRow &row, OpContext &context) const {
  if (!row.semantics)
    return context.checkAttributes();
  for (size_t i = 0; i < context.numInputs(); ++i)
    if (row.needsElements && context.has(i) && !context.in(i).hasData())
      return absl::OkStatus();
  for (size_t i = 0; i < context.numOutputs(); ++i)
    if (!context.out(i).isAbsent() && elementBytes(context.out(i).type()) == 0)
      return absl::OkStatus();
  LAMINA_RETURN_IF_ERROR(account(context));
  for (size_t i = 0; i < context.numOutputs(); ++i)
    if (!context.out(i).isAbsent())
      context.out(i).allocate();
  LAMINA_RETURN_IF_ERROR(row.semantics(context));
  return context.checkAttributes();
}

/// Every node costs something and what it reads and writes; operators that take longer announce it
/// themselves.
absl::Status Evaluator::account(const OpContext &context) const {
  constexpr int64_t kNode = 1000, kKept = 8; // results cost more because they stay in memory
  LAMINA_RETURN_IF_ERROR(context.spend({kNode}));
  auto small = [&](const Tensor &tensor, int64_t weight) -> absl::Status {
    if (tensor.isAbsent() || !tensor.count())
      return absl::OkStatus();
    if (tensor.count() > limits_.elements)
      return absl::ResourceExhaustedError(
          strCat(context.node().describe(), ": ", tensor.describe(), " is too large to be evaluated"));
    return context.spend({tensor.count(), weight});
  };
  for (size_t i = 0; i < context.numInputs(); ++i)
    LAMINA_RETURN_IF_ERROR(small(context.in(i), 1));
  for (size_t i = 0; i < context.numOutputs(); ++i)
    LAMINA_RETURN_IF_ERROR(small(context.out(i), kKept));
  return absl::OkStatus();
}

} // namespace lamina::onnx
