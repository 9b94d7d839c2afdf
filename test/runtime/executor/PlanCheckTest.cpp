//===- PlanCheckTest.cpp - every rule of checkPlan, broken once ---------------------------------------===//

#include "runtime/executor/PlanCheck.h"

#include "TestPlan.h"
#include "runtime/executor/ChannelSizing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace lamina::test {
namespace {

using ::testing::HasSubstr;

struct Mistake {
  const char *name;
  std::function<void(plan::Plan &)> make;
  const char *message;
};

plan::Worker &compute(plan::Plan &plan) { return *plan.mutable_workers(0); }
plan::Worker &memory(plan::Plan &plan) { return *plan.mutable_workers(1); }
plan::KernelVariant &cudaVariant(plan::Plan &plan) {
  return *compute(plan).mutable_kernels(0)->mutable_variants(0);
}
plan::Buffer &buffer(plan::Plan &plan, int index) { return *compute(plan).mutable_buffers(index); }

const Mistake kMistakes[] = {
    {"NoTokens", [](auto &p) { p.mutable_limits()->set_max_batch_tokens(0); }, "limit max_batch_tokens is 0"},
    {"NoOutputRows", [](auto &p) { p.mutable_limits()->set_max_output_rows(0); },
     "limit max_output_rows is 0"},
    {"NoSequences", [](auto &p) { p.mutable_limits()->set_max_sequences(0); }, "limit max_sequences is 0"},
    {"ContextTooLong", [](auto &p) { p.mutable_limits()->set_max_context(1u << 31); }, "limit max_context"},
    {"NoPages", [](auto &p) { p.mutable_limits()->set_kv_pages(0); }, "limit kv_pages is 0"},
    {"OtherPageSize", [](auto &p) { p.mutable_limits()->set_kv_page_tokens(32); }, "kv_page_tokens is 32"},
    {"NoVocabulary", [](auto &p) { p.mutable_model()->set_vocab_size(0); }, "vocabulary of 0"},
    {"NoWorkers", [](auto &p) { p.clear_workers(); }, "0 workers"},
    {"UnnamedWorker", [](auto &p) { compute(p).clear_name(); }, "a worker has no name"},
    {"TwoWorkersOfOneName", [](auto &p) { memory(p).set_name("compute0"); },
     "two workers are named compute0"},
    {"UnknownClass", [](auto &p) { compute(p).set_device_class(2); }, "device class 2 of 2"},
    {"GroupOfNone", [](auto &p) { compute(p).set_group_size(0); }, "rank 0 in a group of 0"},
    {"RankOutsideGroup", [](auto &p) { compute(p).set_group_rank(1); }, "rank 1 in a group of 1"},
    {"ArenaTooLarge", [](auto &p) { compute(p).set_arena_bytes(1ull << 60); }, "fit no machine"},
    {"WeightsTooLarge", [](auto &p) { compute(p).set_weights_bytes(1ull << 60); }, "fit no machine"},
    {"WeightsWithoutFile", [](auto &p) { compute(p).clear_weights_file(); },
     "weights file \"\" with 128 bytes"},
    {"FileWithoutWeights", [](auto &p) { compute(p).clear_weights_bytes(); }, "with 0 bytes"},
    {"WeightsAbsolutePath", [](auto &p) { compute(p).set_weights_file("/etc/passwd"); },
     "outside the artifact"},
    {"WeightsParentPath", [](auto &p) { compute(p).set_weights_file("weights/../../x"); },
     "outside the artifact"},
    {"CodeParentPath", [](auto &p) { compute(p).mutable_code(0)->set_file("../x.so"); },
     "outside the artifact"},
    {"CodePathWithNul", [](auto &p) { compute(p).mutable_code(0)->set_file(std::string("a\0b", 3)); },
     "outside"},
    {"NoCode", [](auto &p) { compute(p).clear_code(); }, "kernels without a code object"},
    {"CacheElementType", [](auto &p) { memory(p).mutable_caches(0)->set_element_type("f8"); }, "type \"f8\""},
    {"CacheOfHalfAKeyBlock",
     [](auto &p) {
       memory(p).mutable_caches(0)->set_element_type("q8_0");
       memory(p).mutable_caches(0)->set_value_length(32);
     },
     "keys of 16 and values of 32 elements"},
    {"CacheOfHalfAValueBlock",
     [](auto &p) {
       memory(p).mutable_caches(0)->set_element_type("q8_0");
       memory(p).mutable_caches(0)->set_key_length(32);
     },
     "keys of 32 and values of 16 elements"},
    {"CacheOfWholeBlocks",
     [](auto &p) {
       memory(p).mutable_caches(0)->set_element_type("q8_0");
       memory(p).mutable_caches(0)->set_key_length(64);
       memory(p).mutable_caches(0)->set_value_length(96);
     },
     "its keys and values need 2720"},
    {"CachePageTooSmall", [](auto &p) { memory(p).mutable_caches(0)->set_page_bytes(1984); }, "need 2048"},
    {"CachePageUnaligned", [](auto &p) { memory(p).mutable_caches(0)->set_page_bytes(2049); },
     "not a multiple of 64"},
    {"CachePaddingOfValues", [](auto &p) { memory(p).mutable_caches(0)->set_value_length(17); }, "need 3072"},
    {"CacheWithoutHeads", [](auto &p) { memory(p).mutable_caches(0)->set_kv_heads(0); }, "need 0"},
    {"CacheOverflow",
     [](auto &p) {
       memory(p).mutable_caches(0)->set_kv_heads(~0u);
       memory(p).mutable_caches(0)->set_key_length(~0u);
       memory(p).mutable_caches(0)->set_value_length(~0u);
     },
     "keys and values need"},
    {"CacheTooLarge", [](auto &p) { memory(p).mutable_caches(0)->set_page_bytes(1ull << 62); },
     "fits no machine"},
    {"BufferBeyondArena", [](auto &p) { buffer(p, Q).set_offset(compute(p).arena_bytes()); },
     "of an arena of"},
    {"BufferOffsetOverflow", [](auto &p) { buffer(p, Q).set_offset(~0ull - 63); }, "of an arena of"},
    {"BufferBytesOverflow", [](auto &p) { buffer(p, Q).set_bytes(~0ull); }, "of an arena of"},
    {"BufferUnaligned",
     [](auto &p) {
       buffer(p, Q).set_offset(4);
       buffer(p, Q).set_bytes(64 * 40 - 4);
       buffer(p, Q).set_row_bytes(4);
     },
     "starts at 4, not a multiple of 64"},
    {"BufferRowsTooLong", [](auto &p) { buffer(p, Q).set_row_bytes(65); }, "bytes for 40 rows of 65"},
    {"BufferRowsOverflow", [](auto &p) { buffer(p, Q).set_row_bytes(~0ull); }, "bytes for 40 rows of"},
    {"BufferWithoutRows", [](auto &p) { buffer(p, Q).set_row_bytes(0); }, "rows of 0 bytes"},
    {"BufferUnknownKind", [](auto &p) { buffer(p, Q).set_kind(plan::Buffer::Kind(9)); }, "unknown kind 9"},
    {"BufferUnknownExtent", [](auto &p) { buffer(p, Q).set_extent(plan::Extent(9)); }, "unknown extent 9"},
    {"WeightBeyondShard", [](auto &p) { buffer(p, Weights).set_offset(64); }, "of weights of 128"},
    {"WeightUnaligned",
     [](auto &p) {
       buffer(p, Weights).set_offset(4);
       buffer(p, Weights).set_bytes(4);
     },
     "not a multiple of 64"},
    {"UnknownCache", [](auto &p) { memory(p).mutable_buffers(8)->set_offset(1); }, "is cache 1 of 1"},
    {"CacheBufferTooLarge", [](auto &p) { memory(p).mutable_buffers(8)->set_bytes(2048 * 28 + 1); },
     "of a cache of"},
    {"UnknownBatchField", [](auto &p) { buffer(p, TokenIds).set_offset(5); }, "unknown batch field 5"},
    {"BatchFieldTooLarge", [](auto &p) { buffer(p, TokenIds).set_bytes(164); }, "of a batch field of 160"},
    {"KernelWithoutVariants", [](auto &p) { compute(p).mutable_kernels(0)->clear_variants(); },
     "has no variants"},
    {"VariantWithoutSymbol",
     [](auto &p) { compute(p).mutable_kernels(0)->mutable_variants(0)->clear_symbol(); }, "without a symbol"},
    {"VariantUnknownExtent",
     [](auto &p) { compute(p).mutable_kernels(0)->mutable_variants(0)->set_extent(plan::Extent(7)); },
     "unknown extent 7"},
    {"TooManyWorkgroups",
     [](auto &p) { compute(p).mutable_kernels(0)->mutable_variants(0)->set_workgroups(1ull << 60); },
     "too many"},
    {"GpuBlockWithoutThreads",
     [](auto &p) { p = makePlan({.computeOnCuda = true}), cudaVariant(p).clear_block_threads(); },
     "kernel test_project has blocks of 0 threads, expected a multiple of 32 up to 1024"},
    {"GpuBlockOfHalfAWarp",
     [](auto &p) { p = makePlan({.computeOnCuda = true}), cudaVariant(p).set_block_threads(48); },
     "blocks of 48 threads"},
    {"GpuBlockTooLarge",
     [](auto &p) { p = makePlan({.computeOnCuda = true}), cudaVariant(p).set_block_threads(1056); },
     "blocks of 1056 threads"},
    {"GpuBlockWithTooMuchMemory",
     [](auto &p) { p = makePlan({.computeOnCuda = true}), cudaVariant(p).set_shared_bytes(232449); },
     "blocks with 232449 bytes of shared memory, a GPU has 232448"},
    {"GpuGridTooLarge",
     [](auto &p) { p = makePlan({.computeOnCuda = true}), cudaVariant(p).set_workgroups(1 << 26); },
     "has 67108864 workgroups per row, too many for a GPU"},
    {"VariantsDescend",
     [](auto &p) { compute(p).mutable_kernels(1)->mutable_variants(1)->set_max_tokens(1); }, "do not ascend"},
    {"UnboundedVariantFirst",
     [](auto &p) { compute(p).mutable_kernels(1)->mutable_variants(0)->set_max_tokens(0); }, "do not ascend"},
    {"VariantsTooSmall",
     [](auto &p) { compute(p).mutable_kernels(1)->mutable_variants(1)->set_max_tokens(39); },
     "takes at most 39 of 40 tokens"},
    {"InstructionOfNoKind", [](auto &p) { compute(p).add_program(); },
     "of a kind that this runtime does not know"},
    {"UnknownKernel", [](auto &p) { compute(p).mutable_program(0)->mutable_dispatch()->set_kernel(2); },
     "names kernel 2 of 2"},
    {"UnknownBinding", [](auto &p) { compute(p).mutable_program(0)->mutable_dispatch()->set_bindings(0, 8); },
     "names buffer 8 of 8"},
    {"SendOfUnknownTransfer", [](auto &p) { compute(p).mutable_program(1)->mutable_send()->set_transfer(3); },
     "names transfer 3 of 3"},
    {"RecvOfUnknownTransfer", [](auto &p) { compute(p).mutable_program(3)->mutable_recv()->set_transfer(3); },
     "names transfer 3 of 3"},
    {"WaitForUnknownTransfer",
     [](auto &p) { compute(p).mutable_program(4)->mutable_wait()->set_transfer(3); },
     "names transfer 3 of 3"},
    {"CollectiveOfUnknownBuffer",
     [](auto &p) { compute(p).add_program()->mutable_collective()->set_buffer(8); }, "names buffer 8 of 8"},
    {"CollectiveInAGroup",
     [](auto &p) {
       compute(p).add_program()->mutable_collective()->set_buffer(Q);
       compute(p).set_group_size(2);
     },
     "no collectives among 2 workers"},
    {"NoLogits", [](auto &p) { buffer(p, Logits).set_name("x"); }, "one buffer named logits, got 0"},
    {"TwoLogits", [](auto &p) { *compute(p).add_buffers() = buffer(p, Logits); },
     "one buffer named logits, got 2"},
    {"LogitsPerToken", [](auto &p) { buffer(p, Logits).set_extent(plan::TOKENS); }, "one row per output"},
    {"LogitsTooNarrow", [](auto &p) { p.mutable_model()->set_vocab_size(33); },
     "rows of 128 bytes for 33 tokens"},
    {"CandidatesPerToken",
     [](auto &p) { p = withCandidates(p), buffer(p, CandidateIds).set_extent(plan::TOKENS); },
     "the candidates of worker compute0 (candidate_ids) are not an activation beside the logits with one row "
     "per output"},
    {"CandidatesThatAreWeights",
     [](auto &p) {
       p = withCandidates(p), buffer(p, CandidateLogits) = buffer(p, Weights),
       buffer(p, CandidateLogits).set_name("candidate_logits");
     },
     "(candidate_logits) are not an activation"},
    {"MoreCandidatesThanTokens",
     [](auto &p) { p = withCandidates(p), p.mutable_model()->set_vocab_size(15); },
     "(candidate_logits) are not an activation"},
    {"CandidatesOfAnotherWorker",
     [](auto &p) {
       p = withCandidates(p), *memory(p).add_buffers() = buffer(p, CandidateIds),
       memory(p).set_arena_bytes(1 << 20);
     },
     "the candidates of worker memory0"},
    {"CandidatesWithoutIds", [](auto &p) { p = withCandidates(p), buffer(p, CandidateIds).set_name("x"); },
     "expected one buffer named candidate_logits and one of the same size named candidate_ids, or neither"},
    {"MoreCandidatesThanIds",
     [](auto &p) { p = withCandidates(p), buffer(p, CandidateIds).set_row_bytes(32); }, "of the same size"},
    {"CandidatesTwice",
     [](auto &p) {
       p = withCandidates(p);
       for (int index : {CandidateLogits, CandidateIds})
         *compute(p).add_buffers() = buffer(p, index);
     },
     "expected one buffer named candidate_logits"},
    {"TransferToUnknownWorker", [](auto &p) { p.mutable_transfers(0)->set_destination(2); },
     "to worker 2 of 2"},
    {"TransferToItself", [](auto &p) { p.mutable_transfers(0)->set_destination(0); },
     "starts and ends at worker 0"},
    {"TransferUnknownExtent", [](auto &p) { p.mutable_transfers(0)->set_extent(plan::Extent(3)); },
     "unknown extent 3"},
    {"TransferOfNothing", [](auto &p) { p.mutable_transfers(0)->clear_source_buffers(); },
     "moves 0 buffers into 1"},
    {"TransferUnknownBuffer", [](auto &p) { p.mutable_transfers(0)->set_source_buffers(0, 8); },
     "moves buffer 8 of 8"},
    {"TransferIntoUnknownBuffer", [](auto &p) { p.mutable_transfers(0)->set_destination_buffers(0, 9); },
     "into buffer 9 of 9"},
    {"TransferOfWeights", [](auto &p) { p.mutable_transfers(0)->set_source_buffers(0, Weights); },
     "moves buffer embedding, which is not an activation"},
    {"TransferOfOtherExtent", [](auto &p) { buffer(p, Q).set_extent(plan::FIXED); }, "of another extent"},
    {"TransferOfOtherRows", [](auto &p) { buffer(p, Q).set_row_bytes(32); },
     "rows of 32 bytes into rows of 64"},
    {"TransferOfOtherSize", [](auto &p) { p.mutable_transfers(1)->set_bytes_per_row(64); },
     "has 64 bytes per row, its buffers have 128"},
    {"SentByDestination", [](auto &p) { memory(p).mutable_program(6)->mutable_send()->set_transfer(SendQ); },
     "worker memory0 may not send transfer 0 (blk.0 q)"},
    {"ReceivedBySource", [](auto &p) { compute(p).mutable_program(3)->mutable_recv()->set_transfer(SendQ); },
     "worker compute0 may not receive"},
    {"WaitedForBySource", [](auto &p) { compute(p).mutable_program(4)->mutable_wait()->set_transfer(SendQ); },
     "worker compute0 may not wait for"},
    {"SentTwice", [](auto &p) { compute(p).add_program()->mutable_send()->set_transfer(SendQ); },
     "must be sent, received and waited for once, but is 2, 1 and 1 times"},
    {"NeverSent", [](auto &p) { compute(p).mutable_program()->DeleteSubrange(1, 1); }, "is 0, 1 and 1 times"},
    {"NeverReceived", [](auto &p) { compute(p).mutable_program()->DeleteSubrange(3, 2); },
     "is 1, 0 and 0 times"},
    {"NeverWaitedFor", [](auto &p) { memory(p).mutable_program()->DeleteSubrange(2, 1); },
     "is 1, 1 and 0 times"},
    {"WaitBeforeRecv", [](auto &p) { compute(p).mutable_program()->SwapElements(3, 4); },
     "is waited for before it is received"},
    {"OrdersDiffer", [](auto &p) { memory(p).mutable_program()->SwapElements(0, 1); },
     "worker compute0 sends transfer 0 (blk.0 q) where worker memory0 receives transfer 1 (blk.0 kv)"},
    {"Circle",
     [](auto &p) {
       compute(p).mutable_program()->SwapElements(1, 3);
       compute(p).mutable_program()->SwapElements(2, 4);
     },
     "the workers wait for each other in a circle: compute0 waits forever for transfer 2"},
};

class PlanCheckTest : public ::testing::TestWithParam<Mistake> {};

INSTANTIATE_TEST_SUITE_P(Broken, PlanCheckTest, ::testing::ValuesIn(kMistakes),
                         [](const auto &info) { return info.param.name; });

TEST_P(PlanCheckTest, IsRefused) {
  plan::Plan plan = makePlan();
  GetParam().make(plan);
  absl::Status status = checkPlan(plan);
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
  EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("\n")));
}

TEST(PlanCheck, AcceptsThePlan) { EXPECT_TRUE(checkPlan(makePlan()).ok()) << checkPlan(makePlan()); }

TEST(PlanCheck, AcceptsACollectiveOfOne) {
  plan::Plan plan = makePlan();
  compute(plan).add_program()->mutable_collective()->set_buffer(Q);
  EXPECT_TRUE(checkPlan(plan).ok()) << checkPlan(plan);
}

/// Four floats in, four floats out.
plan::Plan makeFunction() {
  plan::Plan plan;
  plan::Limits &limits = *plan.mutable_limits();
  limits.set_max_batch_tokens(1), limits.set_max_output_rows(1), limits.set_max_sequences(1);
  limits.set_max_context(1), limits.set_kv_pages(1), limits.set_kv_page_tokens(LAMINA_KV_PAGE_TOKENS);
  plan.add_classes()->set_device("cpu");
  plan::Worker &worker = *plan.add_workers();
  worker.set_name("compute0"), worker.set_group_size(1), worker.set_arena_bytes(128);
  for (uint32_t i : {0u, 1u}) {
    plan::Buffer &buffer = *worker.add_buffers();
    buffer.set_offset(64 * i), buffer.set_bytes(16), buffer.set_row_bytes(16);
    plan::Port &port = i == 0 ? *plan.add_inputs() : *plan.add_outputs();
    port.set_name("x"), port.set_element_type("float"), port.add_shape(4), port.set_buffer(i);
  }
  return plan;
}

TEST(PlanCheck, AcceptsAFunction) {
  EXPECT_TRUE(checkPlan(makeFunction()).ok()) << checkPlan(makeFunction());
}

const Mistake kFunctionMistakes[] = {
    {"NoOutputs", [](auto &p) { p.clear_outputs(); }, "1 inputs and no outputs"},
    {"PortOfNoWorker", [](auto &p) { p.mutable_inputs(0)->set_worker(1); },
     "buffer 0 of worker 1, which there is not"},
    {"PortOfNoBuffer", [](auto &p) { p.mutable_inputs(0)->set_buffer(2); },
     "buffer 2 of worker 0, which there is not"},
    {"PortOfUnknownType", [](auto &p) { p.mutable_outputs(0)->set_element_type("f4"); },
     "elements of type 'f4'"},
    {"PortTooLarge", [](auto &p) { p.mutable_outputs(0)->set_shape(0, 1ull << 63); },
     "a shape that fits no machine"},
    {"PortOfAnotherSize", [](auto &p) { p.mutable_outputs(0)->set_shape(0, 5); }, "takes 20 bytes"},
    {"PortOfTokens", [](auto &p) { p.mutable_workers(0)->mutable_buffers(1)->set_extent(plan::TOKENS); },
     "no activation of fixed size"},
    {"PortTwice", [](auto &p) { *p.add_outputs() = p.outputs(0); }, "output 'x' is there twice"},
    {"PortShared", [](auto &p) { p.mutable_outputs(0)->set_buffer(0); }, "shares its buffer"},
};

class FunctionCheckTest : public ::testing::TestWithParam<Mistake> {};

INSTANTIATE_TEST_SUITE_P(Broken, FunctionCheckTest, ::testing::ValuesIn(kFunctionMistakes),
                         [](const auto &info) { return info.param.name; });

TEST_P(FunctionCheckTest, IsRefused) {
  plan::Plan plan = makeFunction();
  GetParam().make(plan);
  EXPECT_THAT(std::string(checkPlan(plan).message()), HasSubstr(GetParam().message));
}

TEST(ChannelSizing, HoldsWhatIsUnderWayAtOnce) {
  auto channels = sizeChannels(makePlan());
  ASSERT_TRUE(channels.ok()) << channels.status();
  ASSERT_EQ(channels->size(), 2u);
  // Before memory0's first wait completes both messages may be under way; twice the larger one is more than
  // that.
  EXPECT_EQ((*channels)[0].source, 0u);
  EXPECT_EQ((*channels)[0].frames, 2u);
  EXPECT_EQ((*channels)[0].payloadBytes, 2u * 128 * kMaxTokens);
  EXPECT_EQ((*channels)[1].source, 1u);
  EXPECT_EQ((*channels)[1].payloadBytes, 2u * 64 * kMaxTokens);
}

TEST(ChannelSizing, ManyMessagesBeforeTheFirstWait) {
  // memory0 answers q before it looks at anything else, and compute0 sends six more messages before it takes
  // the answer.
  plan::Plan plan = makePlan();
  for (int i = 0; i < 6; ++i) {
    *plan.add_transfers() = plan.transfers(SendQ);
    plan::Instruction send, recv, wait;
    send.mutable_send()->set_transfer(uint32_t(3 + i));
    recv.mutable_recv()->set_transfer(uint32_t(3 + i));
    wait.mutable_wait()->set_transfer(uint32_t(3 + i));
    plan::Worker &worker = compute(plan);
    *worker.add_program() = send;
    for (int k = worker.program_size() - 1; k > 3 + i; --k)
      worker.mutable_program()->SwapElements(k, k - 1);
    *memory(plan).add_program() = recv;
    *memory(plan).add_program() = wait;
  }
  ASSERT_TRUE(checkPlan(plan).ok()) << checkPlan(plan);
  auto channels = sizeChannels(plan);
  ASSERT_TRUE(channels.ok());
  EXPECT_GE((*channels)[0].frames, 6u);
  EXPECT_GE((*channels)[0].payloadBytes, 6u * 64 * kMaxTokens);
  TestArtifact artifact;
  auto engine = Engine::create(plan, artifact.path(), {.threadsPerWorker = 1, .inProcess = true});
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::vector<Token> tokens;
  for (int i = 0; i < kMaxTokens; ++i)
    tokens.push_back({i % kSlowToken, i, 0});
  for (int i = 0; i < 10; ++i)
    EXPECT_TRUE((*engine)->step(fillBatch(**engine, tokens)).ok());
}

} // namespace
} // namespace lamina::test
