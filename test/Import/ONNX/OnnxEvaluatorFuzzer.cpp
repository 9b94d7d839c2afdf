//===- OnnxEvaluatorFuzzer.cpp - hostile shapes, attributes and elements --------------------------------===//
//
// Whatever the reader accepts is made flat, evaluated and probed, with small limits, and its matrices of few
// bits are encoded. Inputs begin as models of one node that any row of the table may have.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/ComputedPart.h"
#include "lib/Import/ONNX/Inline.h"
#include "lib/Import/ONNX/Probe.h"
#include "lib/Import/ONNX/ProbeInputs.h"
#include "test/Import/ONNX/TinyModel.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

namespace {

using namespace lamina::onnx;
using ::onnx::AttributeProto;

constexpr Limits kLimits{.elements = 1 << 12, .work = 1 << 22, .leaveLarge = true};

void checkOneLine(const absl::Status &status) {
  if (status.message().find('\n') == absl::string_view::npos)
    return;
  std::fprintf(stderr, "more than one line: %s\n", status.ToString().c_str());
  std::abort();
}

/// Zeros where the batch does not say what an input is.
absl::StatusOr<Tensor> inputOf(const Value &value) {
  LAMINA_ASSIGN_OR_RETURN(Tensor input, inputAt(value, {.S = 3, .P = 2}, {.limits = kLimits}));
  if (!input.hasData() && elementBytes(input.type()) > 0 && input.count() <= kLimits.elements)
    input.allocate();
  return input;
}

absl::Status evaluate(const Model &model) {
  std::vector<Tensor> inputs;
  for (ValueId id : model.graph.inputs) {
    LAMINA_ASSIGN_OR_RETURN(Tensor input, inputOf(model.graph.values[id]));
    inputs.push_back(std::move(input));
  }
  return Evaluator(model, kLimits).run(std::move(inputs)).status();
}

void encodeMatrices(const Model &model) {
  constexpr uint64_t kMostBytes = 1 << 16;
  ComputedPart part(model);
  auto encode = [&](const ComputedPart::Matrix *found) {
    if (!found || found->matrix.bytes() > kMostBytes)
      return;
    std::vector<uint8_t> bytes(found->matrix.bytes());
    checkOneLine(part.read(found->offset, bytes));
  };
  for (const Node &node : model.graph.nodes) {
    encode(part.find(node));
    for (ExpertMatrix::Role role : {ExpertMatrix::Gate, ExpertMatrix::Up, ExpertMatrix::Down})
      encode(part.find(node, role, 1));
  }
}

using Random = std::minstd_rand;
int64_t pick(Random &random, int64_t count) { return static_cast<int64_t>(random() % count); }

template <typename T> const T &oneOf(Random &random, const std::vector<T> &list) {
  return list[pick(random, static_cast<int64_t>(list.size()))];
}

int64_t someInteger(Random &random) {
  constexpr int64_t kHostile[] = {INT64_MIN, INT64_MAX, INT32_MIN, INT32_MAX, int64_t{1} << 40, 4096};
  return pick(random, 16) == 0 ? kHostile[pick(random, std::size(kHostile))] : pick(random, 12) - 3;
}

void addSomeAttribute(Random &random, ::onnx::NodeProto *node) {
  static const std::vector<std::string> kIntegers = {"N",
                                                     "K",
                                                     "axis",
                                                     "batch_dims",
                                                     "bits",
                                                     "block_size",
                                                     "blocksize",
                                                     "ceil_mode",
                                                     "do_rotary",
                                                     "exclusive",
                                                     "expert_weight_bits",
                                                     "gather_axis",
                                                     "group",
                                                     "interleaved",
                                                     "is_causal",
                                                     "k",
                                                     "keepdims",
                                                     "kv_num_heads",
                                                     "largest",
                                                     "left_window_size",
                                                     "local_window_size",
                                                     "noop_with_empty_axes",
                                                     "num_heads",
                                                     "num_outputs",
                                                     "output_dtype",
                                                     "q_num_heads",
                                                     "qk_matmul_output_mode",
                                                     "qk_output",
                                                     "quantize_axis",
                                                     "reverse",
                                                     "rotary_embedding_dim",
                                                     "select_last_index",
                                                     "softmax_precision",
                                                     "swiglu_fusion",
                                                     "to",
                                                     "transA",
                                                     "transB",
                                                     "unidirectional"};
  static const std::vector<std::string> kLists = {"axes", "dilations", "kernel_shape", "pads",
                                                  "perm", "shape",     "split",        "starts",
                                                  "ends", "strides",   "value_ints"};
  static const std::vector<std::string> kReals = {"alpha", "beta", "epsilon", "scale", "softcap", "value"};
  static const std::vector<std::pair<std::string, std::string>> kTexts = {
      {"equation", "ij,jk->ik"},  {"equation", "...i->i"}, {"mode", "reflect"},    {"reduction", "add"},
      {"auto_pad", "SAME_UPPER"}, {"direction", "RIGHT"},  {"approximate", "tanh"}};
  switch (pick(random, 6)) {
  case 0:
  case 1:
  case 2:
    addAttribute(node, oneOf(random, kIntegers), AttributeProto::INT)->set_i(someInteger(random));
    break;
  case 3: {
    AttributeProto *list = addAttribute(node, oneOf(random, kLists), AttributeProto::INTS);
    for (int64_t i = pick(random, 5); i > 0; --i)
      list->add_ints(someInteger(random));
    break;
  }
  case 4:
    addAttribute(node, oneOf(random, kReals), AttributeProto::FLOAT)
        ->set_f(static_cast<float>(someInteger(random)) / 2);
    break;
  default: {
    const auto &[name, text] = oneOf(random, kTexts);
    addAttribute(node, name, AttributeProto::STRING)->set_s(text);
  }
  }
}

/// A constant of any type and small shape; integers are often small, so that they can be sizes and indices.
void addSomeTensor(Random &random, ::onnx::GraphProto *graph, const std::string &name) {
  static const std::vector<ElementType> kTypes = {ElementType::Float, ElementType::Int64,
                                                  ElementType::Bool,  ElementType::Float16,
                                                  ElementType::UInt8, ElementType::Int32};
  auto type =
      pick(random, 4) ? oneOf(random, kTypes) : static_cast<ElementType>(pick(random, kNumElementTypes));
  std::vector<int64_t> dims(pick(random, 5));
  for (int64_t &dim : dims)
    dim = pick(random, 10) ? 1 + pick(random, 4) : 0;
  ::onnx::TensorProto *tensor = addTensor(graph, name, static_cast<int32_t>(type), {});
  for (int64_t dim : dims)
    tensor->add_dims(dim);
  std::string bytes(tensorBytes(type, *countElements(dims)).value_or(0), '\0');
  bool small = pick(random, 2);
  size_t step = small ? std::max<size_t>(elementBits(type) / 8, 1) : 1;
  for (size_t i = 0; i < bytes.size(); i += step)
    bytes[i] = static_cast<char>(small ? pick(random, 4) : pick(random, 256));
  tensor->set_raw_data(bytes);
}

std::string someModel(unsigned seed) {
  Random random(seed);
  std::vector<const OpRow *> rows = allRows();
  const OpRow *row = oneOf(random, rows);
  ::onnx::ModelProto model = emptyModel();
  model.mutable_opset_import(0)->set_version(row->domain.empty() ? row->until : kNewestOpset);
  ::onnx::OperatorSetIdProto *contrib = model.add_opset_import();
  contrib->set_domain(std::string(kContrib));
  contrib->set_version(1);
  ::onnx::GraphProto *graph = model.mutable_graph();
  ::onnx::NodeProto *node = addNode(graph, row->name, {}, {"y", "z", "w"});
  node->set_domain(std::string(row->domain));
  for (unsigned i = 0; i < std::min(row->most, row->required + static_cast<unsigned>(pick(random, 4))); ++i) {
    std::string name = "x" + std::to_string(i);
    bool absent = i >= row->required && pick(random, 2);
    node->add_input(absent                 ? ""
                    : pick(random, 4) && i ? node->input(static_cast<int>(pick(random, i)))
                                           : name);
    if (node->input(static_cast<int>(i)) == name)
      addSomeTensor(random, graph, name);
  }
  for (int64_t i = pick(random, 5); i > 0; --i)
    addSomeAttribute(random, node);
  declare(graph->add_output(), "y");
  return model.SerializeAsString();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  absl::StatusOr<Model> model = readModel({bytes, size}, "fuzz", {.allowMissingData = true});
  if (!model.ok())
    return 0;
  checkOneLine(evaluate(*model));
  model = inlined(*std::move(model), {.limits = kLimits, .mostNodes = 1000});
  checkOneLine(model.status());
  if (!model.ok())
    return 0;
  checkOneLine(evaluate(*model));
  encodeMatrices(*model);
  checkOneLine(probe(*model, {.limits = kLimits}).status());
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned seed) {
  if (size >= 16 && seed % 4)
    return LLVMFuzzerMutate(data, size, maxSize);
  std::string image = someModel(seed);
  size = std::min(image.size(), maxSize);
  std::memcpy(data, image.data(), size);
  return size;
}
