//===- Arithmetic.h - operations of two numbers of any type -----------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_OPS_ARITHMETIC_H
#define LAMINA_LIB_IMPORT_ONNX_OPS_ARITHMETIC_H

#include "lib/Import/ONNX/Ops/Rules.h"

#include <algorithm>

namespace lamina::onnx {

/// How a result comes from two elements, by their kind. Unsigned is for types whose sign makes a difference.
struct Arithmetic {
  double (*reals)(double, double);
  int64_t (*integers)(int64_t, int64_t);
  uint64_t (*unsigneds)(uint64_t, uint64_t) = nullptr;

  void apply(Tensor &y, int64_t at, const Tensor &a, int64_t i, const Tensor &b, int64_t j) const {
    if (isReal(a.type()))
      y.setReal(at, reals(a.real(i), b.real(j)));
    else if (unsigneds && a.type() == ElementType::UInt64)
      y.setInteger(at, static_cast<int64_t>(unsigneds(a.integer(i), b.integer(j))));
    else
      y.setInteger(at, integers(a.integer(i), b.integer(j)));
  }
};

inline constexpr Arithmetic kAdd{[](double a, double b) { return a + b; }, wrapAdd};
inline constexpr Arithmetic kSub{[](double a, double b) { return a - b; }, wrapSub};
inline constexpr Arithmetic kMul{[](double a, double b) { return a * b; }, wrapMul};
inline constexpr Arithmetic kMax{[](double a, double b) { return std::isnan(a) || a > b ? a : b; },
                                 [](int64_t a, int64_t b) { return std::max(a, b); },
                                 [](uint64_t a, uint64_t b) { return std::max(a, b); }};
inline constexpr Arithmetic kMin{[](double a, double b) { return std::isnan(a) || a < b ? a : b; },
                                 [](int64_t a, int64_t b) { return std::min(a, b); },
                                 [](uint64_t a, uint64_t b) { return std::min(a, b); }};
/// The reduction of this name; none if there is none.
inline const Arithmetic *reductionNamed(std::string_view name) {
  return name == "add"   ? &kAdd
         : name == "mul" ? &kMul
         : name == "max" ? &kMax
         : name == "min" ? &kMin
                         : nullptr;
}

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_OPS_ARITHMETIC_H
