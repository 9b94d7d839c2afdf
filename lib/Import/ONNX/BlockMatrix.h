//===- BlockMatrix.h - matrices of few bits, re-encoded in blocks -----------------------------*- C++ -*-===//
//
// MatMulNBits, GatherBlockQuantized, DequantizeLinear and QMoE hold a constant matrix as codes of a few bits, with
// scales and perhaps zero points for runs of columns, each in a tensor of its own. Kernels read blocks with
// scale and codes side by side (BlockFormat.h). Such a matrix is re-encoded, row by row when its bytes are
// asked for, in the format that has its numbers exactly; where there is none they are written out as f32.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_BLOCKMATRIX_H
#define LAMINA_LIB_IMPORT_ONNX_BLOCKMATRIX_H

#include "lib/Import/ONNX/ExpertInputs.h"
#include "runtime/io/BlockFormat.h"

#include <compare>

namespace lamina::onnx {

struct BlockMatrix {
  static constexpr int64_t kBlock = 32; ///< elements of a block, unless the format is F32

  /// A tensor by row of the matrix and by column, or run of columns, in elements; null: there is none.
  struct Strided {
    const TensorConstant *tensor = nullptr;
    int64_t row = 0, column = 0;
    int64_t first = 0; ///< where the matrix begins

    auto operator<=>(const Strided &) const = default;
  };

  std::string name = ""; ///< of the codes
  int64_t rows = 0, columns = 0;
  int64_t run = 0; ///< columns that share a scale
  unsigned bits = 0;
  bool isSigned = false;
  int64_t middle = 0; ///< what is taken from a code where there are no zero points
  Strided codes = {}, scales = {}, zeros = {};
  const BlockFormat *format = nullptr;

  uint64_t rowBytes() const { return format->bytesOf(static_cast<uint64_t>(columns)); }
  uint64_t bytes() const { return static_cast<uint64_t>(rows) * rowBytes(); }

  /// Equal matrices have equal bytes.
  auto operator<=>(const BlockMatrix &) const = default;
};

/// Whether a node of this kind holds a matrix, whose folding would lose that it has few bits.
bool holdsBlockMatrix(const Graph &graph, const Node &node);

/// How a product reads the matrix that a DequantizeLinear gives.
enum class Orientation {
  RightSide,  ///< as it is: rows of the product are its columns
  Transposed, ///< after a transposition
};

/// The matrix that a node holds, [rows of the product, columns]; none if it holds none that can be
/// re-encoded. Orientation is of DequantizeLinear alone.
std::optional<BlockMatrix> blockMatrixOf(const Model &model, const Node &node,
                                         Orientation orientation = Orientation::RightSide);

/// One of the matrices of an expert in com.microsoft's MoE and QMoE, and the rows that it has in its tensor, which gate and up may
/// share.
struct ExpertMatrix : ExpertInputs {
  static constexpr int64_t kMostExperts = 4096;
  enum Role { Gate, Up, Down };
  int64_t rows = 0, first = 0, step = 1;
};
ExpertMatrix expertMatrix(const Graph &graph, const Node &node, ExpertMatrix::Role role);

/// The matrix of one expert of a QMoE, as blockMatrixOf says.
std::optional<BlockMatrix> blockMatrixOfExpert(const Model &model, const Node &node, ExpertMatrix::Role role,
                                               int64_t expert);

/// Writes rows from `firstRow` on in the matrix's format; `out` takes whole rows.
absl::Status encodeRows(const Model &model, const BlockMatrix &matrix, int64_t firstRow,
                        std::span<uint8_t> out);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_BLOCKMATRIX_H
