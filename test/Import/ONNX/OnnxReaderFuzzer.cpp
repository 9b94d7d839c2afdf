//===- OnnxReaderFuzzer.cpp: any bytes as a model file
//----------------------------------------------------------===//

#include "lib/Import/ONNX/onnx.pb.h"
#include "test/Import/ONNX/TinyModel.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace {

using namespace lamina;
using namespace lamina::onnx;

volatile uint64_t sink;

void touch(const Model &model, const TensorConstant &tensor) {
  absl::StatusOr<std::span<const uint8_t>> bytes = model.bytes(tensor);
  if (!bytes.ok())
    return;
  if (bytes->size() != *tensorBytes(tensor.type, *countElements(tensor.dims)))
    std::abort();
  uint64_t sum = 0;
  for (uint8_t byte : *bytes)
    sum += byte;
  sink = sum;
}

/// Ids are indices, and every value is defined before it is used.
void touch(const Model &model, const Graph &graph) {
  std::vector<bool> defined(graph.values.size());
  auto define = [&](ValueId id) {
    if (id != kAbsent && defined.at(id))
      std::abort();
    if (id != kAbsent)
      defined[id] = true;
  };
  auto use = [&](ValueId id) {
    if (id != kAbsent && !defined.at(id))
      std::abort();
  };
  std::for_each(graph.inputs.begin(), graph.inputs.end(), define);
  for (const Graph::Capture &capture : graph.captures)
    define(capture.inner);
  for (const auto &[id, tensor] : graph.constants) {
    define(id);
    touch(model, tensor);
  }
  for (const Node &node : graph.nodes) {
    std::for_each(node.inputs.begin(), node.inputs.end(), use);
    for (const Attribute &attribute : node.attributes) {
      if (const auto *tensor = std::get_if<TensorConstant>(&attribute.value))
        touch(model, *tensor);
      if (const auto *subgraph = std::get_if<std::unique_ptr<Graph>>(&attribute.value)) {
        for (const Graph::Capture &capture : (*subgraph)->captures)
          use(capture.outer);
        touch(model, **subgraph);
      }
    }
    std::for_each(node.outputs.begin(), node.outputs.end(), define);
  }
  std::for_each(graph.outputs.begin(), graph.outputs.end(), use);
}

/// Protobuf's parser sees the same model. It alone looks into messages that mean nothing to lamina, so it may
/// refuse.
void compare(const Model &model, const uint8_t *bytes, size_t size) {
  ::onnx::ModelProto proto;
  if (!proto.ParsePartialFromArray(bytes, static_cast<int>(size)))
    return;
  if (static_cast<size_t>(proto.graph().node_size()) != model.graph.nodes.size() ||
      static_cast<size_t>(proto.functions_size()) != model.functions.size() ||
      proto.ir_version() != model.irVersion)
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  for (bool allowMissingData : {false, true}) {
    absl::StatusOr<Model> model = readModel({bytes, size}, "fuzz", {.allowMissingData = allowMissingData});
    if (!model.ok()) {
      if (model.status().message().find('\n') != absl::string_view::npos)
        std::abort();
      continue;
    }
    if (!looksLikeOnnx({bytes, size}))
      std::abort();
    touch(*model, model->graph);
    for (const Function &function : model->functions)
      touch(*model, function.body);
    compare(*model, bytes, size);
  }
  sink = readTensorFile({bytes, size}, "fuzz").ok();
  return 0;
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

/// A run without any model to begin with begins with those of the tests: random bytes would hardly ever
/// become one.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned seed) {
  if (size >= 16)
    return LLVMFuzzerMutate(data, size, maxSize);
  std::string image = (seed % 2 ? branchModel() : addModel()).SerializeAsString();
  size = std::min(image.size(), maxSize);
  std::memcpy(data, image.data(), size);
  return size;
}
