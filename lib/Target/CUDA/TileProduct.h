//===- TileProduct.h - products with a weight on tensor cores -------------------------------*- C++ -*-===//
//
// A warp multiplies a group of 16 rows by tiles of 8 tokens. A group has teams: team i takes the row's step i and
// every `teams` steps another, in one chain of additions. A warp goes through the steps of one of its teams after
// another, with the weights of one or more stages ahead in registers and activations on their way through the block's
// memory (TileInput), and folds what its teams have as the lanes of a warp do: neighbours, neighbouring pairs, halves.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_TILEPRODUCT_H
#define LAMINA_LIB_TARGET_CUDA_TILEPRODUCT_H

#include "lib/Target/CUDA/TileInput.h"
#include "lib/Target/Kernels/WeightDecoder.h"

namespace lamina {

class TileProduct {
public:
  static constexpr int64_t kTokens = 8; ///< of a tile

  virtual ~TileProduct() = default;

  virtual const WeightDecoder &decoder() const = 0;

  /// How many times a warp has the sums of as many teams as it folds.
  int64_t rounds() const { return teams_ / (folded_ * stage_.chains); }

  /// Multiplies the group at `group`, of which the warp is number `warp`, by the step's rows from `first` on. Calls
  /// `body` for each sum that the lane has after each round; a token may be beyond those that go together. All threads
  /// of the block do it together.
  using Body = llvm::function_ref<void(Value round, Value sum, Value row, Value token)>;
  void multiply(Value group, Value warp, Value first, Body body);

protected:
  /// How the teams of a group divide over its warps. `folded` teams, a power of two, make a round of a warp. The weights
  /// of `ahead` stages are on their way.
  struct Division {
    int64_t tokens, teams, folded, warps, slots, ahead;
  };
  TileProduct(DeviceContext &kernel, const Division &division, int64_t steps);

  /// Sums of a tile that a lane has: two rows, two tokens.
  static constexpr int64_t kSumsOfTile = 4;
  int64_t tiles() const { return llvm::divideCeil(tokens_, kTokens); }
  /// Appends what a step needs of the weight, as many values each time; steps beyond the last repeat it.
  virtual void loadWeights(Value step, Values &loaded) = 0;
  virtual int64_t weightValues() const = 0;
  virtual TileInput &input() = 0;
  /// Adds to the lane's sums, tile by tile.
  virtual void multiplyStep(ValueRange weights, Value buffer, int64_t slot, Values &sums) = 0;
  /// Of sum number `i` of a tile.
  virtual Value rowOfSum(int64_t i) = 0;

  DeviceBuilder &b_;
  int64_t tokens_;
  TileStage stage_;
  Value group_, warp_;

private:
  int64_t sumsOfLane() const { return tiles() * kSumsOfTile; }
  size_t valuesOfStage() { return stage_.slots * weightValues(); }
  /// The first step of the stage behind another: behind a team's last one that of the next team.
  Value stageAfter(Value firstStep);
  void loadStage(Value firstStep, Values &loaded);
  /// What a warp has ahead of its work: weights of the stages from the first on, what the thread brings of the input for
  /// the first of them, and which buffer that goes to.
  Values firstAhead();
  /// Takes the teams at `team` of all warps through their steps: sums, then what is ahead.
  Values addTeam(Value team, Values ahead);
  /// The same for a warp's teams of a round, folded.
  Values addRound(Value round, Values ahead);
  /// Adds the sums of team number `team` of the warp to those `before` it that wait for it: of one, two, four.
  Values foldTeam(Value team, Values sums, Values before, int64_t level = 0);
  void forEachSum(Value round, ValueRange sums, Body body);

  int64_t teams_, folded_, ahead_;
  Value buffers_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_TILEPRODUCT_H
