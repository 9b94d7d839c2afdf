//===- TileProduct.cpp - products with a weight on tensor cores ---------------------------------------===//

#include "lib/Target/CUDA/TileProduct.h"

#include "runtime/device/KernelABI.h"

#include <cstddef>

using namespace mlir;
using namespace lamina;

namespace {

constexpr int64_t kSumsOfTile = 4; ///< that a lane has: two rows, two tokens
constexpr int64_t kLevels = 3;     ///< of folding the teams of a warp
static_assert(TileProduct::kTeams == 1 << kLevels);

/// The f32 whose low bits are an integer, and the number to be taken from it: sums of at most 32 · 128 · 127 fit.
constexpr int64_t kMagicBits = 0x4B400000;
constexpr double kMagic = 12582912.0;

/// Numbers of an input's block that are wanted beside its codes.
SmallVector<int64_t> inputFields(const WeightDecoder &decoder) {
  SmallVector<int64_t> fields = {offsetof(LaminaQuantizedBlock, scale)};
  int64_t sums = offsetof(LaminaQuantizedBlock, scaledSums);
  if (decoder.hasMins() && decoder.scaleElements() == kPackedStep)
    fields.push_back(sums + 2 * sizeof(float));
  else if (decoder.hasMins())
    fields.append({sums, sums + int64_t(sizeof(float))});
  return fields;
}

} // namespace

TileProduct::TileProduct(DeviceContext &kernel, Value input, Value weight, int64_t tokens, int64_t teams,
                         int64_t warps)
    : b_(kernel.device), tokens_(tokens), teams_(teams), row_(b_.div(b_.lane(), 4)),
      quarter_(b_.rem(b_.lane(), 4)),
      decoders_{{b_, weight, {/*lanes=*/0, row_, quarter_}},
                {b_, weight, {/*lanes=*/0, b_.add(row_, kPackedRows / 2), quarter_}}},
      stage_{warps, kTeams, teams, decoders_[0].steps()},
      input_(kernel, input, tokens, stage_, inputFields(decoders_[0])) {
  assert(teams_ % (kTeams * warps) == 0 && "warps have whole rounds of teams");
  assert((warps == 1 || rounds() == 1) && "the team after a round's last is the next one's first");
}

int64_t TileProduct::sumsOfLane() const { return tokens_ / kTokens * kSumsOfTile; }

int64_t TileProduct::weightValues() const {
  int64_t elements = decoder().scaleElements();
  return kPackedStep / elements * (elements / 8 + 2 + mins());
}

//===--- A step ----------------------------------------------------------------------------------------===//

/// For each scale: codes, of both rows by turns; both rows' scales, and mins.
void TileProduct::loadWeights(Value step, Values &loaded) {
  int64_t elements = decoder().scaleElements(), words = elements / 8, begin = int64_t(loaded.size());
  step = b_.min(step, b_.i64(stage_.steps - 1)); // what is loaded beyond the last step is not used
  loaded.resize(begin + weightValues());
  for (int64_t row = 0; row < 2; ++row) {
    Values none;
    auto take = [&](const WeightDecoder::Codes &codes, Values &) {
      Value *part = &loaded[begin + codes.k / elements * (words + 2 + mins())];
      for (int64_t quad = 0; quad < words / 2; ++quad)
        part[2 * quad + row] = codes.quad(quad);
      WeightDecoder::Scale scale = codes.scale();
      part[words + row] = scale.factor;
      if (mins() != 0)
        part[words + 2 + row] = scale.min;
    };
    decoders_[row].decodeStepCodes(group_, step, WeightDecoder::CodeForm::Signed, none, take);
  }
}

/// Of the lane's sums number i has row i / 2 and token i % 2 of its tile.
void TileProduct::multiplyStep(ValueRange weights, Value buffer, int64_t slot, Values &sums) {
  int64_t elements = decoder().scaleElements(), words = elements / 8;
  Value start = b_.constant(b_.i32(0), kMagicBits), magic = b_.constant(b_.f32(0), kMagic);
  for (int64_t tile = 0; tile < tokens_ / kTokens; ++tile) {
    Value codes = input_.codes(buffer, warp_, slot, b_.add(row_, tile * kTokens));
    codes = b_.offset(codes, b_.mul(quarter_, elements / 4));
    Value columns = b_.add(b_.mul(quarter_, 2), tile * kTokens);
    auto numbers = [&](int64_t field) {
      return b_.loadF32(input_.numbers(buffer, warp_, slot, field, columns), 2);
    };
    Value scales = numbers(0);
    for (int64_t k = 0; k < kPackedStep; k += elements) {
      int64_t part = k / elements;
      ValueRange own = weights.slice(part * (words + 2 + mins()), words + 2 + mins());
      Value input = b_.load(b_.i32(words / 2), b_.offset(codes, k)), scaledSums;
      Values inputs;
      for (int64_t word = 0; word < words / 2; ++word)
        inputs.push_back(b_.extract(input, word));
      if (mins() != 0)
        scaledSums = numbers(1 + part);
      Values integers = b_.multiplyTiles(own.take_front(words), inputs, start);
      for (int64_t i = 0; i < kSumsOfTile; ++i) {
        Value &sum = sums[tile * kSumsOfTile + i];
        Value number = b_.subf(b_.bitcast(integers[i], b_.f32(0)), magic);
        sum = b_.fma(number, b_.mulf(own[words + i / 2], b_.extract(scales, i % 2)), sum);
        if (mins() != 0)
          sum = b_.fma(own[words + 2 + i / 2], b_.extract(scaledSums, i % 2), sum);
      }
    }
  }
}

//===--- A row -----------------------------------------------------------------------------------------===//

Values TileProduct::loadStage(Value firstStep) {
  Values loaded;
  for (int64_t slot = 0; slot < TileStage::kSlots; ++slot)
    loadWeights(stage_.step(b_, firstStep, warp_, slot), loaded);
  llvm::append_range(loaded, input_.fetch(firstStep));
  return loaded;
}

Values TileProduct::addTeam(Value team, Values ahead) {
  Value steps = b_.i64(stage_.steps);
  Values state(sumsOfLane(), b_.constant(b_.f32(0), 0.0));
  llvm::append_range(state, ahead);
  return b_.loop(team, steps, TileStage::kSlots * teams_, state, [&](Value first, ValueRange current) {
    Values sums(current.take_front(sumsOfLane()));
    Value which = current.back(), buffer = b_.offset(buffers_, b_.mul(which, input_.bufferBytes()));
    ValueRange loaded = current.drop_front(sumsOfLane()).drop_back();
    int64_t weights = TileStage::kSlots * weightValues();
    input_.store(loaded.drop_front(weights), buffer);
    b_.barrier(); // and what was read of the other buffer has been used
    Value next = b_.add(first, TileStage::kSlots * teams_);
    Values upcoming = loadStage(b_.select(b_.less(next, steps), next, b_.add(team, 1)));
    // No branches: what is loaded ahead is waited for behind the products.
    for (int64_t slot = 0; slot < TileStage::kSlots; ++slot) {
      Values added = sums;
      multiplyStep(loaded.slice(slot * weightValues(), weightValues()), buffer, slot, added);
      Value exists = b_.less(stage_.step(b_, first, warp_, slot), steps);
      for (auto [sum, next] : llvm::zip(sums, added))
        sum = b_.select(exists, next, sum);
    }
    llvm::append_range(sums, upcoming);
    sums.push_back(b_.sub(b_.i64(1), which));
    return sums;
  });
}

/// Neighbours, then neighbouring pairs, then halves, as DeviceBuilder::foldWarp.
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
    return level + 1 < kLevels ? foldTeam(team, both, before, level + 1) : keep(both);
  };
  Value waits = b_.equal(b_.bitAnd(team, int64_t(1) << level), b_.i64(0));
  return b_.branchValues(waits, [&] { return keep(sums); }, add);
}

void TileProduct::forEachSum(Value round, ValueRange sums, Body body) {
  for (auto [i, sum] : llvm::enumerate(sums)) {
    int64_t tile = int64_t(i) / kSumsOfTile, place = int64_t(i) % kSumsOfTile;
    Value token = b_.add(b_.mul(quarter_, 2), tile * kTokens + place % 2);
    body(round, sum, b_.add(row_, place / 2 * (kPackedRows / 2)), token);
  }
}

void TileProduct::multiply(Value group, Value warp, Value first, Body body) {
  group_ = group;
  warp_ = warp;
  input_.open(first);
  buffers_ = b_.shared(2 * input_.bufferBytes());
  b_.barrier(); // whoever had that memory is done with it
  int64_t waiting = kLevels * sumsOfLane();
  Values ahead = loadStage(b_.i64(0));
  ahead.push_back(b_.i64(0));
  b_.loop(b_.i64(0), b_.i64(rounds()), 1, ahead, [&](Value round, ValueRange carried) {
    Values state(waiting, b_.constant(b_.f32(0), 0.0));
    llvm::append_range(state, carried);
    state = b_.loop(b_.i64(0), b_.i64(kTeams), 1, state, [&](Value i, ValueRange before) {
      Value team = b_.add(b_.mul(round, kTeams * stage_.chains), i);
      Values added = addTeam(team, Values(before.drop_front(waiting)));
      ArrayRef<Value> all = added;
      Values next = foldTeam(i, Values(all.take_front(sumsOfLane())), Values(before.take_front(waiting)));
      llvm::append_range(next, all.drop_front(sumsOfLane()));
      return next;
    });
    ArrayRef<Value> all = state;
    forEachSum(round, ValueRange(all.slice(waiting - sumsOfLane(), sumsOfLane())), body);
    return Values(all.drop_front(waiting));
  });
}
