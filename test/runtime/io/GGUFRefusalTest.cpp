//===- GGUFRefusalTest.cpp: what the reader refuses, and what it says ---------------------------------===//

#include "runtime/io/GGUFWriter.h"
#include "test/runtime/io/GGUFImage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina {
namespace {

using gguf::ValueType;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr uint32_t kF32 = 0;
constexpr uint32_t kQ4_K = 12;

GGUFImage header(int64_t tensors, int64_t pairs, uint32_t version = 3) {
  return GGUFImage().header(tensors, pairs, version);
}

/// The header of a file with one tensor.
GGUFImage oneTensor(std::string_view name, std::initializer_list<int64_t> dims, uint32_t type,
                    uint64_t offset = 0) {
  return header(1, 0).tensor(name, dims, type, offset).pad().zeros(4096);
}

TEST(GGUFRefusal, NotGGUF) {
  EXPECT_THAT(GGUFImage().refusal(), HasSubstr("test.gguf: byte 0: the file is empty"));
  EXPECT_THAT(GGUFImage{"GG"}.refusal(), HasSubstr("ends within the magic number"));
  EXPECT_THAT(GGUFImage{"ONNX...."}.refusal(), HasSubstr("expected the magic number 'GGUF', got 'ONNX'"));
  EXPECT_THAT(GGUFImage{"version https://git-lfs.github.com/spec/v1\n"}.refusal(),
              HasSubstr("Git LFS pointer"));
  EXPECT_THAT(GGUFImage{"<!DOCTYPE html>"}.refusal(), HasSubstr("web page"));
  EXPECT_THAT(GGUFImage{"PK\x03\x04...."}.refusal(), HasSubstr("PyTorch checkpoint"));
  EXPECT_THAT(GGUFImage{"tjgg\x03"}.refusal(), HasSubstr("before GGUF"));
  EXPECT_THAT(GGUFImage().put<uint64_t>(100).text("").refusal(), Not(HasSubstr("safetensors")));
  GGUFImage safetensors;
  safetensors.put<uint64_t>(100).bytes += "{\"weight\":";
  EXPECT_THAT(safetensors.refusal(), HasSubstr("safetensors"));
}

TEST(GGUFRefusal, Header) {
  EXPECT_THAT(header(0, 0, 0).refusal(), HasSubstr("byte 4: GGUF version 0, expected 2 or 3"));
  EXPECT_THAT(header(0, 0, 1).refusal(),
              HasSubstr("GGUF version 1, expected 2 or 3; convert the original model"));
  EXPECT_THAT(header(0, 0, 4).refusal(), HasSubstr("GGUF version 4, expected 2 or 3; a newer lamina"));
  EXPECT_THAT(header(0, 0, 0x03000000).refusal(), HasSubstr("big-endian"));
  EXPECT_THAT(header(-1, 0).refusal(), AllOf(HasSubstr("byte 8"), HasSubstr("number of tensors is -1")));
  EXPECT_THAT(header(0, -1).refusal(), AllOf(HasSubstr("byte 16"), HasSubstr("key/value pairs is -1")));
  // More than the file can hold is refused before memory is reserved for it.
  EXPECT_THAT(header(INT64_MAX, 0).refusal(), HasSubstr("0 bytes left hold at most 0"));
  EXPECT_THAT(header(2, 0).zeros(47).refusal(), HasSubstr("47 bytes left hold at most 1"));
  EXPECT_THAT(header(0, 1ll << 40).zeros(100).refusal(), HasSubstr("hold at most 7"));
  EXPECT_EQ(header(0, 0).refusal(), "");
}

TEST(GGUFRefusal, Keys) {
  GGUFImage longKey = header(0, 1).put<uint64_t>(1ull << 40).zeros(32);
  EXPECT_THAT(longKey.refusal(),
              HasSubstr("byte 24: key number 0 is 1099511627776 bytes long, expected at most"));
  GGUFImage cutKey = header(0, 1).put<uint64_t>(33).zeros(32);
  EXPECT_THAT(cutKey.refusal(), HasSubstr("33 bytes long but only 32 bytes are left"));
  EXPECT_THAT(header(0, 1).pair("", ValueType::U32, 1).refusal(), HasSubstr("key number 0 is empty"));
  GGUFImage twice = header(0, 2).pair("k", ValueType::U32, 1).pair("k", ValueType::U32, 1);
  EXPECT_THAT(twice.refusal(), HasSubstr("key 'k' occurs twice, as number 0 and 1"));
  GGUFImage badType = header(0, 1).key("k", static_cast<ValueType>(13)).zeros(8);
  EXPECT_THAT(badType.refusal(), HasSubstr("byte 33: the value type of key 'k' is 13, expected 0 to 12"));
}

TEST(GGUFRefusal, Values) {
  EXPECT_THAT(header(0, 1).pair<uint16_t>("key", ValueType::U64, 1).refusal(),
              HasSubstr("the value of key 'key' needs 8 bytes but the file ends after 2"));
  EXPECT_THAT(header(0, 1).key("k", ValueType::String).put<uint64_t>(9).zeros(8).refusal(),
              HasSubstr("the value of key 'k' is 9 bytes long but only 8 bytes are left"));
  EXPECT_THAT(header(0, 1).array("k", ValueType::Array, 1).zeros(8).refusal(), HasSubstr("array of arrays"));
  EXPECT_THAT(header(0, 1).array("k", static_cast<ValueType>(77), 1).zeros(8).refusal(),
              HasSubstr("the element type of key 'k' is 77"));
  EXPECT_THAT(header(0, 1).array("k", ValueType::U8, (1ull << 30) + 1).zeros(8).refusal(),
              HasSubstr("has 1073741825 items, expected at most 1073741824"));
  EXPECT_THAT(header(0, 1).array("k", ValueType::F64, 1ull << 61).refusal(), HasSubstr("expected at most"));
  EXPECT_THAT(header(0, 1).array("k", ValueType::U32, 3).zeros(11).refusal(),
              HasSubstr("has 3 items of u32, but the 11 bytes left hold at most 2"));
  EXPECT_THAT(header(0, 1).array("k", ValueType::String, 2).text("a").put<uint64_t>(5).zeros(4).refusal(),
              HasSubstr("item 1 of key 'k' is 5 bytes long but only 4 bytes are left"));
  EXPECT_THAT(header(0, 1).array("k", ValueType::String, 2).put<uint64_t>(UINT64_MAX).zeros(8).refusal(),
              HasSubstr("item 0 of key 'k' is 18446744073709551615 bytes long"));
}

TEST(GGUFRefusal, Alignment) {
  for (uint32_t alignment : {0u, 33u, 1u << 21, 0x80000000u}) {
    GGUFImage image = header(0, 1).pair("general.alignment", ValueType::U32, alignment);
    EXPECT_THAT(image.refusal(),
                AllOf(HasSubstr("'general.alignment': expected a power of two up to 1048576, got"),
                      HasSubstr(std::to_string(alignment))));
  }
  EXPECT_THAT(header(0, 1).pair<uint64_t>("general.alignment", ValueType::U64, 32).refusal(),
              HasSubstr("'general.alignment': expected u32, got u64"));
  GGUFImage inconsistent = header(2, 1).pair("general.alignment", ValueType::U32, 64u);
  inconsistent.tensor("a", {1}, kF32, 0).tensor("b", {1}, kF32, 32).pad(64).zeros(128);
  EXPECT_THAT(inconsistent.refusal(), HasSubstr("tensor 'b': expected offset 64"));
}

TEST(GGUFRefusal, TensorNames) {
  EXPECT_THAT(oneTensor(std::string(64, 'x'), {1}, kF32).refusal(),
              HasSubstr("64 bytes long, expected at most 63"));
  EXPECT_EQ(oneTensor(std::string(63, 'x'), {1}, kF32).refusal(), "");
  EXPECT_THAT(oneTensor(std::string_view("a\0b", 3), {1}, kF32).refusal(), HasSubstr("contains a NUL byte"));
  GGUFImage twice = header(2, 0).tensor("a", {8}, kF32, 0).tensor("a", {8}, kF32, 32).pad().zeros(64);
  EXPECT_THAT(twice.refusal(), HasSubstr("tensor 'a' occurs twice, as number 0 and 1"));
  // Names cannot break the one line of a message.
  EXPECT_THAT(oneTensor("a\n\x1b[31m", {1, 1, 1, 1, 1}, kF32).refusal(), HasSubstr("'a\\n\\x1b[31m'"));
}

TEST(GGUFRefusal, TensorShapes) {
  EXPECT_THAT(oneTensor("a", {1, 1, 1, 1, 1}, kF32).refusal(),
              HasSubstr("tensor 'a': 5 dimensions, expected at most 4"));
  EXPECT_THAT(oneTensor("a", {4, -1}, kF32).refusal(), HasSubstr("dimension 1 is -1, expected at least 1"));
  EXPECT_THAT(oneTensor("a", {0}, kF32).refusal(), HasSubstr("dimension 0 is 0"));
  EXPECT_THAT(oneTensor("a", {INT64_MAX}, kF32).refusal(), HasSubstr("number of elements does not fit"));
  EXPECT_THAT(oneTensor("a", {1ll << 32, 1ll << 31}, kF32).refusal(),
              HasSubstr("number of elements does not fit"));
  EXPECT_THAT(oneTensor("a", {1ll << 31, 1ll << 31}, kF32).refusal(),
              HasSubstr("size in bytes does not fit"));
  EXPECT_THAT(oneTensor("a", {128}, kQ4_K).refusal(),
              HasSubstr("rows of 128 elements are no multiple of the 256 in a block of Q4_K"));
}

TEST(GGUFRefusal, TensorTypes) {
  EXPECT_THAT(oneTensor("a", {32}, 4).refusal(), HasSubstr("type 4 (Q4_2) was removed from GGUF"));
  EXPECT_THAT(oneTensor("a", {32}, 33).refusal(), HasSubstr("type 33 (Q4_0_8_8) was removed"));
  EXPECT_THAT(oneTensor("a", {32}, 43).refusal(),
              HasSubstr("type 43 is unknown, expected 0 to 42; a newer lamina"));
  EXPECT_THAT(oneTensor("a", {256}, 139).refusal(),
              HasSubstr("type 139 is one that only ik_llama.cpp writes"));
  EXPECT_THAT(oneTensor("a", {256}, 0xFFFFFFFF).refusal(), HasSubstr("type 4294967295 is unknown"));
}

TEST(GGUFRefusal, TensorPlaces) {
  EXPECT_THAT(oneTensor("a", {8}, kF32, 32).refusal(), HasSubstr("tensor 'a': expected offset 0"));
  GGUFImage gap = header(2, 0).tensor("a", {9}, kF32, 0).tensor("b", {1}, kF32, 32).pad().zeros(128);
  EXPECT_THAT(gap.refusal(),
              HasSubstr("tensor 'b': expected offset 64 (tensors follow each other, aligned to 32 bytes)"
                        ", got 32"));
  GGUFImage huge = header(3, 0);
  for (int i = 0; i < 3; ++i)
    huge.tensor(std::string(1, char('a' + i)), {1ll << 60}, 24, uint64_t(i) << 60);
  huge.pad();
  EXPECT_THAT(huge.refusal(), HasSubstr("file is cut off"));
  GGUFImage overflow = header(3, 0);
  for (int i = 0; i < 3; ++i)
    overflow.tensor(std::string(1, char('a' + i)), {1ll << 61}, 24, uint64_t(i) << 61);
  overflow.pad();
  EXPECT_THAT(overflow.refusal({.allowMissingData = true}),
              HasSubstr("tensors together take more than 2^62 bytes"));
}

// Every prefix of a valid file is refused with one line that names the file and the byte.
TEST(GGUFRefusal, EveryPrefix) {
  GGUFWriter writer;
  writer.addString("general.architecture", "llama");
  std::string_view tokens[] = {"a", "bc"};
  writer.addStrings("tokenizer.ggml.tokens", tokens);
  writer.addU32("llama.block_count", 2);
  std::vector<uint8_t> data(36, 1);
  uint64_t dims[] = {32, 2};
  writer.addTensor("x", TensorType::Q4_0, dims, data);
  writer.addTensor("y", TensorType::Q4_0, dims, data);
  GGUFImage image{writer.finish()};
  ASSERT_EQ(image.refusal(), "");
  // The padding behind the last tensor may be missing.
  size_t end = image.bytes.size() - (64 - 36);
  EXPECT_EQ(GGUFImage{image.bytes.substr(0, end)}.refusal(), "");
  for (size_t length = 0; length < end; ++length) {
    std::string message = GGUFImage{image.bytes.substr(0, length)}.refusal();
    ASSERT_THAT(message, ContainsRegex("^test.gguf: byte [0-9]+: .+; [a-z]")) << length;
    ASSERT_THAT(message, Not(HasSubstr("\n")));
  }
}

} // namespace
} // namespace lamina
