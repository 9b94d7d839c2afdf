//===- ProbeInputs.h - what a decoder's inputs are at one probe -------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_ONNX_PROBEINPUTS_H
#define LAMINA_LIB_IMPORT_ONNX_PROBEINPUTS_H

#include "lib/Import/ONNX/Probe.h"

namespace lamina::onnx {

struct ProbePoint {
  int64_t S = 0, P = 0;
};

/// What a graph input is for, by its name and the names of its sizes as the exporters choose them.
/// PagedAttention's batch: where each sequence's tokens begin, how many it has before them, and the pages that hold those. Past
/// lengths are also where a step writes to caches of a fixed size; total lengths are those with the new tokens. Logits to keep are
/// how many of the last tokens have logits, 0 for all.
enum class InputRole {
  Tokens,
  Positions,
  AttentionMask,
  Cache,
  FirstTokens,
  PastLengths,
  TotalLengths,
  Pages,
  LogitsToKeep,
  Other
};
InputRole roleOf(const Value &input);

/// Whether a model generates text over caches; others compute outputs from inputs.
bool isDecoder(const Graph &graph);

/// Inputs that hold the keys and the values of tokens before, [1, heads, past, length] or with heads and past swapped.
struct CacheInputs {
  ValueId keys, values;
};
/// Cache inputs of a graph by layer: the i-th of keys belongs to the i-th of values, where names tell them apart; otherwise
/// they take turns.
std::vector<CacheInputs> pairedCaches(const Graph &graph);

/// The input at a point: its shape, and its elements if the batch alone decides them. Fails if a size is
/// neither a number nor known nor given, or given although it is known.
absl::StatusOr<Tensor> inputAt(const Value &input, const ProbePoint &point, const ProbeOptions &options);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_PROBEINPUTS_H
