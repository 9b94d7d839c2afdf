//===- AttentionHarness.h - conversations over a paged cache --------------------------------*- C++ -*-===//

#ifndef LAMINA_TEST_TARGET_CPU_ATTENTIONHARNESS_H
#define LAMINA_TEST_TARGET_CPU_ATTENTIONHARNESS_H

#include "test/Target/CPU/KernelHarness.h"

#include <functional>

namespace lamina::test {

inline constexpr int64_t kRanges = 3; // of 512 positions

struct AttentionShape {
  int64_t queryHeads, heads, key, value;
  std::string element;
  int64_t window = 0; ///< 0: none
  double softCap = 0; ///< 0: none
  double scale = 0.3;

  int64_t paddedValue() const { return (value + 15) / 16 * 16; }
  int64_t pageBytes() const {
    int64_t elements = heads * 16 * (key + paddedValue());
    int64_t bytes = element == "q8_0" ? elements / 32 * 34
                                      : elements * (element == "f32"        ? 4
                                                    : element == "fp8_e4m3" ? 1
                                                                            : 2);
    return (bytes + 63) / 64 * 64;
  }
  /// Floats in a row of partial results: two slots, which is enough for kRanges ranges of 8 tokens in 12 rows.
  int64_t slotWidth() const { return (queryHeads * (paddedValue() + 2) + 15) / 16 * 16; }

  /// The kernels append, attention and combine; or with the attention in two: cached, append, attention and combine.
  std::string text(bool overlapped = false) const;
};

/// Runs a form of a kernel over all its workgroups, in `parts` ranges where it can.
using AttentionRunner =
    std::function<void(const std::string &kernel, size_t form, const std::vector<BoundBuffer> &buffers,
                       LaminaStep step, int64_t parts)>;
AttentionRunner runnerOf(const KernelLibrary &library);

/// Some sequences, the pages of each scattered over a cache that is full of NaN to begin with.
class Conversation {
public:
  Conversation(const AttentionShape &shape, AttentionRunner run, bool overlapped = false);

  /// Appends and attends in one step, as a memory worker does.
  Rows step(Rows &q, Rows &k, Rows &v, std::vector<int32_t> positions, std::vector<int32_t> sequences,
            int64_t parts = 3);

private:
  static constexpr int64_t kStride = 32 * kRanges, kSequences = 4;

  BoundBuffer cache();

  const AttentionShape &shape_;
  AttentionRunner run_;
  bool overlapped_;
  std::vector<uint8_t> cache_;
  std::vector<int32_t> table_;
};

struct Tokens {
  Rows q, k, v;
  Tokens(Random &random, const AttentionShape &shape, int64_t count)
      : q(randomRows(random, count, shape.queryHeads * shape.key)),
        k(randomRows(random, count, shape.heads * shape.key)),
        v(randomRows(random, count, shape.heads * shape.value)) {}
};

Rows slice(const Rows &rows, int64_t begin, int64_t count);

/// One sequence in steps of `chunk` tokens; every result.
Rows converse(const AttentionShape &shape, const AttentionRunner &run, const Tokens &tokens, int64_t chunk,
              int64_t parts = 3, bool overlapped = false);

} // namespace lamina::test

#endif // LAMINA_TEST_TARGET_CPU_ATTENTIONHARNESS_H
