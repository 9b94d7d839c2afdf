//===- NodeImporter.cpp - which operators are imported, and what their importers share ------------------===//

#include "lib/Import/ONNX/NodeImporter.h"

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Support/Names.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;

namespace lamina::onnx {

NodeImporter::NodeImporter(const Model &model, const std::vector<ProbedValue> &probed, GraphWeights &weights,
                           StepValues step, OpBuilder &builder, Location fileLoc)
    : model_(model), probed_(probed), weights_(weights), step_(std::move(step)), b_(builder),
      fileLoc_(fileLoc), loc_(fileLoc), make_(builder, loc_, step_.tokenIds) {
  for (ValueId id : model.graph.inputs)
    if (roleOf(model.graph.values[id]) == InputRole::Tokens && isInteger(probed[id].type))
      values_[id] = {step_.tokenIds, usualAxes(dims(id))};
  for (auto [cache, inputs] : llvm::enumerate(step_.inputs)) {
    pasts_[inputs.keys] = {cache, lm::CachePart::keys};
    pasts_[inputs.values] = {cache, lm::CachePart::values};
  }
  for (const Node &node : model.graph.nodes)
    for (ValueId id : node.outputs)
      producers_[id] = &node;
}

NodeImporter::Row NodeImporter::rowOf(const Node &node) {
  using Self = NodeImporter;
  static const llvm::StringMap<Row> kStandard = {
      {"Gather", {&Self::gather, {"axis"}}},
      {"MatMul", {&Self::matmul}},
      {"Einsum", {&Self::einsum, {"equation"}}},
      {"Gemm", {&Self::matmul, {"alpha", "beta", "transA", "transB"}}},
      {"Add", {&Self::binary}},
      {"Sub", {&Self::binary}},
      {"Mul", {&Self::binary}},
      {"Div", {&Self::binary}},
      {"Max", {&Self::binary}},
      {"Min", {&Self::binary}},
      {"Pow", {&Self::power}},
      {"Neg", {&Self::unary}},
      {"Sqrt", {&Self::unary}},
      {"Reciprocal", {&Self::unary}},
      {"Exp", {&Self::unary}},
      {"Tanh", {&Self::unary}},
      {"Erf", {&Self::unary}},
      {"IsNaN", {&Self::unary}},
      {"Cast", {&Self::unary, {"to"}}},
      {"CastLike", {&Self::unary}},
      {"Where", {&Self::select}},
      {"ReduceMean", {&Self::mean, {"axes", "keepdims", "noop_with_empty_axes"}}},
      {"Softmax", {&Self::softmax, {"axis"}}},
      {"Reshape", {&Self::reshape, {"allowzero"}}},
      {"Squeeze", {&Self::reshape, {"axes"}}},
      {"Unsqueeze", {&Self::reshape, {"axes"}}},
      {"Flatten", {&Self::reshape, {"axis"}}},
      {"Identity", {&Self::reshape}},
      {"Transpose", {&Self::transpose, {"perm"}}},
      {"Expand", {&Self::expand}},
      {"Tile", {&Self::expand}},
      {"Slice", {&Self::slice, {"starts", "ends", "axes", "steps"}}},
      {"Split", {&Self::split, {"axis", "split", "num_outputs"}}},
      {"Concat", {&Self::concat, {"axis"}}},
      {"TensorScatter", {&Self::writeCache, {"axis", "mode"}}},
      {"ScatterND", {&Self::writeCache, {"reduction"}}},
      {"ScatterElements", {&Self::writeCache, {"axis", "reduction"}}},
      {"Sigmoid", {&Self::activation}},
      {"Relu", {&Self::activation}},
      {"Gelu", {&Self::activation, {"approximate"}}},
      {"Swish", {&Self::swish, {"alpha"}}},
      {"SimplifiedLayerNormalization", {&Self::norm, {"axis", "epsilon"}}},
      {"RMSNormalization", {&Self::norm, {"axis", "epsilon"}}},
      {"LayerNormalization", {&Self::norm, {"axis", "epsilon"}}},
      {"RotaryEmbedding", {&Self::rotary, {"interleaved", "num_heads", "rotary_embedding_dim"}}},
      {"Attention",
       {&Self::standardAttention,
        {"q_num_heads", "kv_num_heads", "scale", "softcap", "is_causal", "left_window_size",
         "right_window_size", "softmax_precision", "qk_matmul_output_mode"}}},
  };
  static const llvm::StringMap<Row> kContribRows = {
      {"FastGelu", {&Self::activation}},
      {"QuickGelu", {&Self::swish, {"alpha"}}},
      {"Gelu", {&Self::activation}},
      {"SkipSimplifiedLayerNormalization", {&Self::skipNorm, {"epsilon"}}},
      {"SkipLayerNormalization", {&Self::skipNorm, {"epsilon"}}},
      {"RotaryEmbedding", {&Self::rotary, {"interleaved", "num_heads", "rotary_embedding_dim"}}},
      {"MatMulNBits", {&Self::matmulBlocks, {"K", "N", "bits", "block_size", "accuracy_level"}}},
      {"GatherBlockQuantized", {&Self::gather, {"bits", "block_size", "gather_axis", "quantize_axis"}}},
      {"MoE",
       {&Self::mixtureOfExperts,
        {"k", "activation_type", "normalize_routing_weights", "swiglu_fusion", "activation_alpha",
         "activation_beta", "swiglu_limit", "use_sparse_mixer"}}},
      {"QMoE",
       {&Self::mixtureOfExperts,
        {"k", "activation_type", "normalize_routing_weights", "swiglu_fusion", "activation_alpha",
         "activation_beta", "swiglu_limit", "use_sparse_mixer", "expert_weight_bits", "block_size",
         "quant_type", "weights_prepacked"}}},
      {"Attention",
       {&Self::projectedAttention,
        {"num_heads", "scale", "unidirectional", "mask_filter_value", "qkv_hidden_sizes"}}},
      {"MultiHeadAttention",
       {&Self::multiHeadAttention, {"num_heads", "scale", "unidirectional", "mask_filter_value"}}},
      {"GroupQueryAttention",
       {&Self::groupQueryAttention,
        {"num_heads", "kv_num_heads", "scale", "softcap", "local_window_size", "do_rotary",
         "rotary_interleaved", "qk_norm_epsilon"}}},
      {"PagedAttention",
       {&Self::pagedAttention,
        {"num_heads", "kv_num_heads", "scale", "softcap", "local_window_size", "do_rotary",
         "rotary_interleaved", "qk_norm_epsilon", "is_causal"}}},
  };
  return (node.domain == kContrib ? kContribRows : kStandard).lookup(node.op);
}

LogicalResult NodeImporter::checkAttributes(const Node &node, const Row &row) {
  for (const Attribute &attribute : node.attributes)
    if (!llvm::is_contained(row.attributes, attribute.name) && !isNeutral(attribute))
      return error(node) << "attribute " << quoted(attribute.name)
                         << " or its value is not known to this importer and may change results";
  return success();
}

/// Whether a node gives its input on, which exporters do to caches; in what order axes are is a matter of sizes.
bool NodeImporter::isCopy(const Node &node) const {
  return node.op == "Identity" || node.op == "Cast" || node.op == "CastLike" ||
         (node.op == "Transpose" && pasts_.contains(node.input(0))) ||
         (node.op == "Concat" && node.inputs.size() == 1) || (node.op == "Slice" && isWhole(node));
}

/// Copies what is no tensor of tokens.
bool NodeImporter::copyKnown(const Node &node) {
  if (!isCopy(node))
    return false;
  auto past = pasts_.find(node.input(0));
  if (past != pasts_.end())
    pasts_[node.output(0)] = std::pair(past->second);
  mlir::Value heads = headwise_.lookup(node.input(0));
  if (heads)
    headwise_[node.output(0)] = heads;
  return past != pasts_.end() || heads;
}

LogicalResult NodeImporter::import(const Node &node) {
  if (copyKnown(node))
    return success();
  // What is behind the rotated part of a head may be nothing.
  if (llvm::all_of(node.outputs, [&](ValueId id) { return id == kAbsent || isEmpty(id); }))
    return success();
  llvm::SaveAndRestore<Location> here(loc_,
                                      namedLoc(node.name.empty() ? node.describe() : node.name, fileLoc_));
  if (weights_.isBlocks(node.output(0)) && (node.op == "DequantizeLinear" || node.op == "Transpose"))
    return success(); // what DequantizeLinear gives, transposed or not: products read the codes
  Row row = rowOf(node);
  if (!row.import)
    return error(node) << "has no form in lm yet"
                       << (node.op == "TopK"
                               ? "; experts are known as MoE and QMoE, which onnxruntime-genai writes"
                               : "");
  return failed(checkAttributes(node, row)) ? failure() : (this->*row.import)(node);
}

InFlightDiagnostic NodeImporter::error(const Node &node) {
  return emitError(namedLoc(node.name.empty() ? node.describe() : node.name, fileLoc_))
         << node.describe() << ": ";
}

RankedTensorType NodeImporter::rowsOf(int64_t width) {
  return RankedTensorType::get({ShapedType::kDynamic, width}, b_.getF32Type());
}

mlir::Value NodeImporter::weight(lm::WeightOp weight) {
  return create<lm::GetWeightOp>(weight.getTensorType(), FlatSymbolRefAttr::get(weight.getSymNameAttr()));
}

FailureOr<mlir::Value> NodeImporter::rows(const Node &node, size_t input) {
  ValueId id = node.input(input);
  Placed placed = id == kAbsent ? Placed() : values_.lookup(id);
  auto type = placed.value ? dyn_cast<RankedTensorType>(placed.value.getType()) : RankedTensorType();
  if (type && type.getRank() == 2 && type.getElementType().isF32() && placed.axes.back() == 1 &&
      llvm::is_contained(dims(id), kTokens))
    return placed.value;
  return error(node) << "expected input " << input << " to be rows of tokens"
                     << (id == kAbsent ? "" : ", got " + probed_[id].describe());
}

FailureOr<mlir::Value> NodeImporter::headRows(const Node &node, size_t input, const Affine &leading) {
  ArrayRef<Affine> shape = dims(node.input(input));
  FailureOr<Placed> x = realOperand(node, input);
  if (failed(x))
    return failure();
  size_t rank = shape.size();
  bool apart = rank == 4 && shape[1].isConstant();
  if (rank < 3 || x->isNumber() || shape[rank - 2] != leading || !shape[rank - 1].isConstant() ||
      (rank == 4 && !apart))
    return error(node) << "expected input " << input << " to be heads of " << leading.text()
                       << " positions, got " << probed_[node.input(input)].describe();
  return make_.reshaped(make_.inOrder(*x).value,
                        {(apart ? shape[1].constant : 1) * shape[rank - 1].constant});
}

void NodeImporter::defineHeads(ValueId id, mlir::Value rows) {
  Axes axes = usualAxes(dims(id));
  auto type = make_.typeOf(dims(id), axes, b_.getF32Type());
  values_[id] = {make_.reshaped(rows, type.getShape().drop_front()), axes};
}

} // namespace lamina::onnx
