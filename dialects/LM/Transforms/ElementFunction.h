//===- ElementFunction.h - what arithmetic on elements computes ---------------------------------*- C++ -*-===//
//
// Exporters spell an activation in many ways: which factor comes first, what is a power and what a product, where a half is
// multiplied. What it computes of a number does not depend on that. So arithmetic is recognised by its values.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_LM_TRANSFORMS_ELEMENTFUNCTION_H
#define LAMINA_DIALECTS_LM_TRANSFORMS_ELEMENTFUNCTION_H

#include "dialects/LM/IR/LM.h"

#include <optional>

namespace lamina::lm {

struct ElementFunction {
  mlir::Value input;
  Activation activation;
};

/// The activation that `value` is of one value, element by element; none if it is another function, or of several values.
std::optional<ElementFunction> activationOf(mlir::Value value);

} // namespace lamina::lm

#endif // LAMINA_DIALECTS_LM_TRANSFORMS_ELEMENTFUNCTION_H
