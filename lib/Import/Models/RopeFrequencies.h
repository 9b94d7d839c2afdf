//===- RopeFrequencies.h - rotary frequencies with their scalings ---------------------------*- C++ -*-===//
//
// Every scaling of RoPE becomes a list of frequencies and a magnitude, the attributes of lm.rope_table. Pure.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_MODELS_ROPEFREQUENCIES_H
#define LAMINA_LIB_IMPORT_MODELS_ROPEFREQUENCIES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

namespace lamina {

struct RopeParameters {
  int64_t length = 0; ///< rotated elements of a head, even
  double base = 10000;
  double factor = 1;           ///< positions are divided by it (linear), or interpolated up to it (yarn)
  double magnitude = 1;        ///< of the rotated vectors, before what yarn adds
  double extrapolation = 0;    ///< yarn: share of the fast frequencies that is left alone; 0: linear
  double fastTurns = 32;       ///< yarn: frequencies with more turns in the original context are left alone
  double slowTurns = 1;        ///< yarn: those with fewer are divided by the factor
  int64_t originalContext = 0; ///< context of the training before scaling

  bool operator==(const RopeParameters &) const = default;
};

struct RopeTable {
  llvm::SmallVector<double> frequencies; ///< radians per position, length / 2 of them
  double magnitude = 1;

  bool operator==(const RopeTable &) const = default;
};

/// `divisors` holds a divisor for each frequency (Llama 3.1, longrope) or is empty.
RopeTable computeRopeTable(const RopeParameters &parameters, llvm::ArrayRef<float> divisors);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_MODELS_ROPEFREQUENCIES_H
