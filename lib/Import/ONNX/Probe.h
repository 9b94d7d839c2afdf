//===- Probe.h - symbolic shapes and the meaning of mask arithmetic, by computing -------------*- C++ -*-===//
//
// A decoder is evaluated without its tokens and caches at several pairs of S (new tokens) and P (tokens
// before them), for a batch of one sequence. What comes out for every value:
//  * its shape, each size affine in S and P;
//  * what it is, if it does not depend on tokens or caches: numbers affine in S and P, positions, a mask, a
//    table of rows by position, cosines and sines. It is recognised by its elements, not by the nodes that
//    made them.
// Models without sizes that depend on S and P (encoders, single operators) come out with sizes that are
// numbers.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_PROBE_H
#define LAMINA_LIB_IMPORT_ONNX_PROBE_H

#include "lib/Import/ONNX/Evaluator.h"

#include <map>

namespace lamina::onnx {

/// constant + s S + p P
struct Affine {
  int64_t constant = 0, s = 0, p = 0;

  int64_t at(int64_t S, int64_t P) const { return constant + s * S + p * P; }
  bool isConstant() const { return s == 0 && p == 0; }
  bool operator==(const Affine &) const = default;
  std::string text() const; ///< "S + P", "2 S - 1"
};

/// Depends on tokens, caches, or large weights.
struct Computed {};
/// Known from the batch alone, but of no form that is recognised.
struct Unnamed {};
/// The same elements always.
struct Fixed {
  Tensor value;
};
/// Integers, each affine in S and P; the shape is a number of them.
struct Numbers {
  std::vector<Affine> elements;
};
/// One number everywhere, in a shape that changes: a mask that hides nothing, for example.
struct Filled {
  double value = 0;
};
/// Along one axis, first, first + 1, …; the same along the others.
struct Positions {
  int64_t axis = 0;
  Affine first;
};
/// The last two axes are queries, at positions P, P + 1, …, and keys, at positions 0, 1, …. Query i has
/// `visible` where it sees key j: j <= i, and j > i - window if there is a window; elsewhere `hidden`. The
/// same along the others.
struct Mask {
  double visible = 0, hidden = 0;
  std::optional<int64_t> window;
};
/// Along one axis the row of position first, first + 1, …; the same rows whatever S and P are.
struct RowsByPosition {
  enum class Kind { Any, Angles, Cosines, Sines };
  int64_t axis = 0;
  Affine first;
  /// What a row is of position q: q f, or m cos(q f), or m sin(q f) for each frequency f.
  Kind kind = Kind::Any;
  std::vector<double> frequencies;
  double magnitude = 1;
};

using Meaning = std::variant<Computed, Unnamed, Fixed, Numbers, Filled, Positions, Mask, RowsByPosition>;

struct ProbedValue {
  ElementType type = ElementType::Undefined; ///< Undefined: not a value of the graph at run time
  std::vector<Affine> dims = {};
  Meaning meaning = {};
  /// Why the shape is none of affine sizes; empty if it is. Then there are no sizes, and no meaning is known.
  std::string irregular = {};

  std::string describe() const; ///< "int64[1, S]: positions from P", for tests and dumps
};

struct ProbeOptions {
  /// Sizes that are given for symbols other than those of batch, S and P.
  std::map<std::string, int64_t> sizes = {};
  /// The longest context, if known: one more probe there finds windows that short probes do not show.
  int64_t longest = 0;
  Limits limits{.elements = 1 << 22, .work = int64_t{1} << 32, .leaveLarge = true};
};

/// Each value of the model's graph, by id. Functions of the model must have been inlined.
absl::StatusOr<std::vector<ProbedValue>> probe(const Model &model, const ProbeOptions &options = {});

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_PROBE_H
