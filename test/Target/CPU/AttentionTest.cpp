//===- AttentionTest.cpp - the paged cache and attention over it --------------------------------------===//

#include "test/Target/CPU/AttentionHarness.h"

#include "runtime/base/Float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <span>

using namespace lamina;
using namespace lamina::test;
using Shape = AttentionShape;

namespace {

/// What the cache makes of `rows`, whose heads have `length` elements.
Rows stored(const Shape &shape, Rows rows, int64_t length) {
  for (int64_t r = 0; r < rows.rows; ++r)
    for (int64_t i = 0; i < rows.width; ++i) {
      float &value = rows.row(r)[i];
      if (shape.element == "f16")
        value = halfToFloat(floatToHalf(value));
      if (shape.element == "bf16")
        value = bfloat16ToFloat(floatToBfloat16(value));
      if (shape.element == "fp8_e4m3")
        value = e4m3ToFloat(floatToE4M3(value));
      if (shape.element != "q8_0" || i % 32 != 0)
        continue;
      float *block = &value, greatest = 0;
      for (int64_t e = 0; e < 32; ++e)
        greatest = std::max(greatest, std::abs(block[e]));
      float scale = halfToFloat(floatToHalf(greatest / 127)), factor = 127 / greatest;
      for (int64_t e = 0; e < 32; ++e)
        block[e] = std::nearbyint(block[e] * factor) * scale;
    }
  EXPECT_TRUE(shape.element != "q8_0" || length % 32 == 0);
  return rows;
}

/// Attention of row `t` over the rows before it, in f64; `k` and `v` as stored.
std::vector<double> reference(const Shape &shape, const Rows &q, const Rows &k, const Rows &v, int64_t t) {
  std::vector<double> out;
  for (int64_t h = 0; h < shape.queryHeads; ++h) {
    int64_t shared = h / (shape.queryHeads / shape.heads);
    int64_t first = shape.window ? std::max<int64_t>(0, t - shape.window + 1) : 0;
    std::vector<double> weights;
    double total = 0;
    for (int64_t i = first; i <= t; ++i) {
      double dot = 0;
      for (int64_t e = 0; e < shape.key; ++e)
        dot += double(q.row(t)[h * shape.key + e]) * k.row(i)[shared * shape.key + e];
      dot *= shape.scale;
      if (shape.softCap)
        dot = shape.softCap * std::tanh(dot / shape.softCap);
      weights.push_back(std::exp(dot));
      total += weights.back();
    }
    for (int64_t e = 0; e < shape.value; ++e) {
      double sum = 0;
      for (int64_t i = first; i <= t; ++i)
        sum += weights[i - first] / total * v.row(i)[shared * shape.value + e];
      out.push_back(sum);
    }
  }
  return out;
}

const Shape kShapes[] = {{8, 4, 8, 8, "f16"},          {4, 4, 64, 64, "f32"},
                         {6, 2, 80, 80, "f16", 20},    {8, 1, 96, 96, "q8_0", 0, 5.0},
                         {12, 2, 128, 128, "f16"},     {4, 2, 256, 256, "f32", 7, 3.0},
                         {3, 3, 6, 10, "bf16"},        {32, 8, 64, 32, "q8_0", 16, 0},
                         {5, 1, 48, 48, "f16", 1},     {2, 2, 32, 64, "q8_0", 3},
                         {14, 2, 64, 64, "bf16"},      {4, 2, 256, 160, "bf16", 7, 3.0},
                         {16, 1, 16, 32, "f16"},       {8, 2, 64, 64, "fp8_e4m3"},
                         {2, 1, 20, 24, "fp8_e4m3", 9}};

void expectReference(const Shape &shape, const Tokens &tokens, const Rows &actual, int64_t t) {
  std::vector<double> expected =
      reference(shape, tokens.q, stored(shape, tokens.k, shape.key), stored(shape, tokens.v, shape.value), t);
  EXPECT_LT(relativeError(expected, {actual.row(t), actual.row(t) + actual.width}), 2e-6)
      << "token " << t << "\n"
      << shape.text();
}

TEST(AttentionTest, AgreesWithTheReferenceHoweverThePromptIsCut) {
  Random random(1);
  constexpr int64_t count = 75;
  for (const Shape &shape : kShapes)
    for (const std::string &target : floatTargets()) {
      SCOPED_TRACE(target);
      auto library = KernelLibrary::compile(shape.text(), target);
      ASSERT_TRUE(library);
      Tokens tokens(random, shape, count);
      Rows whole = converse(shape, runnerOf(*library), tokens, count);
      for (int64_t t : {0, 1, 15, 16, 40, 63, 64, 74})
        expectReference(shape, tokens, whole, t);
      for (int64_t chunk : slowDevice() ? std::vector<int64_t>{7} : std::vector<int64_t>{1, 7, 11})
        EXPECT_TRUE(converse(shape, runnerOf(*library), tokens, chunk).sameBits(whole)) << "chunk " << chunk;
    }
}

/// Positions before a window are masked, not multiplied by 0; a tile of some rows may see those of its first row.
TEST(AttentionTest, WhatLiesBeforeAWindowDoesNotCount) {
  Random random(9);
  constexpr int64_t count = 75, window = 20, rowsOfTile = 16;
  const Shape shapes[] = {
      {8, 1, 32, 32, "f16", window}, {4, 2, 16, 32, "bf16", window}, {2, 2, 32, 32, "f32", window}};
  for (const Shape &shape : shapes) {
    auto library = KernelLibrary::compile(shape.text(), runnableTargets().back());
    ASSERT_TRUE(library);
    Tokens tokens(random, shape, count);
    Rows expected = converse(shape, runnerOf(*library), tokens, count);
    for (Rows *rows : {&tokens.k, &tokens.v})
      std::fill_n(rows->row(0), rows->width, std::numeric_limits<float>::infinity());
    for (int64_t chunk : {int64_t(1), count}) {
      Rows actual = converse(shape, runnerOf(*library), tokens, chunk);
      int64_t first = window + rowsOfTile;
      EXPECT_TRUE(slice(actual, first, count - first).sameBits(slice(expected, first, count - first)))
          << shape.text();
      EXPECT_FALSE(std::isfinite(actual.row(window - 1)[0])) << "position 0 does count here";
    }
  }
}

/// Several ranges: split over workgroups or not, in one step or token by token.
TEST(AttentionTest, RangesMergeToTheSameBits) {
  Random random(4);
  const Shape shapes[] = {{8, 1, 32, 32, "f16"},
                          {2, 2, 32, 32, "q8_0"},
                          {4, 1, 32, 32, "f32", 600},
                          {4, 4, 16, 16, "bf16", 0, 4.0}};
  for (const Shape &shape : shapes) {
    auto library = KernelLibrary::compile(shape.text(), runnableTargets().back());
    ASSERT_TRUE(library);
    Tokens tokens(random, shape, 1030);
    Rows whole = converse(shape, runnerOf(*library), tokens, 1030);
    for (int64_t t : {510, 511, 512, 513, 1023, 1024, 1025})
      expectReference(shape, tokens, whole, t);
    EXPECT_TRUE(converse(shape, runnerOf(*library), tokens, 8, 1).sameBits(whole));
    EXPECT_TRUE(converse(shape, runnerOf(*library), tokens, 509, 1).sameBits(whole));
    if (slowDevice())
      continue;
    EXPECT_TRUE(converse(shape, runnerOf(*library), tokens, 1).sameBits(whole));
    EXPECT_TRUE(converse(shape, runnerOf(*library), tokens, 5, 64).sameBits(whole));
  }
}

/// Attention in two operations, the first of which sees a cache without the step's keys and values.
TEST(AttentionTest, CachedRangesFirstGiveTheSameBits) {
  Random random(6);
  const Shape shapes[] = {{8, 1, 32, 32, "f16"}, {2, 2, 32, 32, "q8_0", 300}, {4, 4, 16, 24, "bf16", 0, 4.0}};
  for (const Shape &shape : shapes) {
    auto whole = KernelLibrary::compile(shape.text(), runnableTargets().back());
    auto parts = KernelLibrary::compile(shape.text(/*overlapped=*/true), runnableTargets().back());
    ASSERT_TRUE(whole && parts);
    Tokens tokens(random, shape, 1030);
    Rows expected = converse(shape, runnerOf(*whole), tokens, 1030);
    auto overlapped = [&](int64_t chunk) {
      return converse(shape, runnerOf(*parts), tokens, chunk, 3, true);
    };
    for (int64_t chunk : slowDevice() ? std::vector<int64_t>{509} : std::vector<int64_t>{1, 5, 8, 9, 509})
      EXPECT_TRUE(overlapped(chunk).sameBits(expected)) << "chunk " << chunk << "\n" << shape.text();
  }
}

/// Steps of more tokens than are split, each of a sequence of its own, and steps that mix prompts with single tokens; also
/// with a window that reaches back to cached ranges for some of the tokens only.
TEST(AttentionTest, CachedRangesOfManySequencesGiveTheSameBits) {
  Random random(7);
  for (const Shape &shape :
       {Shape{4, 2, 16, 16, "f16"}, Shape{2, 2, 16, 16, "bf16", 8}, Shape{2, 2, 16, 16, "f32", 8}}) {
    auto whole = KernelLibrary::compile(shape.text(), runnableTargets().back());
    auto parts = KernelLibrary::compile(shape.text(/*overlapped=*/true), runnableTargets().back());
    ASSERT_TRUE(whole && parts);
    Conversation one(shape, runnerOf(*whole)), two(shape, runnerOf(*parts), /*overlapped=*/true);
    int32_t done[4] = {};
    for (const std::vector<int32_t> &lengths :
         {std::vector<int32_t>{515, 511, 520, 3}, {1, 1, 1, 1}, {1, 12, 1, 1}, {1, 1, 1, 9}}) {
      std::vector<int32_t> positions, sequences;
      for (int32_t s = 0; s < 4; ++s)
        for (int32_t i = 0; i < lengths[s]; ++i, ++done[s]) {
          positions.push_back(done[s]);
          sequences.push_back(s);
        }
      Tokens tokens(random, shape, int64_t(positions.size()));
      EXPECT_TRUE(one.step(tokens.q, tokens.k, tokens.v, positions, sequences)
                      .sameBits(two.step(tokens.q, tokens.k, tokens.v, positions, sequences)))
          << shape.text();
    }
  }
}

/// Other sequences in the batch, whatever their length, change nothing: prompts first, then some go on.
TEST(AttentionTest, RaggedBatchesGiveEachSequenceItsOwnResult) {
  Random random(2);
  for (const Shape &shape : {Shape{4, 2, 16, 16, "f16"}, Shape{2, 2, 16, 16, "f32", 9}}) {
    const int64_t steps[][3] = {{33, 1, 17}, {5, 1, 7}, {1, 1, 0}};
    auto library = KernelLibrary::compile(shape.text(), runnableTargets().back());
    ASSERT_TRUE(library);
    const Tokens tokens[] = {{random, shape, 39}, {random, shape, 3}, {random, shape, 24}};
    const Rows alone[] = {converse(shape, runnerOf(*library), tokens[0], 39),
                          converse(shape, runnerOf(*library), tokens[1], 3),
                          converse(shape, runnerOf(*library), tokens[2], 24)};
    Conversation conversation(shape, runnerOf(*library));
    int64_t done[3] = {};
    for (const auto &lengths : steps) {
      int64_t count = lengths[0] + lengths[1] + lengths[2], at = 0;
      Rows q(count, shape.queryHeads * 16), k(count, shape.heads * 16), v(count, shape.heads * 16);
      std::vector<int32_t> positions, sequences;
      for (int32_t s = 0; s < 3; ++s)
        for (int64_t i = 0; i < lengths[s]; ++i, ++at) {
          int64_t p = done[s] + i;
          std::copy_n(tokens[s].q.row(p), q.stride, q.row(at));
          std::copy_n(tokens[s].k.row(p), k.stride, k.row(at));
          std::copy_n(tokens[s].v.row(p), v.stride, v.row(at));
          positions.push_back(int32_t(p));
          sequences.push_back(3 - s);
        }
      Rows together = conversation.step(q, k, v, positions, sequences);
      at = 0;
      for (int64_t s = 0; s < 3; at += lengths[s], done[s] += lengths[s], ++s)
        EXPECT_TRUE(slice(together, at, lengths[s]).sameBits(slice(alone[s], done[s], lengths[s]))) << s;
    }
  }
}

TEST(AttentionTest, WideTargetsAgreeBitForBit) {
  Random random(3);
  for (const Shape &shape : {kShapes[2], kShapes[5], kShapes[7], kShapes[10], kShapes[11]}) {
    Tokens tokens(random, shape, 70);
    std::unique_ptr<Rows> first;
    for (const std::string &target : floatTargets()) {
      if (target == "x86-64-v2")
        continue; // no fused multiply-add
      auto library = KernelLibrary::compile(shape.text(), target);
      ASSERT_TRUE(library);
      Rows out = converse(shape, runnerOf(*library), tokens, 35);
      if (!first)
        first = std::make_unique<Rows>(out);
      EXPECT_TRUE(out.sameBits(*first)) << target;
    }
  }
}

/// Appends a row of 16 values as key and as value to a page of `shape`, at position 3, and returns the page.
std::vector<uint8_t> pageOf(const Shape &shape, const std::string &target,
                            std::span<const float, 16> values) {
  std::vector<uint8_t> page(shape.pageBytes());
  auto library = KernelLibrary::compile(shape.text(), target);
  EXPECT_TRUE(library);
  if (!library)
    return page;
  Rows k(1, 16), v(1, 16);
  std::ranges::copy(values, k.row(0));
  std::ranges::copy(values, v.row(0));
  std::vector<int32_t> position = {3}, sequence = {0}, table = {0};
  library->run("append",
               {page.data(), k.pointer(), v.pointer(), position.data(), sequence.data(), table.data()},
               LaminaStep{1, 0, 1, 1});
  return page;
}

/// Values beyond f16 become infinite, halves round to even, subnormals survive: as the hardware converts.
TEST(AttentionTest, CachesRoundAsTheHardwareDoes) {
  const float values[16] = {0.0f,    -0.0f,       1.0f,      65504.0f, 65519.9f,       65520.0f,
                            -1e9f,   6e-8f,       2.9e-8f,   3.1e-8f,  1.00048828125f, 1.00146484375f,
                            6.1e-5f, -6.0975e-5f, 0.333333f, 1e-20f};
  for (const std::string &target : floatTargets()) {
    std::vector<uint8_t> page = pageOf({1, 1, 16, 16, "f16"}, target, values);
    for (int64_t i = 0; i < 16; ++i) {
      uint16_t key, value;
      std::memcpy(&key, &page[2 * (i * 16 + 3)], 2);
      std::memcpy(&value, &page[2 * (16 * 16 + 3 * 16 + i)], 2);
      EXPECT_EQ(key, floatToHalf(values[i])) << target << " " << values[i];
      EXPECT_EQ(value, key);
    }
  }
}

/// The same in eight bits: 448 is the greatest, 2^-9 the least, and no number is lost among NaN.
TEST(AttentionTest, CachesOfEightBitFloatsRoundToEvenAndSaturate) {
  const float values[16] = {0.0f,      -0.0f,   448.0f,   -464.0f,    1e9f,      -INFINITY,
                            NAN,       0x1p-9f, 0x1p-10f, 0x1.8p-10f, 0x1.8p-9f, 0x1p-6f,
                            0x1.fp-7f, 1.0625f, 1.1875f,  -3.14159f};
  for (const std::string &target : floatTargets()) {
    std::vector<uint8_t> page = pageOf({1, 1, 16, 16, "fp8_e4m3"}, target, values);
    for (int64_t i = 0; i < 16; ++i) {
      EXPECT_EQ(page[i * 16 + 3] & 0x7F, floatToE4M3(values[i]) & 0x7F) << target << " " << values[i];
      EXPECT_EQ(page[i * 16 + 3] >> 7, std::signbit(values[i])) << target << " " << values[i];
      EXPECT_EQ(page[16 * 16 + 3 * 16 + i], page[i * 16 + 3]);
    }
  }
}

/// A NaN in a cache stays one, so that it shows in the logits.
TEST(AttentionTest, CachesOfEightBitFloatsKeepNaN) {
  const Shape shape{1, 1, 16, 16, "fp8_e4m3"};
  Random random(5);
  auto library = KernelLibrary::compile(shape.text(), runnableTargets().back());
  ASSERT_TRUE(library);
  Tokens tokens(random, shape, 3);
  tokens.v.row(1)[5] = NAN;
  Rows out = converse(shape, runnerOf(*library), tokens, 1);
  for (int64_t t = 0; t < 3; ++t)
    EXPECT_EQ(std::isnan(out.row(t)[5]), t > 0);
}

} // namespace
