//===- ExpertInputs.h - where com.microsoft's MoE and QMoE have their matrices -----------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_EXPERTINPUTS_H
#define LAMINA_LIB_IMPORT_ONNX_EXPERTINPUTS_H

#include "lib/Import/ONNX/Model.h"

#include <array>

namespace lamina::onnx {

/// The inputs of a node that hold one matrix of each expert, [experts, rows, columns]; 0: there is none.
struct ExpertInputs {
  size_t weights = 0, bias = 0, scales = 0, zeros = 0;
};

/// Of fc1, fc2 and fc3 in onnxruntime's words: activation(x fc1ᵀ), perhaps times x fc3ᵀ, goes through fc2.
inline std::array<ExpertInputs, 3> expertInputs(const Node &node) {
  if (node.op == "QMoE")
    return {ExpertInputs{.weights = 2, .bias = 4, .scales = 3, .zeros = 11},
            {.weights = 5, .bias = 7, .scales = 6, .zeros = 12},
            {.weights = 8, .bias = 10, .scales = 9, .zeros = 13}};
  return {ExpertInputs{.weights = 2, .bias = 3}, {.weights = 4, .bias = 5}, {.weights = 6, .bias = 7}};
}

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_EXPERTINPUTS_H
