//===- RotaryPairs.h - where the two elements of rotary pairs lie -------------------------------*- C++ -*-===//
//
// lm.rotary_embedding takes pairs half of the rotated elements apart. Some models have them side by side; for these the elements of
// heads are moved before the rotation and perhaps back behind it.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_LM_TRANSFORMS_ROTARYPAIRS_H
#define LAMINA_DIALECTS_LM_TRANSFORMS_ROTARYPAIRS_H

#include "mlir/IR/Builders.h"

namespace lamina::lm {

/// Rows whose heads of `head` elements begin with `length` in pairs side by side, as all firsts, all seconds and the rest.
mlir::Value pairsApart(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rows, int64_t head,
                       int64_t length);

/// The other way round.
mlir::Value pairsBeside(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value rows, int64_t head,
                        int64_t length);

} // namespace lamina::lm

#endif // LAMINA_DIALECTS_LM_TRANSFORMS_ROTARYPAIRS_H
