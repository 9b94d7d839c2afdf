//===- TileProduct.h - products with a weight on tensor cores -------------------------------*- C++ -*-===//
//
// A warp multiplies a group of 16 rows by tiles of 8 tokens, whose activations are rounded to eight bits. What
// one scale covers is one mma: integers, so exact. A lane takes its codes from the packed weight as they lie
// there, so each is decoded by one lane only; the elements under a scale come in another order, for both
// factors alike. Activations come through the block's memory (TileInput).
//
// The floats are added as DeviceProduct adds them, to the bit: for each of its teams a chain over the steps that
// the team takes, one team after another, and their sums as the lanes of a warp fold them.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_TILEPRODUCT_H
#define LAMINA_LIB_TARGET_CUDA_TILEPRODUCT_H

#include "lib/Target/CUDA/DeviceProduct.h"
#include "lib/Target/CUDA/TileInput.h"

namespace lamina {

class TileProduct {
public:
  static constexpr int64_t kTokens = 8; ///< of a tile
  /// Teams of a warp in DeviceProduct.
  static constexpr int64_t kTeams = kWarp / kTeamOfCodes;

  /// Source values. `tokens` go together, in whole tiles; a group has `teams` teams and `warps` warps, which share them.
  TileProduct(DeviceContext &kernel, Value input, Value weight, int64_t tokens, int64_t teams, int64_t warps);

  const WeightDecoder &decoder() const { return decoders_[0]; }

  /// How many times a warp has the sums of kTeams teams.
  int64_t rounds() const { return teams_ / (kTeams * stage_.chains); }

  /// Multiplies the group at `group`, of which the warp is number `warp`, by the step's rows from `first` on. Calls
  /// `body` for each sum that the lane has after each round. All threads of the block do it together.
  using Body = llvm::function_ref<void(Value round, Value sum, Value row, Value token)>;
  void multiply(Value group, Value warp, Value first, Body body);

private:
  /// What the warp has ahead of its work, from stage to stage: codes, scales and mins of its steps, what the thread
  /// brings of the input, and which buffer is next.
  Values loadStage(Value firstStep);
  void loadWeights(Value step, Values &loaded);
  /// Takes the teams at `team` of all warps through their steps: sums, then what is ahead.
  Values addTeam(Value team, Values ahead);
  void multiplyStep(ValueRange weights, Value buffer, int64_t slot, Values &sums);
  /// Adds the sums of team number `team` of the warp to those `before` it that wait for it: of one, two and four.
  Values foldTeam(Value team, Values sums, Values before, int64_t level = 0);
  void forEachSum(Value round, ValueRange sums, Body body);

  int64_t sumsOfLane() const;
  int64_t weightValues() const; ///< of a step
  int64_t mins() const { return decoder().hasMins() ? 2 : 0; }

  DeviceBuilder &b_;
  int64_t tokens_, teams_;
  Value row_, quarter_; ///< the lane's: it has codes of this row and token of a tile, and this quarter of them
  WeightDecoder decoders_[2]; ///< of the lane's two rows
  TileStage stage_;
  TileInput input_;
  Value buffers_, group_, warp_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_TILEPRODUCT_H
