//===- AttentionHarness.cpp - conversations over a paged cache ----------------------------------------===//

#include "test/Target/CPU/AttentionHarness.h"

#include <gtest/gtest.h>

using namespace lamina;
using namespace lamina::test;

std::string AttentionShape::text(bool overlapped) const {
  auto rows = [](int64_t width) { return "tensor<?x" + std::to_string(width) + "xf32>"; };
  std::string cache = "!lm.kv_cache<" + std::to_string(heads) + " x " + std::to_string(key) + " x " +
                      std::to_string(value) + ", " +
                      (element == "q8_0"       ? "!lm.block<q8_0>"
                       : element == "fp8_e4m3" ? "f8E4M3FN"
                                               : element) +
                      ">";
  std::string places = "tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32>", k = rows(heads * key),
              v = rows(heads * value);
  std::string q = rows(queryHeads * key), o = rows(queryHeads * value), slots = rows(slotWidth());
  std::string arguments = "%p: tensor<?xi32>, %s: tensor<?xi32>, %b: tensor<?x?xi32>):\n";
  std::string split = (window ? ", window = " + std::to_string(window) + " : i64" : "") +
                      ", range = 512, ranges = " + std::to_string(kRanges) + ", split_tokens = 8";
  auto attention = [&](const std::string &name, const std::string &earlier, const std::string &attributes) {
    return "plan.kernel @" + name + " {\n^bb0(%q: " + q + ", %c: " + cache +
           (earlier.empty() ? "" : ", %e: " + slots) + ", " + arguments +
           "  %0 = lm.online_attention %q, %c at %p, %s, %b " + earlier + " {" + attributes +
           "scale = " + std::to_string(scale) + " : f32" +
           (softCap ? ", soft_cap = " + std::to_string(softCap) + " : f32" : "") + split + "} : " + q + ", " +
           cache + ", " + places + " -> " + slots + "\n  plan.yield %0 : " + slots + "\n}\n";
  };
  return "plan.kernel @append {\n^bb0(%c: " + cache + ", %k: " + k + ", %v: " + v + ", " + arguments +
         "  %0 = lm.cache_append %c, %k, %v at %p, %s, %b : " + cache + ", " + k + ", " + v + ", " + places +
         "\n  plan.yield %0 : " + cache + "\n}\n" +
         (overlapped
              ? attention("cached", "", "cached_only, ") + attention("attention", "after %e : " + slots, "")
              : attention("attention", "", "")) +
         "plan.kernel @combine {\n^bb0(%x: " + slots + ", %p: tensor<?xi32>):\n" +
         "  %0 = lm.attention_combine %x at %p {heads = " + std::to_string(queryHeads) + split + "} : (" +
         slots + ", tensor<?xi32>) -> " + o + "\n  plan.yield %0 : " + o + "\n}\n";
}

AttentionRunner test::runnerOf(const KernelLibrary &library) {
  return [&library](const std::string &kernel, size_t form, const std::vector<BoundBuffer> &buffers,
                    LaminaStep step, int64_t parts) {
    std::vector<void *> bindings;
    for (const BoundBuffer &buffer : buffers)
      bindings.push_back(buffer.data);
    library.run(kernel, form, bindings, step, parts);
  };
}

Conversation::Conversation(const AttentionShape &shape, AttentionRunner run, bool overlapped)
    : shape_(shape), run_(std::move(run)), overlapped_(overlapped),
      cache_(shape.pageBytes() * kStride * kSequences + 64, 0xFF), table_(kStride * kSequences) {
  for (size_t i = 0; i < table_.size(); ++i)
    table_[i] = int32_t(i * 13 % table_.size());
}

BoundBuffer Conversation::cache() {
  size_t skipped = (64 - reinterpret_cast<uintptr_t>(cache_.data()) % 64) % 64;
  return {cache_.data() + skipped, cache_.size() - skipped};
}

Rows Conversation::step(Rows &q, Rows &k, Rows &v, std::vector<int32_t> positions,
                        std::vector<int32_t> sequences, int64_t parts) {
  Rows out(q.rows, shape_.queryHeads * shape_.value);
  LaminaStep step{q.rows, 0, kSequences, kStride};
  BoundBuffer at{positions}, of{sequences}, table{table_};
  size_t form = q.rows <= 8 ? 0 : 1; // as the plan chooses
  Rows partials(std::max<int64_t>(q.rows, 8 * kRanges), shape_.slotWidth()), cached = partials;
  std::vector<BoundBuffer> bindings = {{q.data}, cache()};
  if (overlapped_) {
    run_("cached", form, {{q.data}, cache(), at, of, table, {cached.data}}, step, parts);
    bindings.push_back({cached.data});
  }
  run_("append", 0, {cache(), {k.data}, {v.data}, at, of, table}, step, 2);
  bindings.insert(bindings.end(), {at, of, table, {partials.data}});
  run_("attention", form, bindings, step, parts);
  run_("combine", form, {{partials.data}, at, {out.data}}, step, parts);
  EXPECT_TRUE(out.paddingIsZero());
  return out;
}

Rows test::slice(const Rows &rows, int64_t begin, int64_t count) {
  Rows result(count, rows.width);
  std::copy_n(rows.row(begin), count * rows.stride, result.data.begin());
  return result;
}

static std::vector<int32_t> range(int64_t begin, int64_t count) {
  std::vector<int32_t> result;
  for (int64_t i = 0; i < count; ++i)
    result.push_back(int32_t(begin + i));
  return result;
}

Rows test::converse(const AttentionShape &shape, const AttentionRunner &run, const Tokens &tokens,
                    int64_t chunk, int64_t parts, bool overlapped) {
  Conversation conversation(shape, run, overlapped);
  Rows all(tokens.q.rows, shape.queryHeads * shape.value);
  for (int64_t begin = 0; begin < tokens.q.rows; begin += chunk) {
    int64_t count = std::min(chunk, tokens.q.rows - begin);
    Rows q = slice(tokens.q, begin, count), k = slice(tokens.k, begin, count),
         v = slice(tokens.v, begin, count);
    Rows part = conversation.step(q, k, v, range(begin, count), std::vector<int32_t>(count, 2), parts);
    std::copy(part.data.begin(), part.data.end(), all.row(begin));
  }
  return all;
}
