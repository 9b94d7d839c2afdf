//===- RowTrace.cpp - what the elements of a row are made of ----------------------------------------------------===//

#include "dialects/LM/Transforms/RowTrace.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/SaveAndRestore.h"

#include <functional>

using namespace mlir;

namespace lamina::lm {

namespace {

RankedTensorType typeOf(Value value) { return dyn_cast<RankedTensorType>(value.getType()); }

using Index = SmallVector<int64_t, 4>;

/// Calls f(position in the row, index of the axes behind the leading one) for each element of a row.
void forEachElement(ArrayRef<int64_t> row, llvm::function_ref<void(int64_t, const Index &)> f) {
  Index index(row.size(), 0);
  for (int64_t at = 0, count = ShapedType::getNumElements(row); at < count; ++at) {
    f(at, index);
    for (size_t axis = row.size(); axis-- > 0 && ++index[axis] == row[axis];)
      index[axis] = 0;
  }
}

/// Position in a row of this shape.
int64_t positionOf(ArrayRef<int64_t> row, ArrayRef<int64_t> index) {
  int64_t at = 0;
  for (auto [size, i] : llvm::zip_equal(row, index))
    at = at * size + i;
  return at;
}

class Tracer {
public:
  explicit Tracer(bool rotations) : rotations_(rotations) {}

  /// Each value once, however often it is read, and not deeper than the stack is: what lies there is its own source.
  std::optional<RowTrace> trace(Value value) {
    constexpr int kDeepest = 256;
    std::optional<int64_t> size = rowSize(value);
    if (!size)
      return std::nullopt;
    if (auto known = traces_.find(value); known != traces_.end())
      return known->second;
    llvm::SaveAndRestore<int> deeper(depth_, depth_ + 1);
    std::optional<RowTrace> moved = depth_ > kDeepest ? std::nullopt : throughOperation(value);
    return traces_[value] = moved ? std::move(*moved) : itself(value, *size);
  }

private:
  std::optional<RowTrace> throughOperation(Value value) {
    if (Operation *op = value.getDefiningOp())
      return llvm::TypeSwitch<Operation *, std::optional<RowTrace>>(op)
          .Case<tensor::ExpandShapeOp, tensor::CollapseShapeOp>(
              [&](auto reshape) { return traceReshape(reshape); })
          .Case([&](linalg::BroadcastOp broadcast) { return traceBroadcast(broadcast); })
          .Case([&](linalg::TransposeOp transpose) { return traceTranspose(transpose); })
          .Case([&](tensor::ExtractSliceOp slice) { return traceSlice(slice); })
          .Case([&](tensor::ConcatOp concat) { return traceConcat(concat); })
          .Case([&](arith::NegFOp neg) { return scaled(trace(neg.getOperand()), -1); })
          .Case([&](ScaleOp scale) {
            return scaled(trace(scale.getInput()), scale.getFactor().convertToDouble());
          })
          .Case([&](arith::AddFOp add) { return traceSum(add.getLhs(), add.getRhs(), 1); })
          .Case([&](arith::SubFOp sub) { return traceSum(sub.getLhs(), sub.getRhs(), -1); })
          .Case([&](arith::MulFOp mul) { return traceProduct(mul.getLhs(), mul.getRhs()); })
          .Default(std::nullopt);
    return std::nullopt;
  }

  static RowTrace itself(Value value, int64_t size) {
    RowTrace result{value, {}, {}};
    for (int64_t i = 0; i < size; ++i)
      result.elements.push_back({RowTerm{1, int32_t(i), -1}});
    return result;
  }

  /// The trace of `of`, its elements taken by position: to[i] = from[positions[i]].
  std::optional<RowTrace> moved(Value of, ArrayRef<int64_t> positions) {
    std::optional<RowTrace> from = trace(of);
    if (!from)
      return std::nullopt;
    RowTrace to{from->source, from->waves, {}};
    for (int64_t position : positions)
      to.elements.push_back(from->elements[position]);
    return to;
  }

  template <typename Reshape> std::optional<RowTrace> traceReshape(Reshape reshape) {
    // The leading axis by itself, so rows stay rows.
    if (reshape.getReassociationIndices().empty() || reshape.getReassociationIndices().front().size() != 1)
      return std::nullopt;
    return trace(reshape.getSrc());
  }

  std::optional<RowTrace> traceBroadcast(linalg::BroadcastOp broadcast) {
    ArrayRef<int64_t> added = broadcast.getDimensions();
    Value input = broadcast.getInput();
    if (!rowSize(input) || llvm::is_contained(added, 0))
      return std::nullopt;
    ArrayRef<int64_t> row = typeOf(broadcast->getResult(0)).getShape().drop_front();
    SmallVector<int64_t> positions;
    forEachElement(row, [&](int64_t, const Index &index) {
      Index kept;
      for (auto [axis, i] : llvm::enumerate(index))
        if (!llvm::is_contained(added, int64_t(axis) + 1))
          kept.push_back(i);
      positions.push_back(positionOf(typeOf(input).getShape().drop_front(), kept));
    });
    return moved(input, positions);
  }

  std::optional<RowTrace> traceTranspose(linalg::TransposeOp transpose) {
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    if (permutation.front() != 0)
      return std::nullopt;
    ArrayRef<int64_t> from = typeOf(transpose.getInput()).getShape().drop_front(),
                      to = typeOf(transpose->getResult(0)).getShape().drop_front();
    SmallVector<int64_t> positions;
    forEachElement(to, [&](int64_t, const Index &index) {
      Index source(index.size());
      for (auto [axis, i] : llvm::enumerate(index))
        source[permutation[axis + 1] - 1] = i;
      positions.push_back(positionOf(from, source));
    });
    return moved(transpose.getInput(), positions);
  }

  std::optional<RowTrace> traceSlice(tensor::ExtractSliceOp slice) {
    ArrayRef<int64_t> offsets = slice.getStaticOffsets(), strides = slice.getStaticStrides();
    RankedTensorType from = slice.getSourceType(), to = slice.getType();
    // All rows, and places in them that are known.
    if (from.getRank() != to.getRank() || offsets.front() != 0 || strides.front() != 1 ||
        ShapedType::isDynamicShape(offsets) || ShapedType::isDynamicShape(strides) ||
        !rowSize(slice.getSource()))
      return std::nullopt;
    SmallVector<int64_t> positions;
    forEachElement(to.getShape().drop_front(), [&](int64_t, const Index &index) {
      Index source;
      for (auto [axis, i] : llvm::enumerate(index))
        source.push_back(offsets[axis + 1] + i * strides[axis + 1]);
      positions.push_back(positionOf(from.getShape().drop_front(), source));
    });
    return moved(slice.getSource(), positions);
  }

  std::optional<RowTrace> traceConcat(tensor::ConcatOp concat) {
    size_t axis = concat.getDim();
    if (axis == 0)
      return std::nullopt;
    ArrayRef<int64_t> row = concat.getResultType().getShape().drop_front();
    RowTrace result;
    result.elements.resize(ShapedType::getNumElements(row));
    int64_t offset = 0;
    for (Value input : concat.getInputs()) {
      std::optional<RowTrace> part = trace(input);
      if (!part || !joins(result, *part))
        return std::nullopt;
      forEachElement(typeOf(input).getShape().drop_front(), [&](int64_t at, const Index &index) {
        Index to = index;
        to[axis - 1] += offset;
        result.elements[positionOf(row, to)] = part->elements[at];
      });
      offset += typeOf(input).getDimSize(axis);
    }
    return result;
  }

  /// Whether two traces have sources in common, which `result` then has.
  static bool joins(RowTrace &result, const RowTrace &part) {
    if ((result.source && part.source != result.source) ||
        (result.waves && part.waves && part.waves != result.waves))
      return false;
    result.source = part.source;
    result.waves = part.waves ? part.waves : result.waves;
    return true;
  }

  static std::optional<RowTrace> scaled(std::optional<RowTrace> trace, double factor) {
    if (trace)
      for (auto &terms : trace->elements)
        for (RowTerm &term : terms)
          term.factor *= factor;
    return trace;
  }

  /// A value behind the operations that move elements, to tell products from other operands without tracing those.
  static bool isProduct(Value value) {
    Operation *op = value.getDefiningOp();
    while (isa_and_nonnull<tensor::ExpandShapeOp, tensor::CollapseShapeOp, arith::NegFOp, ScaleOp>(op))
      op = op->getOperand(0).getDefiningOp();
    return isa_and_nonnull<arith::MulFOp>(op);
  }

  std::optional<RowTrace> traceSum(Value a, Value b, double sign) {
    if (!rotations_ || !isProduct(a) || !isProduct(b))
      return std::nullopt;
    std::optional<RowTrace> left = trace(a), right = scaled(trace(b), sign);
    if (!left || !right || !left->waves || !right->waves || !joins(*left, *right))
      return std::nullopt;
    for (auto [terms, more] : llvm::zip_equal(left->elements, right->elements))
      terms.append(more);
    return left;
  }

  /// The product with cosines or sines.
  std::optional<RowTrace> traceProduct(Value a, Value b) {
    if (!rotations_)
      return std::nullopt;
    std::optional<RowTrace> left = trace(a), right = trace(b);
    if (left && left->source.getDefiningOp<RopeTableOp>())
      std::swap(left, right);
    auto waves = right ? right->source.getDefiningOp<RopeTableOp>() : RopeTableOp();
    if (!left || !waves || left->waves)
      return std::nullopt;
    left->waves = waves;
    for (auto [terms, wave] : llvm::zip_equal(left->elements, right->elements))
      for (RowTerm &term : terms) {
        term.factor *= wave.front().factor;
        term.angle = wave.front().element;
      }
    return left;
  }

  bool rotations_;
  int depth_ = 0;
  llvm::DenseMap<Value, RowTrace> traces_;
};

} // namespace

std::optional<double> RowTrace::wholeTimes() const {
  if (waves || int64_t(elements.size()) != rowSize(source) || elements.empty())
    return std::nullopt;
  double factor = elements.front().front().factor;
  for (auto [i, terms] : llvm::enumerate(elements))
    if (terms.size() != 1 || terms.front().element != int32_t(i) || terms.front().factor != factor)
      return std::nullopt;
  return factor;
}

std::optional<RowTrace> traceRow(Value value, bool rotations) { return Tracer(rotations).trace(value); }

std::optional<int64_t> rowSize(Value value) {
  RankedTensorType type = typeOf(value);
  if (!type || type.getRank() == 0 || !type.isDynamicDim(0) ||
      ShapedType::isDynamicShape(type.getShape().drop_front()))
    return std::nullopt;
  return ShapedType::getNumElements(type.getShape().drop_front());
}

static SmallVector<ReassociationIndices> rowGroups(int64_t rank) {
  SmallVector<ReassociationIndices> groups{{0}, {}};
  llvm::append_range(groups[1], llvm::seq<int64_t>(1, rank));
  return groups;
}

Value rowsOf(OpBuilder &builder, Location loc, Value source) {
  int64_t rank = typeOf(source).getRank();
  return rank == 2 ? source : Value(tensor::CollapseShapeOp::create(builder, loc, source, rowGroups(rank)));
}

Value expandedRows(OpBuilder &builder, Location loc, Value rows, ArrayRef<int64_t> row) {
  if (row.size() == 1)
    return rows;
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  llvm::append_range(shape, row);
  SmallVector<OpFoldResult> sizes{tensor::getMixedSize(builder, loc, rows, 0)};
  for (int64_t size : row)
    sizes.push_back(builder.getIndexAttr(size));
  return tensor::ExpandShapeOp::create(builder, loc,
                                       RankedTensorType::get(shape, typeOf(rows).getElementType()), rows,
                                       rowGroups(shape.size()), sizes);
}

Value shapedLike(OpBuilder &builder, Location loc, Value rows, Value like) {
  return expandedRows(builder, loc, rows, typeOf(like).getShape().drop_front());
}

} // namespace lamina::lm
