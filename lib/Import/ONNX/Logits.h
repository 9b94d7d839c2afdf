//===- Logits.h - which output is logits, and what they are computed from ---------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_LOGITS_H
#define LAMINA_LIB_IMPORT_ONNX_LOGITS_H

#include "lib/Import/ONNX/Probe.h"

namespace lamina::onnx {

/// The output [batch, tokens, vocabulary], or without a batch where tokens are a list; none if no output is.
std::optional<ValueId> logitsOf(const Graph &graph, std::span<const ProbedValue> probed);

/// By value: whether the logits are computed from it, and not from its shape alone.
std::vector<bool> neededFor(ValueId logits, const Graph &graph, std::span<const ProbedValue> probed);

/// Some graphs give logits for the last token alone. Which rows have logits is for the batch to say, so what they compute of the
/// last token is read as computed of each: its axis of one token becomes the tokens'. What then has all tokens meet the last one is irregular.
void readLastToken(const Graph &graph, std::vector<ProbedValue> &probed);

/// An error where the logits depend on a value whose shape is not known.
absl::Status checkShapes(const Graph &graph, std::span<const ProbedValue> probed);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_LOGITS_H
