//===- TestPlan.cpp - a hand-written plan of two workers ----------------------------------------------===//

#include "TestPlan.h"

#include "runtime/io/ArtifactFormat.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace lamina::test {
namespace {

#if defined(__aarch64__)
constexpr char kTarget[] = "aarch64";
#else
constexpr char kTarget[] = "x86-64-v2";
#endif

constexpr int kMaxOutputRows = 40;
constexpr int kMaxSequences = 4;

float weightOf(int token) { return float(token) + 1.0f; }

void addArena(plan::Worker &worker, const char *name, plan::Extent extent, uint64_t rowBytes, uint64_t rows) {
  plan::Buffer &buffer = *worker.add_buffers();
  buffer.set_kind(plan::Buffer::ARENA);
  buffer.set_name(name);
  buffer.set_offset(worker.arena_bytes());
  buffer.set_bytes(rowBytes * rows);
  buffer.set_extent(extent);
  buffer.set_row_bytes(rowBytes);
  worker.set_arena_bytes(worker.arena_bytes() + (rowBytes * rows + 63) / 64 * 64);
}

void addOther(plan::Worker &worker, const char *name, plan::Buffer::Kind kind, uint64_t offset,
              uint64_t bytes) {
  plan::Buffer &buffer = *worker.add_buffers();
  buffer.set_kind(kind);
  buffer.set_name(name);
  buffer.set_offset(offset);
  buffer.set_bytes(bytes);
}

void addVariant(plan::Kernel &kernel, const char *symbol, plan::Extent extent, uint32_t maxTokens) {
  plan::KernelVariant &variant = *kernel.add_variants();
  variant.set_symbol(symbol);
  variant.set_extent(extent);
  variant.set_workgroups(1);
  variant.set_max_tokens(maxTokens);
}

void addKernel(plan::Worker &worker, const char *symbol) {
  plan::Kernel &kernel = *worker.add_kernels();
  kernel.set_name(symbol);
  addVariant(kernel, symbol, plan::TOKENS, 0);
}

void addDispatch(plan::Worker &worker, uint32_t kernel, const char *label, std::vector<uint32_t> bindings) {
  plan::Dispatch &dispatch = *worker.add_program()->mutable_dispatch();
  dispatch.set_kernel(kernel);
  dispatch.set_label(label);
  for (uint32_t binding : bindings)
    dispatch.add_bindings(binding);
}

/// Makes a plan for cpu devices one for a GPU of the simulator.
void moveToCuda(plan::Plan &plan, int deviceClass) {
  plan.mutable_classes(deviceClass)->set_device("cuda");
  for (plan::Worker &worker : *plan.mutable_workers()) {
    if (worker.device_class() != uint32_t(deviceClass))
      continue;
    worker.mutable_code(0)->set_file("code/kernels.sim.so");
    worker.mutable_code(0)->set_target("sim");
    for (plan::Kernel &kernel : *worker.mutable_kernels())
      for (plan::KernelVariant &variant : *kernel.mutable_variants())
        variant.set_block_threads(64);
  }
}

plan::Worker &addWorker(plan::Plan &plan, const char *name, uint32_t deviceClass) {
  plan::Worker &worker = *plan.add_workers();
  worker.set_name(name);
  worker.set_device_class(deviceClass);
  worker.set_group_size(1);
  plan::CodeObject &code = *worker.add_code();
  code.set_file("code/kernels.so");
  code.set_target(kTarget);
  return worker;
}

void addTransfer(plan::Plan &plan, const char *label, uint32_t source, std::vector<uint32_t> from,
                 std::vector<uint32_t> to) {
  plan::Transfer &transfer = *plan.add_transfers();
  transfer.set_label(label);
  transfer.set_source(source);
  transfer.set_destination(1 - source);
  transfer.set_extent(plan::TOKENS);
  transfer.set_bytes_per_row(from.size() * kRow * 4);
  for (uint32_t buffer : from)
    transfer.add_source_buffers(buffer);
  for (uint32_t buffer : to)
    transfer.add_destination_buffers(buffer);
}

void addCompute(plan::Plan &plan) {
  plan::Worker &worker = addWorker(plan, "compute0", 0);
  worker.set_weights_file("weights/compute0.bin");
  worker.set_weights_bytes(kVocab * 4);
  addOther(worker, "token_ids", plan::Buffer::BATCH, plan::TOKEN_IDS, kMaxTokens * 4);
  addOther(worker, "embedding", plan::Buffer::WEIGHT, 0, kVocab * 4);
  for (const char *name : {"q", "k", "v", "out"})
    addArena(worker, name, plan::TOKENS, kRow * 4, kMaxTokens);
  addOther(worker, "output_rows", plan::Buffer::BATCH, plan::OUTPUT_ROW_INDICES, kMaxOutputRows * 4);
  addArena(worker, "logits", plan::OUTPUT_ROWS, kVocab * 4, kMaxOutputRows);
  addKernel(worker, "test_project");
  plan::Kernel &head = *worker.add_kernels();
  head.set_name("test_head");
  addVariant(head, "test_head_one", plan::OUTPUT_ROWS, 1);
  addVariant(head, "test_head_any", plan::OUTPUT_ROWS, 0);
  addDispatch(worker, 0, "blk.0.project", {TokenIds, Weights, Q, K, V});
  worker.add_program()->mutable_send()->set_transfer(SendQ);
  worker.add_program()->mutable_send()->set_transfer(SendKV);
  worker.add_program()->mutable_recv()->set_transfer(SendOut);
  worker.add_program()->mutable_wait()->set_transfer(SendOut);
  addDispatch(worker, 1, "head", {Out, OutputRows, Logits});
}

void addMemory(plan::Plan &plan) {
  plan::Worker &worker = addWorker(plan, "memory0", 1);
  plan::Cache &cache = *worker.add_caches();
  cache.set_kv_heads(1);
  cache.set_key_length(kRow);
  cache.set_value_length(kRow);
  cache.set_element_type("f32");
  cache.set_page_bytes(2 * 16 * kRow * 4);
  for (const char *name : {"q", "k", "v", "out"})
    addArena(worker, name, plan::TOKENS, kRow * 4, kMaxTokens);
  addOther(worker, "token_ids", plan::Buffer::BATCH, plan::TOKEN_IDS, 0);
  addOther(worker, "positions", plan::Buffer::BATCH, plan::POSITIONS, 0);
  addOther(worker, "sequences", plan::Buffer::BATCH, plan::SEQUENCES, 0);
  addOther(worker, "block_table", plan::Buffer::BATCH, plan::BLOCK_TABLE, 0);
  addOther(worker, "cache", plan::Buffer::CACHE, 0, 0);
  addKernel(worker, "test_append");
  addKernel(worker, "test_attend");
  for (uint32_t transfer : {SendQ, SendKV})
    worker.add_program()->mutable_recv()->set_transfer(transfer);
  for (uint32_t transfer : {SendQ, SendKV})
    worker.add_program()->mutable_wait()->set_transfer(transfer);
  addDispatch(worker, 0, "blk.0.cache_append", {1, 2, 5, 6, 7, 8});
  addDispatch(worker, 1, "blk.0.attention", {0, 4, 5, 6, 7, 8, 3});
  worker.add_program()->mutable_send()->set_transfer(SendOut);
}

} // namespace

plan::Plan makePlan(const Placement &placement) {
  plan::Plan plan;
  plan.set_format_version(kPlanFormatVersion);
  plan.mutable_model()->set_vocab_size(kVocab);
  plan::Limits &limits = *plan.mutable_limits();
  limits.set_max_batch_tokens(kMaxTokens);
  limits.set_max_output_rows(kMaxOutputRows);
  limits.set_max_sequences(kMaxSequences);
  limits.set_max_context(kMaxContext);
  limits.set_kv_page_tokens(16);
  limits.set_kv_pages(28);
  for (const char *name : {"compute", "memory"}) {
    plan::DeviceClass &deviceClass = *plan.add_classes();
    deviceClass.set_name(name);
    deviceClass.set_device("cpu");
  }
  addCompute(plan);
  addMemory(plan);
  addTransfer(plan, "blk.0 q", 0, {Q}, {0});
  addTransfer(plan, "blk.0 kv", 0, {K, V}, {1, 2});
  addTransfer(plan, "blk.0 out", 1, {3}, {Out});
  if (placement.computeOnCuda)
    moveToCuda(plan, 0);
  if (placement.memoryOnCuda)
    moveToCuda(plan, 1);
  return plan;
}

plan::Plan withCandidates(plan::Plan plan) {
  plan::Worker &worker = *plan.mutable_workers(0);
  for (const char *name : {"candidate_logits", "candidate_ids"})
    addArena(worker, name, plan::OUTPUT_ROWS, kCandidates * 4, kMaxOutputRows);
  plan::Kernel &kernel = *worker.add_kernels();
  kernel.set_name("test_top");
  addVariant(kernel, "test_top", plan::OUTPUT_ROWS, 0);
  kernel.mutable_variants(0)->set_block_threads(worker.kernels(0).variants(0).block_threads());
  addDispatch(worker, 2, "top", {Logits, CandidateLogits, CandidateIds});
  return plan;
}

void useSimulator() { setenv("LAMINA_CUDA_DRIVER", LAMINA_CUDA_SIM, 1); }

TestArtifact::TestArtifact() {
  std::string name = ::testing::TempDir() + "laminaXXXXXX";
  path_ = mkdtemp(name.data());
  std::filesystem::create_directories(path_ + "/code");
  std::filesystem::create_directories(path_ + "/weights");
  std::filesystem::copy_file(LAMINA_TEST_KERNELS, path_ + "/code/kernels.so");
  std::filesystem::copy_file(LAMINA_CUDA_TEST_KERNELS, path_ + "/code/kernels.sim.so");
  std::ofstream file(path_ + "/weights/compute0.bin", std::ios::binary);
  for (int token = 0; token < kVocab; ++token) {
    float weight = weightOf(token);
    file.write(reinterpret_cast<const char *>(&weight), sizeof(weight));
  }
}

TestArtifact::~TestArtifact() { std::filesystem::remove_all(path_); }

LaminaStep fillBatch(Engine &engine, const std::vector<Token> &tokens) {
  BatchView &batch = engine.batch();
  for (size_t i = 0; i < tokens.size(); ++i) {
    batch.tokenIds[i] = tokens[i].id;
    batch.positions[i] = tokens[i].position;
    batch.sequences[i] = tokens[i].sequence;
    batch.outputRows[i] = int32_t(i);
  }
  // Pages in an order that differs from the positions', so that a kernel that ignores the table is caught.
  for (int sequence = 0; sequence < kMaxSequences; ++sequence)
    for (int64_t page = 0; page < batch.blockTableStride; ++page)
      batch.blockTable[size_t(sequence * batch.blockTableStride + page)] =
          int32_t((batch.blockTableStride - 1 - page) * kMaxSequences + sequence);
  return {int64_t(tokens.size()), int64_t(tokens.size()), 1, batch.blockTableStride};
}

float expectedLogit(const std::vector<int> &ids) {
  float sum = weightOf(ids.back());
  for (int id : ids)
    sum += weightOf(id) * 2.0f + weightOf(id) * 3.0f;
  return sum;
}

} // namespace lamina::test
