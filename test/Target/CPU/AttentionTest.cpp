//===- AttentionTest.cpp - the paged cache and attention over it --------------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include "runtime/base/Float16.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace lamina;
using namespace lamina::test;

namespace {

constexpr int64_t kRanges = 3; // of 512 positions

struct Shape {
  int64_t queryHeads, heads, key, value;
  std::string element;
  int64_t window = 0; ///< 0: none
  double softCap = 0; ///< 0: none
  double scale = 0.3;

  int64_t paddedValue() const { return (value + 15) / 16 * 16; }
  int64_t pageBytes() const {
    int64_t elements = heads * 16 * (key + paddedValue());
    int64_t bytes = element == "q8_0" ? elements / 32 * 34 : elements * (element == "f32" ? 4 : 2);
    return (bytes + 63) / 64 * 64;
  }
  /// Floats in a row of partial results: two slots, which is enough for kRanges ranges of 8 tokens in 12 rows.
  int64_t slotWidth() const { return (queryHeads * (paddedValue() + 2) + 15) / 16 * 16; }

  std::string text() const {
    auto rows = [](int64_t width) { return "tensor<?x" + std::to_string(width) + "xf32>"; };
    std::string cache = "!lm.kv_cache<" + std::to_string(heads) + " x " + std::to_string(key) + " x " +
                        std::to_string(value) + ", " + (element == "q8_0" ? "!lm.block<q8_0>" : element) + ">";
    std::string places = "tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>", k = rows(heads * key),
                v = rows(heads * value);
    std::string q = rows(queryHeads * key), o = rows(queryHeads * value), slots = rows(slotWidth());
    std::string arguments = "%p: tensor<?xi32>, %s: tensor<?xi32>, %b: tensor<?x?xi32>):\n";
    std::string split = (window ? ", window = " + std::to_string(window) + " : i64" : "") +
                        ", range = 512, ranges = " + std::to_string(kRanges) + ", split_tokens = 8";
    return "plan.kernel @append {\n^bb0(%c: " + cache + ", %k: " + k + ", %v: " + v + ", " + arguments +
           "  %0 = lm.cache_append %c, %k, %v at %p, %s, %b : " + cache + ", " + k + ", " + v + ", " +
           places + "\n  plan.yield %0 : " + cache + "\n}\nplan.kernel @attention {\n^bb0(%q: " + q +
           ", %c: " + cache + ", " + arguments +
           "  %0 = lm.online_attention %q, %c at %p, %s, %b {scale = " + std::to_string(scale) + " : f32" +
           (softCap ? ", soft_cap = " + std::to_string(softCap) + " : f32" : "") + split + "} : " + q + ", " +
           cache + ", " + places + " -> " + slots + "\n  plan.yield %0 : " + slots +
           "\n}\nplan.kernel @combine {\n^bb0(%x: " + slots + ", %p: tensor<?xi32>):\n" +
           "  %0 = lm.attention_combine %x at %p {heads = " + std::to_string(queryHeads) + split + "} : (" +
           slots + ", tensor<?xi32>) -> " + o + "\n  plan.yield %0 : " + o + "\n}\n";
  }
};

/// Some sequences, the pages of each scattered over a cache that is full of NaN to begin with.
class Conversation {
public:
  static constexpr int64_t kStride = 32 * kRanges, kSequences = 4;

  Conversation(const Shape &shape, const KernelLibrary &library)
      : shape_(shape), library_(library), cache_(shape.pageBytes() * kStride * kSequences + 64, 0xFF),
        table_(kStride * kSequences) {
    for (size_t i = 0; i < table_.size(); ++i)
      table_[i] = int32_t(i * 13 % table_.size());
  }

  /// Appends and attends in one step, as a memory worker does.
  Rows step(Rows &q, Rows &k, Rows &v, std::vector<int32_t> positions, std::vector<int32_t> sequences,
            int64_t parts = 3) {
    Rows out(q.rows, shape_.queryHeads * shape_.value);
    LaminaStep step{q.rows, 0, kSequences, kStride};
    library_.run("append", 0,
                 {cache(), k.pointer(), v.pointer(), positions.data(), sequences.data(), table_.data()}, step,
                 2);
    size_t form = q.rows <= 8 ? 0 : 1; // as the plan chooses
    Rows partials(std::max<int64_t>(q.rows, 8 * kRanges), shape_.slotWidth());
    library_.run("attention", form,
                 {q.pointer(), cache(), positions.data(), sequences.data(), table_.data(), partials.pointer()},
                 step, parts);
    library_.run("combine", form, {partials.pointer(), positions.data(), out.pointer()}, step, parts);
    EXPECT_TRUE(out.paddingIsZero());
    return out;
  }

private:
  void *cache() { return cache_.data() + (64 - reinterpret_cast<uintptr_t>(cache_.data()) % 64) % 64; }

  const Shape &shape_;
  const KernelLibrary &library_;
  std::vector<uint8_t> cache_;
  std::vector<int32_t> table_;
};

/// What the cache makes of `rows`, whose heads have `length` elements.
Rows stored(const Shape &shape, Rows rows, int64_t length) {
  for (int64_t r = 0; r < rows.rows; ++r)
    for (int64_t i = 0; i < rows.width; ++i) {
      float &value = rows.row(r)[i];
      if (shape.element == "f16")
        value = halfToFloat(floatToHalf(value));
      if (shape.element == "bf16")
        value = bfloat16ToFloat(floatToBfloat16(value));
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

std::vector<int32_t> range(int64_t begin, int64_t count) {
  std::vector<int32_t> result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(int32_t(begin + i));
  return result;
}

Rows slice(const Rows &rows, int64_t begin, int64_t count) {
  Rows result(count, rows.width);
  std::copy_n(rows.row(begin), count * rows.stride, result.data.begin());
  return result;
}

const Shape kShapes[] = {{8, 4, 8, 8, "f16"},
                         {4, 4, 64, 64, "f32"},
                         {6, 2, 80, 80, "f16", 20},
                         {8, 1, 96, 96, "q8_0", 0, 5.0},
                         {12, 2, 128, 128, "f16"},
                         {4, 2, 256, 256, "f32", 7, 3.0},
                         {3, 3, 6, 10, "bf16"},
                         {32, 8, 64, 32, "q8_0", 16, 0},
                         {5, 1, 48, 48, "f16", 1},
                         {2, 2, 32, 64, "q8_0", 3},
                         {14, 2, 64, 64, "bf16"}};

struct Tokens {
  Rows q, k, v;
  Tokens(Random &random, const Shape &shape, int64_t count)
      : q(randomRows(random, count, shape.queryHeads * shape.key)),
        k(randomRows(random, count, shape.heads * shape.key)),
        v(randomRows(random, count, shape.heads * shape.value)) {}
};

/// One sequence in steps of `chunk` tokens; every result.
Rows converse(const Shape &shape, const KernelLibrary &library, const Tokens &tokens, int64_t chunk,
              int64_t parts = 3) {
  Conversation conversation(shape, library);
  Rows all(tokens.q.rows, shape.queryHeads * shape.value);
  for (int64_t begin = 0; begin < tokens.q.rows; begin += chunk) {
    int64_t count = std::min(chunk, tokens.q.rows - begin);
    Rows q = slice(tokens.q, begin, count), k = slice(tokens.k, begin, count), v = slice(tokens.v, begin, count);
    Rows part = conversation.step(q, k, v, range(begin, count), std::vector<int32_t>(count, 2), parts);
    std::copy(part.data.begin(), part.data.end(), all.row(begin));
  }
  return all;
}

void expectReference(const Shape &shape, const Tokens &tokens, const Rows &actual, int64_t t) {
  std::vector<double> expected = reference(shape, tokens.q, stored(shape, tokens.k, shape.key),
                                           stored(shape, tokens.v, shape.value), t);
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
      Rows whole = converse(shape, *library, tokens, count);
      for (int64_t t : {0, 1, 15, 16, 40, 63, 64, 74})
        expectReference(shape, tokens, whole, t);
      for (int64_t chunk : {1, 7, 11})
        EXPECT_TRUE(converse(shape, *library, tokens, chunk).sameBits(whole)) << "chunk " << chunk;
    }
}

/// Several ranges: split over workgroups or not, in one step or token by token.
TEST(AttentionTest, RangesMergeToTheSameBits) {
  Random random(4);
  const Shape shapes[] = {{8, 1, 32, 32, "f16"}, {2, 2, 32, 32, "q8_0"}, {4, 1, 32, 32, "f32", 600},
                          {4, 4, 16, 16, "bf16", 0, 4.0}};
  for (const Shape &shape : shapes) {
    auto library = KernelLibrary::compile(shape.text(), runnableTargets().back());
    ASSERT_TRUE(library);
    Tokens tokens(random, shape, 1030);
    Rows whole = converse(shape, *library, tokens, 1030);
    for (int64_t t : {510, 511, 512, 513, 1023, 1024, 1025})
      expectReference(shape, tokens, whole, t);
    EXPECT_TRUE(converse(shape, *library, tokens, 1).sameBits(whole));
    EXPECT_TRUE(converse(shape, *library, tokens, 8, 1).sameBits(whole));
    EXPECT_TRUE(converse(shape, *library, tokens, 5, 64).sameBits(whole));
    EXPECT_TRUE(converse(shape, *library, tokens, 509, 1).sameBits(whole));
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
    const Rows alone[] = {converse(shape, *library, tokens[0], 39), converse(shape, *library, tokens[1], 3),
                          converse(shape, *library, tokens[2], 24)};
    Conversation conversation(shape, *library);
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
  for (const Shape &shape : {kShapes[2], kShapes[5], kShapes[7], kShapes[10]}) {
    Tokens tokens(random, shape, 70);
    std::unique_ptr<Rows> first;
    for (const std::string &target : floatTargets()) {
      if (target == "x86-64-v2")
        continue; // no fused multiply-add
      auto library = KernelLibrary::compile(shape.text(), target);
      ASSERT_TRUE(library);
      Rows out = converse(shape, *library, tokens, 35);
      if (!first)
        first = std::make_unique<Rows>(out);
      EXPECT_TRUE(out.sameBits(*first)) << target;
    }
  }
}

/// Values beyond f16 become infinite, halves round to even, subnormals survive: as the hardware converts.
TEST(AttentionTest, CachesRoundAsTheHardwareDoes) {
  const Shape shape{1, 1, 16, 16, "f16"};
  const float values[16] = {0.0f,    -0.0f,       1.0f,      65504.0f, 65519.9f,       65520.0f,
                            -1e9f,   6e-8f,       2.9e-8f,   3.1e-8f,  1.00048828125f, 1.00146484375f,
                            6.1e-5f, -6.0975e-5f, 0.333333f, 1e-20f};
  for (const std::string &target : floatTargets()) {
    auto library = KernelLibrary::compile(shape.text(), target);
    ASSERT_TRUE(library);
    std::vector<uint8_t> page(shape.pageBytes());
    Rows k(1, 16), v(1, 16);
    std::copy_n(values, 16, k.row(0));
    std::copy_n(values, 16, v.row(0));
    std::vector<int32_t> position = {3}, sequence = {0}, table = {0};
    library->run("append",
                 {page.data(), k.pointer(), v.pointer(), position.data(), sequence.data(), table.data()},
                 LaminaStep{1, 0, 1, 1});
    for (int64_t i = 0; i < 16; ++i) {
      uint16_t key, value;
      std::memcpy(&key, &page[2 * (i * 16 + 3)], 2);
      std::memcpy(&value, &page[2 * (16 * 16 + 3 * 16 + i)], 2);
      EXPECT_EQ(key, floatToHalf(values[i])) << target << " " << values[i];
      EXPECT_EQ(value, key);
    }
  }
}

} // namespace
