//===- MovementImporter.cpp - operators that move elements ----------------------------------------------===//

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/NodeImporter.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace lamina::onnx {

namespace {
/// A shape by what one token has.
struct TokenShape {
  Affine leading{1};
  int64_t before = 1;       ///< elements before the leading axis
  SmallVector<int64_t> row; ///< sizes but for the leading one and those of 1
};

std::optional<TokenShape> tokenShape(ArrayRef<Affine> dims) {
  TokenShape shape;
  for (const Affine &dim : dims) {
    if (!dim.isConstant() && !shape.leading.isConstant())
      return std::nullopt;
    if (!dim.isConstant())
      shape.leading = dim;
    else if (dim.constant != 1)
      shape.row.push_back(dim.constant);
    if (dim.isConstant() && shape.leading.isConstant())
      shape.before *= dim.constant;
  }
  return shape.leading.isConstant() ? std::nullopt : std::optional(shape);
}

/// The shape with the heads of a token side by side, if it has them one below another: [1, heads · S, length].
std::optional<SmallVector<Affine>> withHeadsBeside(ArrayRef<Affine> dims) {
  size_t last = dims.size() - 1;
  if (dims.size() < 2 || dims[last - 1].s < 2 || dims[last - 1] != Affine{0, dims[last - 1].s, 0} ||
      !dims[last].isConstant() ||
      !llvm::all_of(dims.drop_back(2), [](const Affine &dim) { return dim == Affine{1}; }))
    return std::nullopt;
  SmallVector<Affine> beside(dims);
  beside[last - 1] = kTokens;
  beside[last].constant *= dims[last - 1].s;
  return beside;
}
} // namespace

/// Reshape, Squeeze, Unsqueeze, Flatten, Identity.
LogicalResult NodeImporter::reshape(const Node &node) {
  SmallVector<Affine> from(dims(node.input(0))), to(dims(node.output(0)));
  FailureOr<Placed> x = Placed{headwise_.lookup(node.input(0)), {}};
  if (x->value) {
    from = withHeadsBeside(from).value_or(from);
    x->axes = usualAxes(from);
  } else if (x = operand(node, 0); failed(x)) {
    return failure();
  }
  std::optional<SmallVector<Affine>> beside = withHeadsBeside(to);
  to = beside.value_or(to);
  auto finish = [&](mlir::Value value, Axes axes) {
    if (beside)
      headwise_[node.output(0)] = value;
    else
      define(node, 0, value, std::move(axes));
    return success();
  };
  if (std::optional<Axes> axes = movedAxes(x->axes, from, to))
    return finish(x->value, *axes);
  // The elements of each token by themselves: as many before the leading axis as there were, and as many behind it.
  std::optional<TokenShape> in = tokenShape(from), out = tokenShape(to);
  if (!in || !out || in->leading != out->leading || in->before != out->before)
    return error(node) << "takes tokens apart: from " << probed_[node.input(0)].describe() << " to "
                       << probed_[node.output(0)].describe();
  return finish(make_.reshaped(make_.inOrder(*x).value, out->row), usualAxes(to));
}

LogicalResult NodeImporter::transpose(const Node &node) {
  auto order = attributeOr(node, "perm", std::vector<int64_t>());
  if (weights_.find(node.input(0))) { // read by a product as it is stored
    if (dims(node.input(0)).size() != 2 || (!order.empty() && order != std::vector<int64_t>{1, 0}))
      return error(node) << "expected the two axes of a constant matrix to change places, got "
                         << probed_[node.input(0)].describe();
    transposes_[node.output(0)] = node.input(0);
    return success();
  }
  FailureOr<Placed> x = operand(node, 0);
  if (failed(x))
    return failure();
  Axes axes;
  for (size_t i = 0; i < x->axes.size(); ++i)
    axes.push_back(x->axes[order.empty() ? x->axes.size() - 1 - i : order[i]]);
  define(node, 0, x->value, axes);
  return success();
}

/// Expand and Tile: what is of one element becomes of several.
LogicalResult NodeImporter::expand(const Node &node) {
  FailureOr<Placed> x = operand(node, 0);
  if (failed(x))
    return failure();
  ArrayRef<Affine> from = dims(node.input(0)), to = dims(node.output(0));
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] != to[to.size() - from.size() + i] && from[i] != Affine{1})
      return error(node) << "repeats an axis of several elements";
  if (std::optional<Axes> axes = movedAxes(x->axes, from, to)) {
    define(node, 0, x->value, *axes);
    return success();
  }
  define(node, 0, make_.spread(*x, to, usualAxes(to)));
  return success();
}

/// What a Slice has as an input or, in old opsets, an attribute; empty if it has none or one that is not constant.
std::vector<int64_t> NodeImporter::sliceNumbers(const Node &node, size_t input, StringRef attribute) const {
  const auto *fixed = given(node, input) ? std::get_if<Fixed>(&probed_[node.input(input)].meaning) : nullptr;
  return fixed ? fixed->value.integers()
               : attributeOr(node, std::string_view(attribute), std::vector<int64_t>());
}

/// Whether a Slice gives all of its input, and not backwards.
bool NodeImporter::isWhole(const Node &slice) const {
  std::vector<int64_t> steps = sliceNumbers(slice, 4, "steps");
  return dims(slice.input(0)) == dims(slice.output(0)) && (!given(slice, 4) || !steps.empty()) &&
         llvm::all_of(steps, [](int64_t step) { return step > 0; });
}

/// Slice, and Gather of one element by a constant.
LogicalResult NodeImporter::slice(const Node &node) {
  FailureOr<Placed> x = operand(node, 0);
  if (failed(x))
    return failure();
  ArrayRef<Affine> from = dims(node.input(0)), to = dims(node.output(0));
  bool gather = node.op == "Gather";
  if (!gather && isWhole(node)) {
    define(node, 0, x->value, x->axes);
    return success();
  }
  // The last token stands for each (Logits.h).
  std::optional<Axes> ofEach = llvm::is_contained(from, kTokens) && llvm::is_contained(to, kTokens)
                                   ? movedAxes(x->axes, from, to)
                                   : std::nullopt;
  if (gather && ofEach) {
    define(node, 0, x->value, *ofEach);
    return success();
  }
  std::vector<int64_t> starts = sliceNumbers(node, 1, "starts"), over = sliceNumbers(node, 3, "axes"),
                       steps = sliceNumbers(node, 4, "steps");
  if (gather)
    over = {attributeOr(node, "axis", int64_t(0))};
  if (over.empty())
    llvm::append_range(over, llvm::seq<int64_t>(0, starts.size()));
  if (starts.empty() || over.size() != starts.size() || (!steps.empty() && steps.size() != starts.size()))
    return error(node) << "expected constant places";
  mlir::Value value = x->value;
  Axes axes = x->axes;
  for (size_t i = 0; i < starts.size(); ++i) {
    int64_t axis = over[i] + (over[i] < 0 ? int64_t(from.size()) : 0), step = steps.empty() ? 1 : steps[i];
    const Affine &after = gather ? Affine{1} : to[axis];
    if (after == from[axis] && step > 0)
      continue;
    int64_t start = starts[i] + (starts[i] < 0 ? from[axis].constant : 0);
    if (!from[axis].isConstant() || !after.isConstant() || step < 1 || start < 0 ||
        start + (after.constant - 1) * step >= from[axis].constant)
      return error(node) << "takes tokens apart, or elements backwards";
    value = make_.sliced(value, axes[axis], start, after.constant, step);
    if (after == Affine{1})
      value = dropAxis(value, axes, axis);
  }
  if (gather && to.size() < from.size())
    axes.erase(axes.begin() + (over[0] + (over[0] < 0 ? int64_t(from.size()) : 0)));
  define(node, 0, value, axes);
  return success();
}

/// Without an axis of one element.
mlir::Value NodeImporter::dropAxis(mlir::Value value, Axes &axes, size_t axis) {
  int64_t dropped = axes[axis];
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> row(type.getShape().drop_front());
  row.erase(row.begin() + (dropped - 1));
  for (int64_t &other : axes)
    other -= other > dropped ? 1 : 0;
  axes[axis] = kUnit;
  return make_.reshaped(value, row);
}

LogicalResult NodeImporter::split(const Node &node) {
  FailureOr<Placed> x = operand(node, 0);
  if (failed(x))
    return failure();
  ArrayRef<Affine> from = dims(node.input(0));
  int64_t axis = attributeOr(node, "axis", int64_t(0)), offset = 0;
  axis += axis < 0 ? int64_t(from.size()) : 0;
  if (axis < 0 || axis >= int64_t(from.size()) || x->axes[axis] <= 0 || !from[axis].isConstant())
    return error(node) << "takes tokens apart";
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    if (node.output(i) == kAbsent)
      return error(node) << "expected each part to have a name";
    int64_t size = dims(node.output(i))[axis].constant;
    Axes axes = x->axes;
    mlir::Value part = make_.sliced(x->value, axes[axis], offset, size, 1);
    if (size == 1)
      part = dropAxis(part, axes, axis);
    define(node, i, part, axes);
    offset += size;
  }
  return success();
}

LogicalResult NodeImporter::concat(const Node &node) {
  for (ValueId id : node.inputs)
    if (pasts_.contains(id))
      return concatCache(node);
  ArrayRef<Affine> to = dims(node.output(0));
  int64_t axis = attributeOr(node, "axis", int64_t(0));
  axis += axis < 0 ? int64_t(to.size()) : 0;
  Axes axes = usualAxes(to);
  if (axis < 0 || axis >= int64_t(to.size()) || axes[axis] <= 0 || !to[axis].isConstant())
    return error(node) << "puts tokens behind others that no cache holds";
  SmallVector<mlir::Value> parts;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (isEmpty(node.input(i)))
      continue;
    FailureOr<Placed> x = operand(node, i);
    if (failed(x))
      return failure();
    SmallVector<Affine> shape(to);
    shape[axis] = dims(node.input(i))[axis];
    bool one = shape[axis].constant == 1; // is an axis all the same
    parts.push_back(one ? make_.withUnit(*x, shape, axes, axis) : make_.spread(*x, shape, axes));
    if (!parts.back())
      return error(node) << "expected more than one element for each token";
  }
  define(node, 0, parts.size() == 1 ? parts[0] : create<tensor::ConcatOp>(axes[axis], parts), axes);
  return success();
}

} // namespace lamina::onnx
