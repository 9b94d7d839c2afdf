//===- AttentionTest.cpp - the paged cache and attention over it --------------------------------------===//

#include "test/Target/CPU/KernelHarness.h"

#include "runtime/base/Float16.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace lamina;
using namespace lamina::test;

namespace {

struct Shape {
  int64_t queryHeads, heads, key, value;
  std::string element;
  int64_t window = 0; ///< 0: none
  double softCap = 0; ///< 0: none
  double scale = 0.3;

  int64_t paddedValue() const { return (value + 15) / 16 * 16; }
  int64_t elementBytes() const { return element == "f16" ? 2 : 4; }
  int64_t pageBytes() const { return (heads * 16 * (key + paddedValue()) * elementBytes() + 63) / 64 * 64; }

  std::string text() const {
    auto rows = [](int64_t width) { return "tensor<?x" + std::to_string(width) + "xf32>"; };
    std::string cache = "!lm.kv_cache<" + std::to_string(heads) + " x " + std::to_string(key) + " x " +
                        std::to_string(value) + ", " + element + ">";
    std::string places = "tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>", k = rows(heads * key),
                v = rows(heads * value);
    std::string q = rows(queryHeads * key), o = rows(queryHeads * value);
    std::string arguments = "%p: tensor<?xi32>, %s: tensor<?xi32>, %b: tensor<?x?xi32>):\n";
    return "plan.kernel @append {\n^bb0(%c: " + cache + ", %k: " + k + ", %v: " + v + ", " + arguments +
           "  %0 = lm.cache_append %c, %k, %v at %p, %s, %b : " + cache + ", " + k + ", " + v + ", " +
           places + "\n  plan.yield %0 : " + cache + "\n}\nplan.kernel @attention {\n^bb0(%q: " + q +
           ", %c: " + cache + ", " + arguments +
           "  %0 = lm.attention %q, %c at %p, %s, %b {scale = " + std::to_string(scale) + " : f32" +
           (window ? ", window = " + std::to_string(window) + " : i64" : "") +
           (softCap ? ", soft_cap = " + std::to_string(softCap) + " : f32" : "") + "} : " + q + ", " + cache +
           ", " + places + " -> " + o + "\n  plan.yield %0 : " + o + "\n}\n";
  }
};

/// Some sequences, the pages of each scattered over a cache that is full of NaN to begin with.
class Conversation {
public:
  static constexpr int64_t kStride = 8, kSequences = 4;

  Conversation(const Shape &shape, const KernelLibrary &library)
      : shape_(shape), library_(library), cache_(shape.pageBytes() * kStride * kSequences + 64, 0xFF),
        table_(kStride * kSequences) {
    for (size_t i = 0; i < table_.size(); ++i)
      table_[i] = int32_t(i * 13 % table_.size());
  }

  /// Appends and attends in one step, as a memory worker does.
  Rows step(Rows &q, Rows &k, Rows &v, std::vector<int32_t> positions, std::vector<int32_t> sequences) {
    Rows out(q.rows, shape_.queryHeads * shape_.value);
    LaminaStep step{q.rows, 0, kSequences, kStride};
    library_.run("append", 0,
                 {cache(), k.pointer(), v.pointer(), positions.data(), sequences.data(), table_.data()}, step,
                 2);
    library_.run("attention", 0,
                 {q.pointer(), cache(), positions.data(), sequences.data(), table_.data(), out.pointer()},
                 step, 3);
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

double stored(const Shape &shape, float value) {
  return shape.element == "f16" ? halfToFloat(floatToHalf(value)) : value;
}

/// Attention of row `t` over rows `first`.. of the same sequence, in f64.
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
        dot += double(q.row(t)[h * shape.key + e]) * stored(shape, k.row(i)[shared * shape.key + e]);
      dot *= shape.scale;
      if (shape.softCap)
        dot = shape.softCap * std::tanh(dot / shape.softCap);
      weights.push_back(std::exp(dot));
      total += weights.back();
    }
    for (int64_t e = 0; e < shape.value; ++e) {
      double sum = 0;
      for (int64_t i = first; i <= t; ++i)
        sum += weights[i - first] / total * stored(shape, v.row(i)[shared * shape.value + e]);
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

const Shape kShapes[] = {
    {8, 4, 8, 8, "f16"},           {4, 4, 64, 64, "f32"},         {6, 2, 80, 80, "f16", 20},
    {8, 1, 96, 96, "f16", 0, 5.0}, {12, 2, 128, 128, "f16"},      {4, 2, 256, 256, "f32", 7, 3.0},
    {3, 3, 6, 10, "f16"},          {32, 8, 64, 32, "f16", 16, 0}, {5, 1, 48, 48, "f16", 1}};

TEST(AttentionTest, AgreesWithTheReferenceHoweverThePromptIsCut) {
  Random random(1);
  constexpr int64_t tokens = 75;
  for (const Shape &shape : kShapes)
    for (const std::string &target : runnableTargets()) {
      auto library = KernelLibrary::compile(shape.text(), target);
      ASSERT_TRUE(library);
      Rows q = randomRows(random, tokens, shape.queryHeads * shape.key),
           k = randomRows(random, tokens, shape.heads * shape.key),
           v = randomRows(random, tokens, shape.heads * shape.value);
      Rows whole =
          Conversation(shape, *library).step(q, k, v, range(0, tokens), std::vector<int32_t>(tokens, 2));
      for (int64_t t : {0, 1, 15, 16, 40, 74}) {
        std::vector<float> actual(whole.row(t), whole.row(t) + whole.width);
        EXPECT_LT(relativeError(reference(shape, q, k, v, t), actual), 2e-6)
            << target << " token " << t << "\n"
            << shape.text();
      }
      for (int64_t chunk : {1, 7}) {
        Conversation conversation(shape, *library);
        for (int64_t begin = 0; begin < tokens; begin += chunk) {
          int64_t count = std::min(chunk, tokens - begin);
          Rows qs = slice(q, begin, count), ks = slice(k, begin, count), vs = slice(v, begin, count);
          Rows part = conversation.step(qs, ks, vs, range(begin, count), std::vector<int32_t>(count, 2));
          EXPECT_TRUE(part.sameBits(slice(whole, begin, count)))
              << target << " chunk " << chunk << " at " << begin;
        }
      }
    }
}

/// Other sequences in the batch, whatever their length, change nothing.
TEST(AttentionTest, RaggedBatchesGiveEachSequenceItsOwnResult) {
  Random random(2);
  const Shape shape{4, 2, 16, 16, "f16"};
  const int64_t lengths[] = {33, 1, 17};
  auto library = KernelLibrary::compile(shape.text(), runnableTargets().back());
  ASSERT_TRUE(library);
  Rows q = randomRows(random, 51, 64), k = randomRows(random, 51, 32), v = randomRows(random, 51, 32);
  std::vector<int32_t> positions, sequences;
  for (int32_t s = 0; s < 3; ++s)
    for (int32_t p = 0; p < lengths[s]; ++p) {
      positions.push_back(p);
      sequences.push_back(3 - s);
    }
  Rows together = Conversation(shape, *library).step(q, k, v, positions, sequences);
  int64_t begin = 0;
  for (int64_t length : lengths) {
    Rows qs = slice(q, begin, length), ks = slice(k, begin, length), vs = slice(v, begin, length);
    Rows alone =
        Conversation(shape, *library).step(qs, ks, vs, range(0, length), std::vector<int32_t>(length, 0));
    EXPECT_TRUE(alone.sameBits(slice(together, begin, length)));
    begin += length;
  }
}

TEST(AttentionTest, WideTargetsAgreeBitForBit) {
  Random random(3);
  for (const Shape &shape : kShapes) {
    Rows q = randomRows(random, 40, shape.queryHeads * shape.key),
         k = randomRows(random, 40, shape.heads * shape.key),
         v = randomRows(random, 40, shape.heads * shape.value);
    std::unique_ptr<Rows> first;
    for (const std::string &target : runnableTargets()) {
      if (target == "x86-64-v2")
        continue; // no fused multiply-add
      auto library = KernelLibrary::compile(shape.text(), target);
      ASSERT_TRUE(library);
      Rows out = Conversation(shape, *library).step(q, k, v, range(0, 40), std::vector<int32_t>(40, 1));
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
  for (const std::string &target : runnableTargets()) {
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
