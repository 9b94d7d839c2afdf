//===- Windows.h - where the windows of convolutions and pools lie ----------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_OPS_WINDOWS_H
#define LAMINA_LIB_IMPORT_ONNX_OPS_WINDOWS_H

#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>

namespace lamina::onnx {

/// Windows over the axes of a tensor after the first two.
struct Windows {
  Dims input, kernel, strides, dilations, before, after, output;
  bool ceil = false;

  /// Calls f(kernel index, input index) for the places of a window that lie in the input.
  template <typename F> void each(int64_t window, F f) const {
    Dims at = stridesOf(output), place = stridesOf(kernel), source = stridesOf(input);
    for (int64_t k = 0; k < elementCount(kernel); ++k) {
      int64_t offset = 0;
      bool inside = true;
      for (size_t i = 0; i < kernel.size(); ++i) {
        int64_t x =
            window / at[i] % output[i] * strides[i] + k / place[i] % kernel[i] * dilations[i] - before[i];
        inside &= x >= 0 && x < input[i];
        offset += x * source[i];
      }
      if (inside)
        f(k, offset);
    }
  }

  /// How many places of a window lie in the input or its padding; a last one that ceil_mode adds may reach beyond.
  int64_t padded(int64_t window) const {
    Dims at = stridesOf(output);
    int64_t count = 1;
    for (size_t i = 0; i < kernel.size(); ++i) {
      int64_t room = input[i] + before[i] + after[i] - window / at[i] % output[i] * strides[i];
      count *= std::min(kernel[i], (room + dilations[i] - 1) / dilations[i]);
    }
    return count;
  }
};

/// The largest of no elements, of a window that lies in the padding alone. As onnxruntime has it: the type's lowest.
double emptyMaximum(ElementType type);

/// Reads kernel_shape (or takes `kernel`), strides, dilations, pads, auto_pad and ceil_mode for input 0.
absl::StatusOr<Windows> windowsOf(OpContext &context, Dims kernel = {});

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_OPS_WINDOWS_H
