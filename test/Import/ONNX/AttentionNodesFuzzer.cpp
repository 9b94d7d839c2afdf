//===- AttentionNodesFuzzer.cpp - what is found in any graph is what AttentionNodes.h says --------------===//
//
// Each three bytes are a node: an operator, and values that it reads, counted backwards. All are squares, so every operator takes
// them. Inputs begin as an attention of each kind.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/AttentionNodes.h"
#include "lib/Import/ONNX/Evaluator.h"
#include "test/Import/ONNX/TinyModel.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

namespace {

using namespace lamina::onnx;

struct Operator {
  const char *name;
  size_t inputs;
};
// Products and softmaxes are what it is about, so they are often.
constexpr Operator kOperators[] = {{"MatMul", 2},    {"Softmax", 1}, {"MatMul", 2},    {"Softmax", 1},
                                   {"Transpose", 1}, {"MatMul", 2},  {"Add", 2},       {"Mul", 2},
                                   {"Div", 2},       {"Relu", 1},    {"Exp", 1},       {"ReduceSum", 1},
                                   {"Identity", 1},  {"Where", 2},   {"Max", 2},       {"Pow", 2},
                                   {"Shape", 1},     {"Expand", 2},  {"ReduceMax", 1}, {"Reciprocal", 1}};
/// softmax(q kᵀ) v, and relu(q) (relu(k)ᵀ v) over a sum, by places in kOperators.
constexpr uint8_t kAttentions[] = {4, 2, 0, 0, 4, 0, 1, 0, 0, 0, 0,  4, 9, 7, 0, 9, 7,
                                   0, 4, 0, 0, 0, 0, 8, 0, 3, 0, 11, 3, 0, 8, 1, 0};
constexpr size_t kMostNodes = 80;
constexpr int64_t kSize = 4;

/// Inputs and a constant, then the nodes; the last value and some in between are outputs.
std::string modelOf(const uint8_t *bytes, size_t size) {
  ::onnx::ModelProto model = emptyModel();
  ::onnx::GraphProto *graph = model.mutable_graph();
  std::vector<std::string> values = {"q", "k", "v"}, sizes = {"size"};
  for (const std::string &name : values)
    declare(graph->add_input(), name, {kSize, kSize});
  addTensor(graph, "c", ::onnx::TensorProto::FLOAT, {})->set_raw_data(std::string(4, '\1'));
  values.push_back("c");
  addTensor(graph, "size", ::onnx::TensorProto::INT64, {2})
      ->set_raw_data(std::string("\4\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0", 16));
  addTensor(graph, "mask", ::onnx::TensorProto::BOOL, {kSize, kSize})
      ->set_raw_data(std::string(kSize * kSize, '\1'));
  for (size_t i = 0; i + 3 <= size && i / 3 < kMostNodes; i += 3) {
    const Operator &op = kOperators[bytes[i] % std::size(kOperators)];
    std::string name = "n" + std::to_string(i / 3), type = op.name;
    auto operand = [&](uint8_t byte) { return values[values.size() - 1 - byte % values.size()]; };
    ::onnx::NodeProto *node = addNode(graph, type, {}, {name});
    if (type == "Where")
      node->add_input("mask");
    node->add_input(operand(bytes[i + 1]));
    if (type == "Expand")
      node->add_input(sizes[bytes[i + 2] % sizes.size()]);
    else if (op.inputs == 2)
      node->add_input(operand(bytes[i + 2]));
    (type == "Shape" ? sizes : values).push_back(name);
    if (bytes[i] >= 0xf8)
      declare(graph->add_output(), name);
  }
  declare(graph->add_output(), values.back() == "c" ? "q" : values.back());
  return model.SerializeAsString();
}

void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "expected %s\n", what);
  std::abort();
}

void check(const Graph &graph, const std::vector<Tensor> &tensors, const AttentionNodes &found,
           std::set<size_t> &taken) {
  std::set<size_t> nodes(found.nodes.begin(), found.nodes.end());
  std::set<ValueId> results;
  require(!nodes.empty() && std::is_sorted(found.nodes.begin(), found.nodes.end()) &&
              nodes.size() == found.nodes.size(),
          "nodes in order");
  for (size_t i : nodes) {
    require(taken.insert(i).second, "each node in one attention");
    for (ValueId id : graph.nodes.at(i).outputs)
      if (id != kAbsent && i != found.nodes.back())
        results.insert(id);
  }
  for (ValueId id : {found.query, found.key, found.value})
    require(id != kAbsent && !results.contains(id), "query, key and value from outside");
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node &node = graph.nodes[i];
    bool known = std::all_of(node.outputs.begin(), node.outputs.end(),
                             [&](ValueId id) { return tensors[id].hasData(); });
    for (ValueId id : node.inputs)
      require(nodes.contains(i) || known || !results.contains(id), "results that others do not read");
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  std::string image = modelOf(bytes, size);
  absl::StatusOr<Model> model = readModel(asBytes(image), "fuzz");
  if (!model.ok())
    return 0;
  Evaluator evaluator(*model);
  std::vector<Tensor> inputs(model->graph.inputs.size(), Tensor(ElementType::Float, Dims{kSize, kSize}));
  absl::StatusOr<std::vector<Tensor>> tensors = evaluator.values(std::move(inputs));
  if (!tensors.ok()) // a product of the scalar
    return 0;
  std::set<size_t> taken;
  for (const AttentionNodes &found : findAttentionNodes(model->graph, 21, *tensors))
    check(model->graph, *tensors, found, taken);
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned) {
  if (size >= 12)
    return LLVMFuzzerMutate(data, size, maxSize);
  size = std::min(std::size(kAttentions), maxSize);
  std::memcpy(data, kAttentions, size);
  return size;
}
