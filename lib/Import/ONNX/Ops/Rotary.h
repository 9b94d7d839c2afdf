//===- Rotary.h - rotating pairs of a head's elements -----------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_OPS_ROTARY_H
#define LAMINA_LIB_IMPORT_ONNX_OPS_ROTARY_H

#include "lib/Import/ONNX/Ops/AttentionCore.h"

namespace lamina::onnx {

/// Rotates the first `2 * half` elements of each row: (i, i + half), or neighbours if `interleaved`. row(b,
/// r) gives the row of the tables cos and sin, whose rows have `half` elements.
template <typename Row>
void rotate(Heads &x, int64_t batch, int64_t half, bool interleaved, const Tensor &cos, const Tensor &sin,
            Row row) {
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < x.heads; ++h)
      for (int64_t r = 0; r < x.rows; ++r)
        for (int64_t i = 0; i < half; ++i) {
          double &first = x.at(b, h, r, interleaved ? 2 * i : i);
          double &second = x.at(b, h, r, interleaved ? 2 * i + 1 : i + half);
          double c = cos.real(row(b, r) * half + i), s = sin.real(row(b, r) * half + i), old = first;
          first = c * old - s * second;
          second = s * old + c * second;
        }
}

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_OPS_ROTARY_H
