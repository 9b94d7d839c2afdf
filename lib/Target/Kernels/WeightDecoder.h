//===- WeightDecoder.h - f32 weights out of a packed matrix ---------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_WEIGHTDECODER_H
#define LAMINA_LIB_TARGET_KERNELS_WEIGHTDECODER_H

#include "lib/Target/Kernels/KernelContext.h"

#include <array>

namespace lamina {

/// What of a group is decoded: all of it, or on a GPU what one thread takes.
struct DecodedPart {
  int64_t lanes = kPackedRows; ///< rows, which are the lanes of a vector
  Value first = {};            ///< the first of them, i64; null for 0
  Value quarter = {}; ///< of codes: which quarter of those under each scale, i64 in [0, 4); null for all
};

/// Generates loops that decode the weights of some groups of rows, element after element along the row. Every
/// number comes out exactly as runtime/io/BlockFormat.h defines it, in f32 or as an integer with its scale
/// and min.
class WeightDecoder {
public:
  /// `weight` is a source value of type tensor<…xNxKx!lm.block<…>>.
  WeightDecoder(KernelBuilder &builder, Value weight, DecodedPart part = {});

  int64_t groups() const { return groups_; }
  int64_t rowLength() const { return rowLength_; }
  int64_t groupBytes() const { return layout_.groupBytes(rowLength_); }
  int64_t matrixBytes() const { return groups_ * groupBytes(); }
  /// Elements that the loop over a row goes on by.
  int64_t blockElements() const { return blockElements_; }

  /// Called for element `first + k` of a row: `first` is a generated index, weights[g] has the values of the decoded
  /// rows in group g.
  using Consumer = llvm::function_ref<void(Value first, int64_t k, ValueRange weights, Values &state)>;

  /// Decodes the blocks [beginBlock, endBlock) of the groups that begin at `groups`.
  /// Fetches ahead for consumers that are slower than memory.
  Values decode(ValueRange groups, Value beginBlock, Value endBlock, bool fetchAhead, ValueRange state,
                Consumer consume);

  /// Elements of a step, the least that is decoded at once, and steps of a row.
  int64_t stepElements() const { return layout_.plain ? blockElements_ : kPackedStep; }
  int64_t steps() const { return rowLength_ / stepElements(); }
  /// Decodes one step of a group's rows: those who share a row take every so many steps each.
  void decodeStep(Value group, Value step, Values &state, Consumer consume);

  struct Scale {
    Value factor, min; ///< f32 vectors; min is what is added and may be null
  };
  /// An element is factor·(code - codeOffset()) + min of an unsigned code, factor·code + min of a signed one.
  enum class CodeForm { Unsigned, Signed };
  /// The elements [k, k + elements) of a step under one scale.
  struct Codes {
    Value first; ///< element at which the step begins
    int64_t k, elements;
    Value stored; ///< where the weight has all of them as quad() gives them, one after another; or null
    llvm::function_ref<Value(int64_t quad)>
        quad; ///< codes of elements k + 4·quad and up, of the quarter's if there is one, as the bytes of i32 lanes
    llvm::function_ref<Scale()> scale;
  };
  using CodeConsumer = llvm::function_ref<void(const Codes &codes, Values &state)>;

  /// The same for one group of a format in blocks, scale after scale.
  Values decodeCodes(Value group, CodeForm form, bool fetchAhead, ValueRange state, CodeConsumer consume);
  void decodeStepCodes(Value group, Value step, CodeForm form, Values &state, CodeConsumer consume);
  /// Elements of a step under one scale.
  int64_t scaleElements() const { return std::min<int64_t>(layout_.format->subBlock, kPackedStep); }
  bool hasMins() const { return layout_.format->hasMins(); }
  /// 0 or a power of two.
  int64_t codeOffset() const;
  int64_t largestCode() const;

private:
  /// What is the same for all steps of a block.
  struct Header {
    Value superScale, superMin;
  };

  /// Calls `step` for each kPackedStep elements of the blocks.
  using Step = llvm::function_ref<void(ValueRange blocks, llvm::ArrayRef<Header> headers, Value step,
                                       Value first, Values &state)>;
  Values loopOverSteps(ValueRange groups, Value beginBlock, Value endBlock, bool fetchAhead, ValueRange state,
                       Step step);

  /// (code + offset)·scale as code·scale + offset·scale: rounded once where the addition is fused, so the
  /// same bits.
  bool foldsOffset() const;
  void plainBlock(ValueRange blocks, Value first, Values &state, Consumer consume);
  Header loadHeader(Value block);
  /// The scale as the format defines it.
  Scale loadScale(Value block, const Header &header, Value step, int64_t part);
  /// The min as weightOf() takes it.
  Scale foldOffset(Scale scale);
  void step(ValueRange blocks, llvm::ArrayRef<Header> headers, Value step, Value first, Values &state,
            Consumer consume);
  void stepCodes(Value block, const Header &header, Value step, Value first, CodeForm form, Values &state,
                 CodeConsumer consume);
  /// The block of a row's step, and which one it is in that block.
  std::pair<Value, Value> blockOf(Value group, Value step);
  /// Where the decoded rows' numbers lie in a field of the group's 16.
  Value place(Value field, int64_t bytesEach);
  Value loadRows(PackedNumber number, Value field);
  /// What depends on the quarter: a number for each.
  using OfQuarters = std::array<int64_t, 4>;
  Value choose(const OfQuarters &numbers);
  /// The word of each plane that was loaded last.
  struct LoadedWord {
    OfQuarters offsets;
    Value word;
  };
  Value fourCodes(Value block, Value step, const OfQuarters &quads, llvm::SmallVectorImpl<LoadedWord> &words);
  static OfQuarters wordsOf(const PackedPlane &plane, const OfQuarters &quads);
  Value shiftToQuads(Value word, const PackedPlane &plane, const OfQuarters &quads);
  OfQuarters quadsOf(int64_t k, int64_t elements, int64_t quad) const;
  Value formOf(Value codes, CodeForm form);
  Value unsignedCodes(Value codes);
  Value signedCodes(Value codes);
  bool storesSignedBytes() const;
  Value wordAddress(Value block, Value step, const OfQuarters &offsets);
  void fetch(Value address, int64_t bytes);
  Value weightOf(Value codes, int64_t byte, const Scale &scale);
  Value loadEntry(const PackedField &field, Value block, Value step, int64_t part);

  KernelBuilder &b_;
  PackedLayout layout_;
  DecodedPart part_;
  int64_t groups_, rowLength_, blockElements_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_WEIGHTDECODER_H
