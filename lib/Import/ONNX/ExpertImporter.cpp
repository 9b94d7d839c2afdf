//===- ExpertImporter.cpp - mixtures of experts ---------------------------------------------------------===//

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/NodeImporter.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

namespace {
/// The function of the gate, if what the attributes ask for is one of lm's.
std::optional<lm::Activation> gateActivation(const Node &node) {
  std::string name = attributeOr(node, "activation_type", std::string("relu"));
  bool plain = attributeOr(node, "activation_alpha", 1.0f) == 1 &&
               attributeOr(node, "activation_beta", 0.0f) == 0 &&
               std::isinf(attributeOr(node, "swiglu_limit", INFINITY));
  if (name == "silu" || (name == "swiglu" && plain))
    return lm::Activation::silu;
  if (name == "gelu")
    return lm::Activation::gelu_tanh;
  return name == "relu" ? std::optional(lm::Activation::relu) : std::nullopt;
}

/// Some exporters write biases for experts that have none.
bool isZero(const Model &model, ValueId id) {
  auto constant = model.graph.constants.find(id);
  if (constant == model.graph.constants.end())
    return false;
  absl::StatusOr<std::span<const uint8_t>> bytes = model.bytes(constant->second);
  return bytes.ok() && llvm::all_of(*bytes, [](uint8_t byte) { return byte == 0; });
}
} // namespace

/// MoE and QMoE: rows, logits of the router, matrices and biases of the experts. The shape rule has checked that they fit.
LogicalResult NodeImporter::mixtureOfExperts(const Node &node) {
  std::optional<lm::Activation> activation = gateActivation(node);
  if (!activation)
    return error(node) << "expected the activation silu, gelu, relu or a swiglu without alpha, beta and "
                          "limit; experts of other forms, "
                          "such as those of gpt-oss, do not run yet";
  lm::WeightOp weights[3];
  for (ExpertMatrix::Role role : {ExpertMatrix::Gate, ExpertMatrix::Up, ExpertMatrix::Down}) {
    ExpertMatrix matrix = expertMatrix(model_.graph, node, role);
    if (!given(node, matrix.weights))
      return error(node) << "expected experts with a gate: matrices for it as an input, or a swiglu_fusion";
    if (given(node, matrix.bias) && !isZero(model_, node.input(matrix.bias)))
      return error(node) << "its experts have biases (input " << matrix.bias
                         << ") that are not constants of 0; such experts, as those of "
                            "gpt-oss, do not run yet";
    if (!(weights[role] = weights_.experts(node, role)))
      return failure();
  }
  FailureOr<mlir::Value> x = rows(node, 0), logits = failed(x) ? x : rows(node, 1);
  if (failed(logits))
    return failure();
  int64_t chosen = attributeOr(node, "k", int64_t(1));
  auto type = [&](int64_t width) {
    return RankedTensorType::get({ShapedType::kDynamic, chosen, width}, b_.getF32Type());
  };
  auto route = lm::RouteExpertsOp::create(
      b_, loc_, RankedTensorType::get({ShapedType::kDynamic, chosen}, b_.getI32Type()), rowsOf(chosen),
      *logits, attributeOr(node, "normalize_routing_weights", int64_t(0)) ? b_.getUnitAttr() : UnitAttr(),
      f32(1));
  auto product = [&](mlir::Value input, ExpertMatrix::Role role) {
    return create<lm::ExpertLinearOp>(type(weights[role].getTensorType().getDimSize(1)), input,
                                      route.getExperts(), weight(weights[role]));
  };
  mlir::Value gate = product(*x, ExpertMatrix::Gate), up = product(*x, ExpertMatrix::Up);
  mlir::Value down =
      product(create<lm::GatedActivationOp>(gate.getType(), gate, up, *activation), ExpertMatrix::Down);
  define(node, 0, create<lm::CombineExpertsOp>(x->getType(), down, route.getWeights()));
  return success();
}

} // namespace lamina::onnx
