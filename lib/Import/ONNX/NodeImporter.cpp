//===- NodeImporter.cpp - nodes that work on each token by itself ---------------------------------------===//

#include "lib/Import/ONNX/NodeImporter.h"

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Support/Names.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/SaveAndRestore.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

NodeImporter::NodeImporter(const Model &model, const std::vector<ProbedValue> &probed, GraphWeights &weights,
                           StepValues step, OpBuilder &builder, Location fileLoc)
    : model_(model), probed_(probed), weights_(weights), step_(std::move(step)), b_(builder), fileLoc_(fileLoc),
      loc_(fileLoc), evaluator_(model), make_(builder, loc_, step_.tokenIds) {
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
      {"Sigmoid", {&Self::activation}},
      {"Relu", {&Self::activation}},
      {"Gelu", {&Self::activation, {"approximate"}}},
      {"SimplifiedLayerNormalization", {&Self::norm, {"axis", "epsilon"}}},
      {"RMSNormalization", {&Self::norm, {"axis", "epsilon"}}},
      {"LayerNormalization", {&Self::norm, {"axis", "epsilon"}}},
      {"RotaryEmbedding", {&Self::rotary, {"interleaved", "num_heads", "rotary_embedding_dim"}}},
      {"Attention",
       {&Self::standardAttention,
        {"q_num_heads", "kv_num_heads", "scale", "softcap", "is_causal", "left_window_size", "right_window_size",
         "softmax_precision"}}},
  };
  static const llvm::StringMap<Row> kContribRows = {
      {"FastGelu", {&Self::activation}},
      {"Gelu", {&Self::activation}},
      {"SkipSimplifiedLayerNormalization", {&Self::skipNorm, {"epsilon"}}},
      {"SkipLayerNormalization", {&Self::skipNorm, {"epsilon"}}},
      {"RotaryEmbedding", {&Self::rotary, {"interleaved", "num_heads", "rotary_embedding_dim"}}},
      {"MatMulNBits", {&Self::matmulBlocks, {"K", "N", "bits", "block_size", "accuracy_level"}}},
      {"GatherBlockQuantized", {&Self::gather, {"bits", "block_size", "gather_axis", "quantize_axis"}}},
      {"MultiHeadAttention",
       {&Self::multiHeadAttention, {"num_heads", "scale", "unidirectional", "mask_filter_value"}}},
      {"GroupQueryAttention",
       {&Self::groupQueryAttention,
        {"num_heads", "kv_num_heads", "scale", "softcap", "local_window_size", "do_rotary", "rotary_interleaved",
         "qk_norm_epsilon"}}},
      {"PagedAttention",
       {&Self::pagedAttention,
        {"num_heads", "kv_num_heads", "scale", "softcap", "local_window_size", "do_rotary", "rotary_interleaved",
         "qk_norm_epsilon", "is_causal"}}},
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

/// Whether a node gives its input on, which exporters do to caches.
bool NodeImporter::isCopy(const Node &node) const {
  return node.op == "Identity" || node.op == "Cast" || (node.op == "Concat" && node.inputs.size() == 1) ||
         (node.op == "Slice" && dims(node.input(0)) == dims(node.output(0)));
}

LogicalResult NodeImporter::import(const Node &node) {
  if (auto past = pasts_.find(node.input(0)); past != pasts_.end() && isCopy(node)) {
    pasts_[node.output(0)] = std::pair(past->second);
    return success();
  }
  // What is behind the rotated part of a head may be nothing.
  if (llvm::all_of(node.outputs, [&](ValueId id) { return id == kAbsent || isEmpty(id); }))
    return success();
  llvm::SaveAndRestore<Location> here(loc_, namedLoc(node.name.empty() ? node.describe() : node.name, fileLoc_));
  if (weights_.isBlocks(node.output(0)) && (node.op == "DequantizeLinear" || node.op == "Transpose"))
    return success(); // what DequantizeLinear gives, transposed or not: products read the codes
  Row row = rowOf(node);
  if (!row.import)
    return error(node) << "has no form in lm yet";
  return failed(checkAttributes(node, row)) ? failure() : (this->*row.import)(node);
}

InFlightDiagnostic NodeImporter::error(const Node &node) {
  return emitError(namedLoc(node.name.empty() ? node.describe() : node.name, fileLoc_)) << node.describe() << ": ";
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

FailureOr<Tensor> NodeImporter::constant(const Node &node, size_t input) {
  if (const TensorConstant *found = given(node, input) ? weights_.find(node.input(input)) : nullptr) {
    absl::StatusOr<Tensor> tensor = evaluator_.constant(*found);
    if (tensor.ok() && tensor->hasData())
      return *tensor;
  }
  return error(node) << "expected input " << input << " to be a constant whose bytes are there";
}

mlir::Value NodeImporter::bias(mlir::Value x, ValueId id) {
  lm::WeightOp vector = weights_.vector(id, cast<RankedTensorType>(x.getType()).getShape().back());
  return vector ? create<lm::BiasAddOp>(x.getType(), x, weight(vector)) : mlir::Value();
}

/// Rows of a table by token or by position, or a part of what is computed.
LogicalResult NodeImporter::gather(const Node &node) {
  bool blocks = node.op == "GatherBlockQuantized";
  if (!weights_.find(node.input(0)))
    return slice(node);
  const ProbedValue &indices = probed_[node.input(1)];
  const auto *positions = std::get_if<Positions>(&indices.meaning);
  // Some models begin to count at 2.
  int64_t first = positions ? positions->first.constant : 0;
  bool byPosition = positions && positions->first == Affine{first, 0, 1} && first >= 0;
  if (attributeOr(node, blocks ? "gather_axis" : "axis", int64_t(0)) != 0 || (!byPosition && find(node.input(1)) != step_.tokenIds))
    return error(node) << "expected rows of a table by token or by position, got indices "
                       << indices.describe();
  if (blocks && first != 0)
    return error(node) << "expected a table of few bits to begin at position 0";
  lm::WeightOp table = blocks ? matrixOfBlocks(node) : weights_.table(node.input(0), first);
  if (!table)
    return failure();
  if (byPosition)
    longest_ = std::min(longest_.value_or(INT64_MAX), table.getTensorType().getDimSize(0));
  define(node, 0, create<lm::EmbeddingOp>(rowsOf(table.getTensorType().getDimSize(1)),
                                          byPosition ? step_.positions : step_.tokenIds, weight(table)));
  return success();
}

/// MatMul and Gemm. The right side is a constant, perhaps one to be transposed, or else an activation.
LogicalResult NodeImporter::matmul(const Node &node) {
  ValueId right = node.input(1);
  auto transposed = transposes_.find(right);
  bool stored = transposed != transposes_.end();
  right = stored ? transposed->second : right;
  if (node.op == "Gemm" && attributeOr(node, "transB", int64_t(0)) != 0)
    stored = !stored;
  if (node.op == "MatMul" && !weights_.find(right) && !weights_.isBlocks(right))
    return contract(node);
  lm::WeightOp matrix = weights_.matrix(right, stored ? MatrixForm::Rows : MatrixForm::Columns);
  return matrix ? linear(node, matrix) : failure();
}

LogicalResult NodeImporter::linear(const Node &node, lm::WeightOp matrix) {
  FailureOr<mlir::Value> x = rows(node, 0);
  if (failed(x))
    return failure();
  bool gemm = node.op == "Gemm";
  if (gemm && (attributeOr(node, "alpha", 1.0f) != 1 || attributeOr(node, "beta", 1.0f) != 1 ||
               attributeOr(node, "transA", int64_t(0)) != 0))
    return error(node) << "expected alpha and beta of 1 and a left side as it is";
  if (matrix.getTensorType().getDimSize(1) != cast<RankedTensorType>(x->getType()).getShape().back())
    return error(node) << "rows of " << cast<RankedTensorType>(x->getType()).getShape().back()
                       << " do not fit a matrix of " << matrix.getTensorType().getDimSize(1);
  mlir::Value y = create<lm::LinearOp>(rowsOf(matrix.getTensorType().getDimSize(0)), *x, weight(matrix));
  size_t biasInput = gemm ? 2 : 5; // MatMul has none, MatMulNBits has it behind zero points and order
  if (given(node, biasInput) && !(y = bias(y, node.input(biasInput))))
    return failure();
  define(node, 0, y);
  return success();
}

lm::WeightOp NodeImporter::matrixOfBlocks(const Node &node) {
  lm::WeightOp matrix = weights_.blocks(node);
  if (!matrix)
    error(node) << "expected a constant matrix of unsigned codes with scales and perhaps zero points like the codes";
  return matrix;
}

/// MatMulNBits: x, codes, scales, zero points, order of groups (which the shape rule refuses), bias.
LogicalResult NodeImporter::matmulBlocks(const Node &node) {
  lm::WeightOp matrix = matrixOfBlocks(node);
  return matrix ? linear(node, matrix) : failure();
}

LogicalResult NodeImporter::activation(const Node &node) {
  FailureOr<Placed> x = operand(node, 0);
  if (failed(x))
    return failure();
  bool tanh = node.op == "FastGelu" || attributeOr(node, "approximate", std::string("none")) == "tanh";
  lm::Activation kind = node.op == "Sigmoid" ? lm::Activation::sigmoid
                        : node.op == "Relu"  ? lm::Activation::relu
                        : tanh               ? lm::Activation::gelu_tanh
                                             : lm::Activation::gelu;
  mlir::Value y = x->value;
  if (given(node, 1) && !(y = bias(y, node.input(1)))) // FastGelu's
    return failure();
  define(node, 0, create<lm::ActivationOp>(y.getType(), y, kind), x->axes);
  return success();
}

LogicalResult NodeImporter::norm(const Node &node) {
  FailureOr<mlir::Value> x = rows(node, 0);
  if (failed(x))
    return failure();
  int64_t width = cast<RankedTensorType>(x->getType()).getShape().back();
  int64_t axis = attributeOr(node, "axis", int64_t(-1)), rank = probed_[node.input(0)].dims.size();
  if (axis != -1 && axis != rank - 1)
    return error(node) << "expected a norm over the last axis, got axis " << axis;
  lm::WeightOp scale = weights_.vector(node.input(1), width);
  if (!scale)
    return failure();
  FloatAttr epsilon = f32(attributeOr(node, "epsilon", 1e-5f));
  if (node.op != "LayerNormalization") {
    define(node, 0, create<lm::RMSNormOp>(x->getType(), *x, weight(scale), epsilon));
    return success();
  }
  if (!given(node, 2))
    return error(node) << "has no bias";
  lm::WeightOp bias = weights_.vector(node.input(2), width);
  if (!bias)
    return failure();
  define(node, 0, create<lm::LayerNormOp>(x->getType(), *x, weight(scale), weight(bias), epsilon));
  return success();
}

/// The sum of a block's result and the residual stream, which is output 3, and its norm.
LogicalResult NodeImporter::skipNorm(const Node &node) {
  FailureOr<mlir::Value> x = rows(node, 0), skip = failed(x) ? x : rows(node, 1);
  if (failed(skip))
    return failure();
  bool centred = node.op == "SkipLayerNormalization";
  size_t biasInput = centred ? 4 : 3;
  mlir::Value sum = *skip;
  if (given(node, biasInput) && !(sum = bias(sum, node.input(biasInput))))
    return failure();
  sum = create<arith::AddFOp>(*x, sum);
  int64_t width = cast<RankedTensorType>(sum.getType()).getShape().back();
  lm::WeightOp scale = weights_.vector(node.input(2), width);
  lm::WeightOp shift = centred && given(node, 3) ? weights_.vector(node.input(3), width) : lm::WeightOp();
  if (!scale || (centred && !shift))
    return scale ? LogicalResult(error(node) << "has no bias of the norm") : failure();
  FloatAttr epsilon = f32(attributeOr(node, "epsilon", 1e-12f));
  mlir::Value normed = centred ? create<lm::LayerNormOp>(sum.getType(), sum, weight(scale), weight(shift), epsilon)
                         : create<lm::RMSNormOp>(sum.getType(), sum, weight(scale), epsilon);
  define(node, 0, normed);
  define(node, 3, sum);
  return success();
}

} // namespace lamina::onnx
