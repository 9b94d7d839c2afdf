//===- DeviceProduct.h - what one thread adds to products with a weight ---------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CUDA_DEVICEPRODUCT_H
#define LAMINA_LIB_TARGET_CUDA_DEVICEPRODUCT_H

#include "lib/Target/CUDA/DeviceBuilder.h"
#include "lib/Target/Kernels/WeightDecoder.h"

namespace lamina {

/// Threads that share the words of codes of a row: 16 bytes have those of four rows.
inline constexpr int64_t kTeamOfCodes = kPackedRows / 4;

/// Some threads share the 16 rows of a group, each with neighbouring rows as many as one load brings; such
/// teams share the row's steps: team i takes step i and every `teams` steps another.
class DeviceProduct {
public:
  /// Source values. `thread` is one of `threads` that share a group.
  DeviceProduct(DeviceBuilder &builder, Value input, Value weight, Value thread, int64_t threads);

  int64_t rowsEach() const { return rowsEach_; }
  int64_t threadsOfTeam() const { return kPackedRows / rowsEach_; }
  const WeightDecoder &decoder() const { return decoder_; }

  /// What the thread adds for each of the input rows: vectors of its rows, in the order of the steps.
  Values addSteps(Value group, ValueRange inputRows);

private:
  Values addStep(Value group, Value step, ValueRange inputRows, ValueRange before);
  void addNumbers(Value group, Value step, ValueRange inputRows, Values &sums);
  void addCodes(const WeightDecoder::Codes &codes, ValueRange inputRows, Values &sums);

  DeviceBuilder &b_;
  int64_t rowsEach_, teams_;
  Value team_;
  WeightDecoder decoder_;
  bool integers_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_DEVICEPRODUCT_H
