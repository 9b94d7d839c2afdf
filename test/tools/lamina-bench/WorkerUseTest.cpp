//===- WorkerUseTest.cpp - what a step reads ----------------------------------------------------------===//

#include "tools/lamina-bench/WorkerUse.h"

#include <gtest/gtest.h>

namespace lamina::bench {
namespace {

/// Adds a buffer and returns its index.
uint32_t addBuffer(plan::Worker &worker, plan::Buffer::Kind kind, uint64_t offset, uint64_t bytes,
                   plan::Extent extent) {
  plan::Buffer &buffer = *worker.add_buffers();
  buffer.set_kind(kind);
  buffer.set_offset(offset);
  buffer.set_bytes(bytes);
  buffer.set_extent(extent);
  return static_cast<uint32_t>(worker.buffers_size() - 1);
}

void addDispatch(plan::Worker &worker, std::initializer_list<uint32_t> bindings) {
  plan::Dispatch &dispatch = *worker.add_program()->mutable_dispatch();
  for (uint32_t binding : bindings)
    dispatch.add_bindings(binding);
}

TEST(Traffic, CountsWeightsThatAreMultipliedAndTheCache) {
  plan::Plan plan;
  plan::Worker &compute = *plan.add_workers();
  compute.add_kernels()->set_name("linear");
  uint32_t ids = addBuffer(compute, plan::Buffer::BATCH, plan::TOKEN_IDS, 0, plan::TOKENS);
  uint32_t embedding = addBuffer(compute, plan::Buffer::WEIGHT, 0, 1000000, plan::FIXED);
  uint32_t weight = addBuffer(compute, plan::Buffer::WEIGHT, 0, 3000, plan::FIXED);
  uint32_t rows = addBuffer(compute, plan::Buffer::ARENA, 0, 64, plan::TOKENS);
  uint32_t logits = addBuffer(compute, plan::Buffer::ARENA, 0, 64, plan::OUTPUT_ROWS);
  addDispatch(compute, {ids, embedding, rows});
  addDispatch(compute, {rows, weight, rows});
  addDispatch(compute, {rows, weight, rows});
  addDispatch(compute, {rows, embedding, logits}); // tied: now it is multiplied with
  plan::Worker &memory = *plan.add_workers();
  for (int layer = 0; layer < 2; ++layer)
    memory.add_caches()->set_page_bytes(16 * 100);

  Traffic traffic(plan);
  EXPECT_EQ(traffic.bytesRead(0, 50, 1), 6000 + 1000000);
  EXPECT_EQ(traffic.bytesRead(0, 50, 0), 6000);
  EXPECT_EQ(traffic.bytesRead(1, 50, 1), 50 * 200);
}

TEST(LaunchBytes, OnlyAttentionReadsTheCache) {
  plan::Worker worker;
  worker.add_kernels()->set_name("cache_append");
  worker.add_kernels()->set_name("online_attention_split");
  for (int layer = 0; layer < 2; ++layer)
    worker.add_caches()->set_page_bytes(16 * 100 * (layer + 1));
  uint32_t cache = addBuffer(worker, plan::Buffer::CACHE, 1, 0, plan::FIXED);
  uint32_t weight = addBuffer(worker, plan::Buffer::WEIGHT, 0, 64, plan::FIXED);
  addDispatch(worker, {cache});
  addDispatch(worker, {cache, weight});
  worker.mutable_program(1)->mutable_dispatch()->set_kernel(1);
  EXPECT_EQ(launchBytes(worker, worker.program(0).dispatch(), 50), 0);
  EXPECT_EQ(launchBytes(worker, worker.program(1).dispatch(), 50), 50 * 200 + 64);
}

} // namespace
} // namespace lamina::bench
