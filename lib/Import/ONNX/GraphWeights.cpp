//===- GraphWeights.cpp - constants of an ONNX graph as lm.weight symbols ----------------------------===//

#include "lib/Import/ONNX/GraphWeights.h"

#include "lib/Support/Names.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;

namespace lamina::onnx {

namespace {
/// The block format that elements of this type are, or nothing.
StringRef formatOf(ElementType type) {
  switch (type) {
  case ElementType::Float:
    return "f32";
  case ElementType::Float16:
    return "f16";
  case ElementType::BFloat16:
    return "bf16";
  default:
    return "";
  }
}
} // namespace

const TensorConstant *GraphWeights::find(ValueId id) const {
  auto found = model_.graph.constants.find(id);
  return found == model_.graph.constants.end() ? nullptr : &found->second;
}

lm::WeightOp GraphWeights::vector(ValueId id, int64_t length) {
  const TensorConstant *constant = find(id);
  if (constant && constant->dims == std::vector<int64_t>{length})
    return declare(*constant, id, {length}, 0);
  emitError(namedLoc(model_.graph.values[id].name, fileLoc_))
      << "expected a constant of " << length << " elements";
  return {};
}

lm::WeightOp GraphWeights::part(ValueId id, int64_t first, int64_t length) {
  const TensorConstant *constant = find(id);
  if (constant && constant->dims.size() == 1 && first >= 0 && length <= constant->dims[0] - first)
    return declare(*constant, id, {length}, 0, first);
  emitError(namedLoc(model_.graph.values[id].name, fileLoc_))
      << "expected a constant of at least " << first + length << " elements";
  return {};
}

lm::WeightOp GraphWeights::elements(ValueId id) {
  const TensorConstant *constant = find(id);
  assert(constant && "expected a constant");
  return declare(*constant, id, {static_cast<int64_t>(*countElements(constant->dims))}, 0);
}

lm::WeightOp GraphWeights::matrix(ValueId id, MatrixForm form) {
  if (lm::WeightOp weight = form == MatrixForm::Columns ? blocks(id) : lm::WeightOp())
    return weight;
  const TensorConstant *constant = find(id);
  if (!constant || constant->dims.size() != 2) {
    emitError(namedLoc(model_.graph.values[id].name, fileLoc_)) << "expected a constant matrix";
    return {};
  }
  int64_t rows = constant->dims[0], columns = constant->dims[1];
  if (form == MatrixForm::Columns)
    return declare(*constant, id, {columns, rows}, /*columnPitch=*/columns);
  return declare(*constant, id, {rows, columns}, 0);
}

lm::WeightOp GraphWeights::table(ValueId id, int64_t firstRow) {
  const TensorConstant *constant = find(id);
  if (constant && constant->dims.size() == 2 && firstRow >= 0 && firstRow < constant->dims[0])
    return declare(*constant, id, {constant->dims[0] - firstRow, constant->dims[1]}, 0,
                   firstRow * constant->dims[1]);
  emitError(namedLoc(model_.graph.values[id].name, fileLoc_))
      << "expected a constant table with a row " << firstRow;
  return {};
}

lm::WeightOp GraphWeights::experts(const Node &node, ExpertMatrix::Role role) {
  constexpr StringRef kRoles[] = {".gate", ".up", ".down"};
  ExpertMatrix part = expertMatrix(model_.graph, node, role);
  const TensorConstant *tensor = find(node.input(part.weights));
  Location loc = namedLoc(node.name.empty() ? node.describe() : node.name, fileLoc_);
  auto fail = [&](const Twine &what) -> lm::WeightOp {
    emitError(loc) << node.describe() << ": expected " << what;
    return {};
  };
  if (!tensor || tensor->dims.size() != 3)
    return fail("matrices of experts that are constants");
  if (tensor->dims[0] > ExpertMatrix::kMostExperts)
    return fail("at most " + Twine(ExpertMatrix::kMostExperts) + " experts, got " + Twine(tensor->dims[0]));
  int64_t count = tensor->dims[0], columns = tensor->dims[2];
  StringRef format = formatOf(tensor->type);
  if (node.op != "QMoE" && (format.empty() || part.step != 1))
    return fail("float, float16 or bfloat16 matrices in which gate and up are not interleaved; QMoE may "
                "interleave them");
  SmallVector<mlir::Attribute> sources;
  for (int64_t expert = 0; expert < count; ++expert) {
    auto [file, offset] = std::pair<int64_t, int64_t>(model_.files.size(), 0);
    if (node.op == "QMoE") {
      const ComputedPart::Matrix *matrix = computed_.find(node, role, expert);
      if (!matrix)
        return fail("constant matrices of unsigned codes with scales and perhaps zero points like the codes");
      format = toRef(matrix->matrix.format->name), columns = matrix->matrix.columns, offset = matrix->offset;
    } else {
      if (const auto *place = std::get_if<TensorPlace>(&tensor->data))
        file = place->file, offset = place->offset;
      else
        offset = computed_.offsetOf(node.input(part.weights));
      offset += (expert * tensor->dims[1] + part.first) * columns * int64_t(elementBits(tensor->type) / 8);
    }
    sources.push_back(lm::SourceAttr::get(builder_.getContext(), tensor->name, format.lower(), file, offset));
  }
  auto type = RankedTensorType::get({count, part.rows, columns},
                                    lm::BlockType::get(builder_.getContext(), format.lower()));
  return lm::WeightOp::create(builder_, loc, unique(tensor->name + kRoles[role].str()), TypeAttr::get(type),
                              builder_.getArrayAttr(sources), IntegerAttr(), IntegerAttr(), IntegerAttr());
}

lm::WeightOp GraphWeights::declare(const TensorConstant &constant, ValueId id, ArrayRef<int64_t> shape,
                                   int64_t columnPitch, int64_t first) {
  const std::string &name = model_.graph.values[id].name;
  std::string symbol = columnPitch ? name + ".transposed"
                       : first     ? name + ".from" + std::to_string(first)
                                   : name;
  lm::WeightOp &weight = declared_[{id, columnPitch, first, ShapedType::getNumElements(shape)}];
  if (weight)
    return weight;
  StringRef format = formatOf(constant.type);
  Location loc = namedLoc(name, fileLoc_);
  if (format.empty() || llvm::is_contained(shape, 0)) {
    emitError(loc) << "has type " << toRef(elementTypeName(constant.type))
                   << " or no elements, expected float, float16 or bfloat16";
    return {};
  }
  int64_t file = model_.files.size(), offset = 0;
  if (const auto *place = std::get_if<TensorPlace>(&constant.data))
    file = place->file, offset = place->offset;
  else
    offset = computed_.offsetOf(id);
  offset += first * int64_t(elementBits(constant.type) / 8);
  auto source = lm::SourceAttr::get(builder_.getContext(), name, format, file, offset);
  mlir::Type element = builder_.getF32Type();
  if (shape.size() == 2)
    element = lm::BlockType::get(builder_.getContext(), format);
  IntegerAttr pitch = columnPitch ? builder_.getI64IntegerAttr(columnPitch) : IntegerAttr();
  weight = lm::WeightOp::create(builder_, loc, unique(std::move(symbol)),
                                TypeAttr::get(RankedTensorType::get(shape, element)),
                                builder_.getArrayAttr({source}), IntegerAttr(), IntegerAttr(), pitch);
  return weight;
}

/// Values of a graph have names of their own, but what is appended may make one that another value has.
StringAttr GraphWeights::unique(std::string symbol) {
  while (!symbols_.insert(symbol).second)
    symbol += "_";
  return builder_.getStringAttr(symbol);
}

lm::WeightOp GraphWeights::declare(const ComputedPart::Matrix *computed) {
  if (!computed)
    return {};
  const BlockMatrix &matrix = computed->matrix;
  lm::WeightOp &weight = blocks_[computed->offset];
  if (weight)
    return weight;
  Location loc = namedLoc(matrix.name, fileLoc_);
  if (matrix.format->isPlain())
    emitRemark(loc) << "is written out as f32: no block format has rows of " << matrix.columns << " codes of "
                    << matrix.bits << " bits with " << matrix.run << " to a scale"
                    << (matrix.zeros.tensor ? " and a zero point" : "");
  std::string format = StringRef(matrix.format->name.data(), matrix.format->name.size()).lower();
  auto type =
      RankedTensorType::get({matrix.rows, matrix.columns}, lm::BlockType::get(builder_.getContext(), format));
  auto source =
      lm::SourceAttr::get(builder_.getContext(), matrix.name, format, model_.files.size(), computed->offset);
  weight = lm::WeightOp::create(builder_, loc, unique(matrix.name + ".blocks"), TypeAttr::get(type),
                                builder_.getArrayAttr({source}), IntegerAttr(), IntegerAttr(), IntegerAttr());
  return weight;
}

} // namespace lamina::onnx
