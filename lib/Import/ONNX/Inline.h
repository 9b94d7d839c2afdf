//===- Inline.h - one flat graph without what is known in advance -----------------------------*- C++ -*-===//
//
// Simplifies a model before anything looks at what it computes: functions of the model become the nodes of
// their bodies, If with a condition that is known becomes the nodes of its branch, nodes whose inputs are all
// constants become constants, Identity goes, and so does whatever no output needs. Names of inputs and
// outputs stay.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_INLINE_H
#define LAMINA_LIB_IMPORT_ONNX_INLINE_H

#include "lib/Import/ONNX/Evaluator.h"

namespace lamina::onnx {

struct InlineOptions {
  /// Graph inputs of type bool that are taken as true: merged decoders ask with them whether there is a
  /// cache.
  std::vector<std::string> taken = {"use_cache_branch"};
  /// What folding constants may cost; what costs more stays a node.
  Limits limits{.elements = 1 << 20, .work = int64_t{1} << 31, .leaveLarge = true};
  size_t mostNodes = 1 << 20; // functions that call functions can be exponentially large
};

absl::StatusOr<Model> inlined(Model model, const InlineOptions &options = {});

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_INLINE_H
