//===- Placed.cpp - values of an ONNX graph as tensors of tokens ----------------------------------------===//

#include "lib/Import/ONNX/Placed.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace lamina::onnx {

static bool isUnit(const Affine &dim) { return dim == Affine{1}; }

Axes usualAxes(ArrayRef<Affine> dims) {
  const auto *leading = llvm::find(dims, kTokens);
  leading = leading == dims.end() ? llvm::find_if(dims, [](const Affine &dim) { return !dim.isConstant(); })
                                  : leading;
  Axes axes(dims.size(), kUnit);
  int64_t next = leading == dims.end() ? 0 : 1;
  for (size_t i = 0; i < dims.size(); ++i)
    if (dims.begin() + i == leading)
      axes[i] = 0;
    else if (!isUnit(dims[i]))
      axes[i] = next++;
  return axes;
}

std::optional<Axes> movedAxes(const Axes &axes, ArrayRef<Affine> from, ArrayRef<Affine> to) {
  Axes moved(to.size(), kUnit);
  size_t at = 0;
  for (size_t i = 0; i < to.size(); ++i) {
    if (isUnit(to[i]))
      continue;
    while (at < from.size() && isUnit(from[at]))
      ++at;
    if (at == from.size() || from[at] != to[i])
      return std::nullopt;
    moved[i] = axes[at++];
  }
  if (!llvm::all_of(from.drop_front(at), isUnit))
    return std::nullopt;
  return moved;
}

RankedTensorType PlacedBuilder::typeOf(ArrayRef<Affine> dims, const Axes &axes, mlir::Type element) const {
  SmallVector<int64_t> shape(llvm::count_if(axes, [](int64_t axis) { return axis != kUnit; }));
  for (auto [dim, axis] : llvm::zip_equal(dims, axes))
    if (axis != kUnit)
      shape[axis] = dim.isConstant() ? dim.constant : ShapedType::kDynamic;
  return RankedTensorType::get(shape, element);
}

mlir::Value PlacedBuilder::sizeOf(const Affine &dim) {
  mlir::Value &size = dim == kTokens ? tokens_ : positions_;
  if (!size)
    size = tensor::DimOp::create(b_, loc_, dim == kTokens ? tokenIds_ : context_, 0);
  return size;
}

SmallVector<OpFoldResult> PlacedBuilder::sizes(ArrayRef<Affine> dims, const Axes &axes) {
  SmallVector<OpFoldResult> sizes(llvm::count_if(axes, [](int64_t axis) { return axis != kUnit; }));
  for (auto [dim, axis] : llvm::zip_equal(dims, axes))
    if (axis != kUnit)
      sizes[axis] =
          dim.isConstant() ? OpFoldResult(b_.getIndexAttr(dim.constant)) : OpFoldResult(sizeOf(dim));
  return sizes;
}

mlir::Value PlacedBuilder::number(double value) {
  return arith::ConstantOp::create(b_, loc_, b_.getF32FloatAttr(float(value)));
}

mlir::Value PlacedBuilder::filled(double value, ArrayRef<Affine> dims, const Axes &axes) {
  return tensor::SplatOp::create(b_, loc_, number(value), sizes(dims, axes));
}

mlir::Value PlacedBuilder::transposed(mlir::Value x, ArrayRef<int64_t> permutation) {
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return x;
  auto type = cast<RankedTensorType>(x.getType());
  SmallVector<OpFoldResult> from = tensor::getMixedSizes(b_, loc_, x), to;
  for (int64_t axis : permutation)
    to.push_back(from[axis]);
  mlir::Value init = tensor::EmptyOp::create(b_, loc_, to, type.getElementType());
  return linalg::TransposeOp::create(b_, loc_, x, init, permutation)->getResult(0);
}

mlir::Value PlacedBuilder::spread(const Placed &x, ArrayRef<Affine> dims, const Axes &axes) {
  if (x.isNumber())
    return tensor::SplatOp::create(b_, loc_, x.value, sizes(dims, axes));
  // Which axis of the result each axis of x is.
  size_t offset = dims.size() - x.axes.size();
  SmallVector<int64_t> target(cast<RankedTensorType>(x.value.getType()).getRank());
  for (auto [i, axis] : llvm::enumerate(x.axes))
    if (axis != kUnit)
      target[axis] = axes[offset + i];
  SmallVector<int64_t> permutation = llvm::to_vector(llvm::seq<int64_t>(0, target.size())), added;
  llvm::sort(permutation, [&](int64_t a, int64_t b) { return target[a] < target[b]; });
  mlir::Value value = transposed(x.value, permutation);
  for (int64_t axis : axes)
    if (axis != kUnit && !llvm::is_contained(target, axis))
      added.push_back(axis);
  if (added.empty())
    return value;
  llvm::sort(added);
  mlir::Type element = cast<RankedTensorType>(value.getType()).getElementType();
  mlir::Value init = tensor::EmptyOp::create(b_, loc_, sizes(dims, axes), element);
  return linalg::BroadcastOp::create(b_, loc_, value, init, added)->getResult(0);
}

mlir::Value PlacedBuilder::withUnit(const Placed &x, ArrayRef<Affine> dims, const Axes &axes, size_t unit) {
  Axes without = axes;
  for (int64_t &axis : without)
    axis -= axis > axes[unit] ? 1 : 0;
  without[unit] = kUnit;
  mlir::Value value = spread(x, dims, without);
  SmallVector<int64_t> row(cast<RankedTensorType>(value.getType()).getShape().drop_front());
  if (row.empty())
    return {};
  row.insert(row.begin() + (axes[unit] - 1), 1);
  return reshaped(value, row);
}

Placed PlacedBuilder::inOrder(const Placed &x) {
  SmallVector<int64_t> permutation{0};
  for (int64_t axis : x.axes)
    if (axis != kUnit && axis != 0)
      permutation.push_back(axis);
  Axes axes = x.axes;
  for (int64_t &axis : axes)
    if (axis != kUnit)
      axis = llvm::find(permutation, axis) - permutation.begin();
  return {transposed(x.value, permutation), axes};
}

mlir::Value PlacedBuilder::reshaped(mlir::Value rows, ArrayRef<int64_t> row) {
  auto type = cast<RankedTensorType>(rows.getType());
  auto grouped = [](int64_t rank) {
    SmallVector<ReassociationIndices> groups{{0}, {}};
    llvm::append_range(groups[1], llvm::seq<int64_t>(1, rank));
    return groups;
  };
  if (type.getRank() > 2)
    rows = tensor::CollapseShapeOp::create(b_, loc_, rows, grouped(type.getRank()));
  if (row.size() < 2)
    return rows;
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  llvm::append_range(shape, row);
  SmallVector<OpFoldResult> sizes{tensor::getMixedSize(b_, loc_, rows, 0)};
  for (int64_t size : row)
    sizes.push_back(b_.getIndexAttr(size));
  return tensor::ExpandShapeOp::create(b_, loc_, RankedTensorType::get(shape, type.getElementType()), rows,
                                       grouped(shape.size()), sizes);
}

mlir::Value PlacedBuilder::sliced(mlir::Value x, int64_t axis, int64_t offset, int64_t size, int64_t stride) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b_, loc_, x),
                            offsets(sizes.size(), b_.getIndexAttr(0)),
                            strides(sizes.size(), b_.getIndexAttr(1));
  offsets[axis] = b_.getIndexAttr(offset);
  sizes[axis] = b_.getIndexAttr(size);
  strides[axis] = b_.getIndexAttr(stride);
  return tensor::ExtractSliceOp::create(b_, loc_, x, offsets, sizes, strides);
}

} // namespace lamina::onnx
