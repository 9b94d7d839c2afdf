//===- TileProduct.cpp - products with a weight on tensor cores ---------------------------------------===//

#include "lib/Target/CUDA/TileProduct.h"

using namespace mlir;
using namespace lamina;

TileProduct::TileProduct(DeviceContext &kernel, const Division &division, int64_t steps)
    : b_(kernel.device), tokens_(division.tokens),
      stage_{division.warps, division.folded, division.slots, division.teams, steps}, teams_(division.teams),
      folded_(division.folded), ahead_(division.ahead) {
  assert(teams_ % (folded_ * division.warps) == 0 && "warps have whole rounds of teams");
  assert((division.warps == 1 || rounds() == 1) && "the team after a round's last is the next one's first");
}

//===--- Teams -----------------------------------------------------------------------------------------===//

Value TileProduct::stageAfter(Value firstStep) {
  Value next = b_.add(firstStep, stage_.slots * teams_);
  if (folded_ == 1 &&
      rounds() == 1) // no team comes next, and beyond the last step what is there already is loaded
    return next;
  Value nextTeam = b_.add(b_.rem(firstStep, teams_), 1);
  return b_.select(b_.less(next, b_.i64(stage_.steps)), next, nextTeam);
}

void TileProduct::loadStage(Value firstStep, Values &loaded) {
  for (int64_t slot = 0; slot < stage_.slots; ++slot)
    loadWeights(stage_.step(b_, firstStep, warp_, slot), loaded);
}

Values TileProduct::firstAhead() {
  Values ahead;
  Value first = b_.i64(0), stage = first;
  for (int64_t i = 0; i < ahead_; ++i, stage = stageAfter(stage))
    loadStage(stage, ahead);
  llvm::append_range(ahead, input().fetch(first));
  ahead.push_back(b_.i64(0));
  return ahead;
}

Values TileProduct::addTeam(Value team, Values ahead) {
  Value steps = b_.i64(stage_.steps);
  Values state(sumsOfLane(), b_.constant(b_.f32(0), 0.0));
  llvm::append_range(state, ahead);
  return b_.loop(team, steps, stage_.slots * teams_, state, [&](Value first, ValueRange current) {
    Values sums(current.take_front(sumsOfLane()));
    Value which = current.back(), buffer = b_.offset(buffers_, b_.mul(which, input().bufferBytes()));
    ValueRange loaded = current.drop_front(sumsOfLane()).drop_back();
    size_t weights = weightValues(), stage = valuesOfStage();
    input().store(loaded.drop_front(ahead_ * stage), buffer);
    b_.barrier(); // and what was read of the other buffer has been used
    Values upcoming(loaded.slice(stage, (ahead_ - 1) * stage));
    Value next = stageAfter(first), last = next;
    for (int64_t i = 1; i < ahead_; ++i)
      last = stageAfter(last);
    loadStage(last, upcoming);
    llvm::append_range(upcoming, input().fetch(next));
    b_.keepLoadsAhead();
    // No branches: what is loaded ahead is waited for behind the products.
    for (int64_t slot = 0; slot < stage_.slots; ++slot) {
      Values added = sums;
      multiplyStep(loaded.slice(slot * weights, weights), buffer, slot, added);
      Value exists = b_.less(stage_.step(b_, first, warp_, slot), steps);
      for (auto [sum, next] : llvm::zip(sums, added))
        sum = b_.select(exists, next, sum);
    }
    llvm::append_range(sums, upcoming);
    sums.push_back(b_.sub(b_.i64(1), which));
    return sums;
  });
}

Values TileProduct::foldTeam(Value team, Values sums, Values before, int64_t level) {
  size_t count = sums.size();
  auto keep = [&](const Values &kept) {
    Values all = before;
    llvm::copy(kept, all.begin() + level * count);
    return all;
  };
  auto add = [&] {
    Values both;
    for (size_t i = 0; i < count; ++i)
      both.push_back(b_.addf(before[level * count + i], sums[i]));
    return (int64_t(2) << level) < folded_ ? foldTeam(team, both, before, level + 1) : keep(both);
  };
  Value waits = b_.equal(b_.bitAnd(team, int64_t(1) << level), b_.i64(0));
  return b_.branchValues(waits, [&] { return keep(sums); }, add);
}

//===--- A row -----------------------------------------------------------------------------------------===//

Values TileProduct::addRound(Value round, Values ahead) {
  Value firstTeam = b_.mul(round, folded_ * stage_.chains);
  if (folded_ == 1)
    return addTeam(firstTeam, ahead);
  int64_t waiting = llvm::Log2_64(folded_) * sumsOfLane();
  Values state(waiting, b_.constant(b_.f32(0), 0.0));
  llvm::append_range(state, ahead);
  state = b_.loop(b_.i64(0), b_.i64(folded_), 1, state, [&](Value i, ValueRange before) {
    Values added = addTeam(b_.add(firstTeam, i), Values(before.drop_front(waiting)));
    ArrayRef<Value> all = added;
    Values next = foldTeam(i, Values(all.take_front(sumsOfLane())), Values(before.take_front(waiting)));
    llvm::append_range(next, all.drop_front(sumsOfLane()));
    return next;
  });
  state.erase(state.begin(), state.begin() + waiting - sumsOfLane()); // the last level has the sum of all
  return state;
}

void TileProduct::forEachSum(Value round, ValueRange sums, Body body) {
  Value column = b_.mul(b_.rem(b_.lane(), 4), 2);
  for (auto [i, sum] : llvm::enumerate(sums)) {
    int64_t tile = int64_t(i) / kSumsOfTile, place = int64_t(i) % kSumsOfTile;
    body(round, sum, rowOfSum(place), b_.add(column, tile * kTokens + place % 2));
  }
}

void TileProduct::multiply(Value group, Value warp, Value first, Body body) {
  group_ = group;
  warp_ = warp;
  input().open(first);
  buffers_ = b_.shared(2 * input().bufferBytes());
  b_.barrier(); // whoever had that memory is done with it
  b_.loop(b_.i64(0), b_.i64(rounds()), 1, firstAhead(), [&](Value round, ValueRange carried) {
    Values state = addRound(round, Values(carried));
    forEachSum(round, ValueRange(state).take_front(sumsOfLane()), body);
    return Values(ArrayRef<Value>(state).drop_front(sumsOfLane()));
  });
}
