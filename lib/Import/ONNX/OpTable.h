//===- OpTable.h - the operators that lamina knows --------------------------------------------*- C++ -*-===//
//
// One row per operator and range of opsets: how many inputs, the shape rule, the reference semantics. The
// rows are in Ops/, a file for each family. The semantics are slow and obvious: reals in double, rounded to
// the element type at the end, integers with wrap-around.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_OPTABLE_H
#define LAMINA_LIB_IMPORT_ONNX_OPTABLE_H

#include "lib/Import/ONNX/OpContext.h"

#include <limits>

namespace lamina::onnx {

/// The newest opset of the default domain whose operators were read. A later one may change what an operator
/// means.
inline constexpr int kNewestOpset = 28;
inline constexpr std::string_view kContrib = "com.microsoft";

/// Calls OpContext::result for every output. May look at types and shapes of inputs, at attributes, and with
/// OpContext::known at the elements of inputs that decide shapes.
using ShapeRule = absl::Status (*)(OpContext &);
/// Fills the outputs, of which there is at least the first; they are allocated and have the shapes that the
/// rule gave. One that the node does not want (OpContext::wants) need not be filled. All inputs have
/// elements, unless the row says that it needs none.
using Semantics = absl::Status (*)(OpContext &);

struct OpRow {
  std::string_view name;
  int since = 1;
  int until = kNewestOpset; // inclusive
  unsigned required = 1;    // leading inputs that must be given
  unsigned most = 1;        // inputs
  ShapeRule rule = nullptr;
  Semantics semantics = nullptr;
  bool needsElements = true; // of its inputs
  std::string_view domain = "";
};

/// Nothing limits the number of inputs.
inline constexpr unsigned kVariadic = std::numeric_limits<unsigned>::max();

/// The row of a node; if there is none, one line that names node, domain, operator and opset and what is
/// closest.
absl::StatusOr<const OpRow *> findRow(const Node &node, int64_t opset);

/// All rows, for listings.
std::vector<const OpRow *> allRows();

// The families, each in a file of its name.
std::span<const OpRow> unaryRows();
std::span<const OpRow> binaryRows();
std::span<const OpRow> castRows();
std::span<const OpRow> shapeRows();
std::span<const OpRow> movementRows();
std::span<const OpRow> gatherRows();
std::span<const OpRow> scatterRows();
std::span<const OpRow> generatorRows();
std::span<const OpRow> reduceRows();
std::span<const OpRow> orderRows();
std::span<const OpRow> matmulRows();
std::span<const OpRow> einsumRows();
std::span<const OpRow> convRows();
std::span<const OpRow> poolRows();
std::span<const OpRow> softmaxRows();
std::span<const OpRow> normRows();
std::span<const OpRow> quantizeRows();
std::span<const OpRow> controlRows();
std::span<const OpRow> attentionRows();
std::span<const OpRow> linearAttentionRows();
std::span<const OpRow> rotaryRows();
std::span<const OpRow> groupQueryAttentionRows();
std::span<const OpRow> pagedAttentionRows();
std::span<const OpRow> contribAttentionRows();
std::span<const OpRow> contribNormRows();
std::span<const OpRow> contribQuantizeRows();
std::span<const OpRow> contribExpertRows();

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_OPTABLE_H
