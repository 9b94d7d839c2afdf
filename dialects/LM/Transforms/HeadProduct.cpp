//===- HeadProduct.cpp - products of matrices for each head of attention ------------------------------------------===//

#include "dialects/LM/Transforms/HeadProduct.h"

using namespace mlir;

namespace lamina::lm {

SmallVector<int64_t> inOrder(int64_t length) { return llvm::to_vector(llvm::seq<int64_t>(0, length)); }

SmallVector<int64_t> HeadElements::order() const {
  SmallVector<int64_t> order;
  for (const RowTerm &term : ArrayRef(terms).take_front(length))
    order.push_back(term.element);
  SmallVector<int64_t> sorted = order;
  llvm::sort(sorted);
  return sorted == inOrder(length) ? order : inOrder(length);
}

std::optional<double> HeadElements::factor(int64_t heads, int64_t stored, ArrayRef<int64_t> order) const {
  if (trace.waves || terms.empty() || stored == 0 || heads % stored != 0 ||
      rowSize(trace.source) != stored * length)
    return std::nullopt;
  double factor = terms.front().factor;
  for (auto [at, term] : llvm::enumerate(terms)) {
    int64_t head = int64_t(at) / length / (heads / stored), i = int64_t(at) % length;
    if (term.factor != factor || term.element != head * length + order[i])
      return std::nullopt;
  }
  return factor;
}

HeadProduct::HeadProduct(linalg::ContractOp op, ArrayRef<AffineExpr> heads, AffineExpr inner)
    : op_(op), heads_(heads), inner_(inner) {
  for (auto [map, value] : llvm::zip_equal(maps(), op.getOperands()))
    for (auto [expr, size] :
         llvm::zip_equal(map.getResults(), cast<RankedTensorType>(value.getType()).getShape()))
      sizes_[expr] = size;
}

int64_t HeadProduct::headCount() const {
  int64_t count = 1;
  for (AffineExpr head : heads_)
    count *= sizes_.lookup(head);
  return count;
}

SmallVector<int64_t> HeadProduct::positions(unsigned operand) const {
  SmallVector<int64_t> positions;
  SmallVector<AffineMap> all = maps();
  ArrayRef<AffineExpr> axes = all[operand].getResults().drop_front();
  for (int64_t head = 0, count = headCount(); head < count; ++head) {
    llvm::SmallDenseMap<AffineExpr, int64_t> index;
    int64_t rest = head;
    for (AffineExpr axis : llvm::reverse(heads_)) {
      index[axis] = rest % sizes_.lookup(axis);
      rest /= sizes_.lookup(axis);
    }
    for (int64_t i = 0; i < innerSize(); ++i) {
      index[inner_] = i;
      int64_t at = 0;
      for (AffineExpr axis : axes)
        at = at * sizes_.lookup(axis) + index.lookup(axis);
      positions.push_back(at);
    }
  }
  return positions;
}

std::optional<HeadElements> HeadProduct::elements(unsigned operand) const {
  std::optional<RowTrace> trace = traceRow(op_.getOperand(operand));
  if (!trace)
    return std::nullopt;
  HeadElements result{std::move(*trace), {}, innerSize()};
  for (int64_t position : positions(operand))
    result.terms.push_back(result.trace.elements[position].front());
  return result;
}

Value rowsBehind(ConcatCacheOp concat, ArrayRef<int64_t> order) {
  std::optional<RowTrace> trace = traceRow(concat.getInput());
  auto length = int64_t(order.size());
  bool fits = trace && !trace->waves && int64_t(trace->elements.size()) == rowSize(trace->source);
  for (int64_t i = 0; fits && i < int64_t(trace->elements.size()); ++i) {
    const RowTerm &term = trace->elements[i].front();
    fits = term.factor == 1 && term.element == i / length * length + order[i % length];
  }
  if (fits)
    return trace->source;
  return order == ArrayRef<int64_t>(inOrder(length)) ? concat.getInput() : Value();
}

} // namespace lamina::lm
