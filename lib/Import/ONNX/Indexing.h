//===- Indexing.h - walking the elements of tensors -------------------------------------------*- C++ -*-===//
//
// Strides count elements. All functions expect sizes that were checked before.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_INDEXING_H
#define LAMINA_LIB_IMPORT_ONNX_INDEXING_H

#include "lib/Import/ONNX/Tensor.h"

#include <array>
#include <optional>

namespace lamina::onnx {

/// Row-major strides.
inline Dims stridesOf(const Dims &dims) {
  Dims strides(dims.size());
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0; stride *= dims[i])
    strides[i] = stride;
  return strides;
}

/// The shape that both broadcast to, right-aligned; none if they do not.
inline std::optional<Dims> broadcast(const Dims &a, const Dims &b) {
  const Dims &longer = a.size() >= b.size() ? a : b, &shorter = a.size() >= b.size() ? b : a;
  Dims result = longer;
  size_t offset = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t &size = result[offset + i];
    if (size == 1)
      size = shorter[i];
    else if (shorter[i] != 1 && shorter[i] != size)
      return std::nullopt;
  }
  return result;
}

/// Strides to read a tensor of shape `dims` as if it had the shape `to` that it broadcasts to.
inline Dims broadcastStrides(const Dims &dims, const Dims &to) {
  Dims strides = stridesOf(dims), result(to.size(), 0);
  size_t offset = to.size() - dims.size();
  for (size_t i = 0; i < dims.size(); ++i)
    result[offset + i] = dims[i] == 1 ? 0 : strides[i];
  return result;
}

/// Calls f(count, {offset of each operand}) for all indices of a shape in row-major order.
template <size_t N, typename F> void walk(const Dims &dims, const std::array<Dims, N> &strides, F f) {
  int64_t count = elementCount(dims);
  std::array<int64_t, N> offsets{};
  Dims index(dims.size(), 0);
  for (int64_t i = 0; i < count; ++i) {
    f(i, offsets);
    for (size_t axis = dims.size(); axis-- > 0;) {
      bool carry = ++index[axis] == dims[axis];
      for (size_t n = 0; n < N; ++n)
        offsets[n] += carry ? -strides[n][axis] * (dims[axis] - 1) : strides[n][axis];
      if (!carry)
        break;
      index[axis] = 0;
    }
  }
}

/// A shape seen from one axis: `outer` blocks of `size` rows of `inner` elements.
struct AxisView {
  int64_t outer = 1, size = 1, inner = 1;
  AxisView(const Dims &dims, int64_t axis)
      : outer(elementCount(std::span(dims).first(axis))), size(dims[axis]),
        inner(elementCount(std::span(dims).subspan(axis + 1))) {}
  int64_t at(int64_t o, int64_t i, int64_t n) const { return (o * size + i) * inner + n; }
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_INDEXING_H
