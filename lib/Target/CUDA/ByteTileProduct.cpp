//===- ByteTileProduct.cpp - products of rounded activations on tensor cores --------------------------===//

#include "lib/Target/CUDA/ByteTileProduct.h"

#include "lib/Target/CUDA/DeviceProduct.h"
#include "runtime/device/KernelABI.h"

#include <cstddef>

using namespace mlir;
using namespace lamina;

namespace {

/// Teams of a warp in DeviceProduct.
constexpr int64_t kTeams = kWarp / kTeamOfCodes;

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

ByteTileProduct::ByteTileProduct(DeviceContext &kernel, Value input, Value weight, int64_t tokens,
                                 int64_t teams, int64_t warps)
    : TileProduct(kernel, {tokens, teams, kTeams, warps, /*slots=*/2, /*ahead=*/1},
                  WeightDecoder(kernel.b, weight).steps()),
      row_(b_.div(b_.lane(), 4)), quarter_(b_.rem(b_.lane(), 4)),
      decoders_{{b_, weight, {/*lanes=*/0, row_, quarter_}},
                {b_, weight, {/*lanes=*/0, b_.add(row_, kPackedRows / 2), quarter_}}},
      input_(kernel, input, tokens, stage_, inputFields(decoders_[0])) {}

int64_t ByteTileProduct::weightValues() const {
  int64_t elements = decoder().scaleElements();
  return kPackedStep / elements * (elements / 8 + 2 + mins());
}

//===--- A step ----------------------------------------------------------------------------------------===//

/// For each scale: codes, of both rows by turns; both rows' scales, and mins.
void ByteTileProduct::loadWeights(Value step, Values &loaded) {
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
void ByteTileProduct::multiplyStep(ValueRange weights, Value buffer, int64_t slot, Values &sums) {
  int64_t elements = decoder().scaleElements(), words = elements / 8;
  Value start = b_.constant(b_.i32(0), kMagicBits), magic = b_.constant(b_.f32(0), kMagic);
  for (int64_t tile = 0; tile < tiles(); ++tile) {
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
