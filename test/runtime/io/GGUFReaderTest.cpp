//===- GGUFReaderTest.cpp: what the reader gives out --------------------------------------------------===//

#include "runtime/io/GGUFReader.h"
#include "test/runtime/io/GGUFImage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina {
namespace {

using gguf::ValueType;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// One pair of every type and two tensors.
GGUFImage everything() {
  GGUFImage image;
  image.header(2, 17);
  image.pair<uint8_t>("u8", ValueType::U8, 200);
  image.pair<int8_t>("i8", ValueType::I8, -100);
  image.pair<uint16_t>("u16", ValueType::U16, 60000);
  image.pair<int16_t>("i16", ValueType::I16, -30000);
  image.pair<uint32_t>("u32", ValueType::U32, 4000000000u);
  image.pair<int32_t>("i32", ValueType::I32, -2000000000);
  image.pair<uint64_t>("u64", ValueType::U64, 1ull << 63);
  image.pair<int64_t>("i64", ValueType::I64, INT64_MIN);
  image.pair<float>("f32", ValueType::F32, 0.5f);
  image.pair<double>("f64", ValueType::F64, 0.1);
  image.pair<uint8_t>("bool", ValueType::Bool, 1);
  image.key("string", ValueType::String).text("text");
  image.array("strings", ValueType::String, 3).text("a").text("").text("ccc");
  image.array("floats", ValueType::F32, 2).put(1.5f).put(-2.5f);
  image.array("ints", ValueType::I32, 2).put<int32_t>(7).put<int32_t>(-7);
  image.array("bools", ValueType::Bool, 2).put<uint8_t>(0).put<uint8_t>(1);
  image.array("empty", ValueType::String, 0);
  image.tensor("a", {32, 2}, static_cast<uint32_t>(TensorType::Q4_0), 0);
  image.tensor("b", {3}, static_cast<uint32_t>(TensorType::F32), 64);
  image.pad().zeros(36).pad();
  return image.put(1.0f).put(2.0f).put(3.0f);
}

TEST(GGUFReader, GivesTypedValues) {
  GGUFImage image = everything();
  absl::StatusOr<GGUFReader> file = image.read();
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->pairs().size(), 17u);
  EXPECT_EQ(*file->getUnsigned("u8"), 200u);
  EXPECT_EQ(*file->getSigned("i8"), -100);
  EXPECT_EQ(*file->getUnsigned("u16"), 60000u);
  EXPECT_EQ(*file->getSigned("i16"), -30000);
  EXPECT_EQ(*file->getUnsigned("u32"), 4000000000u);
  EXPECT_EQ(*file->getSigned("i32"), -2000000000);
  EXPECT_EQ(*file->getUnsigned("u64"), 1ull << 63);
  EXPECT_EQ(*file->getSigned("i64"), INT64_MIN);
  EXPECT_EQ(*file->getFloat("f32"), 0.5);
  EXPECT_EQ(*file->getFloat("f64"), 0.1);
  EXPECT_TRUE(*file->getBool("bool"));
  EXPECT_EQ(*file->getString("string"), "text");
  EXPECT_THAT(*file->getStrings("strings"), ElementsAre("a", "", "ccc"));
  EXPECT_TRUE(file->getStrings("empty")->empty());
  GGUFArray<float> floats = *file->getFloats("floats");
  ASSERT_EQ(floats.size(), 2u);
  EXPECT_EQ(floats[1], -2.5f);
  GGUFArray<int32_t> ints = *file->getInt32s("ints");
  EXPECT_EQ(ints[0] + ints[1], 0);
  EXPECT_THAT(*file->getIntegers("ints"), ElementsAre(7, -7));
  EXPECT_THAT(*file->getIntegers("bools"), ElementsAre(0, 1));
  EXPECT_THAT(*file->getIntegers("i8"), ElementsAre(-100));
}

TEST(GGUFReader, WrongTypesNameKeyExpectedAndFound) {
  GGUFImage image = everything();
  absl::StatusOr<GGUFReader> file = image.read();
  ASSERT_TRUE(file.ok()) << file.status();
  auto message = [](const auto &result) { return std::string(result.status().message()); };
  EXPECT_THAT(message(file->getString("u8")),
              AllOf(HasSubstr("test.gguf: byte "), HasSubstr("'u8'"), HasSubstr("expected string, got u8")));
  EXPECT_THAT(message(file->getUnsigned("f32")), HasSubstr("expected an integer, got f32"));
  EXPECT_THAT(message(file->getUnsigned("i8")), HasSubstr("expected 0 or more, got -100"));
  EXPECT_THAT(message(file->getSigned("u64")), HasSubstr("expected less than 2^63, got 9223372036854775808"));
  EXPECT_THAT(message(file->getFloat("u32")), HasSubstr("expected f32 or f64, got u32"));
  EXPECT_THAT(message(file->getBool("string")), HasSubstr("expected bool, got string"));
  // Data of one type never passes for another.
  EXPECT_THAT(message(file->getFloats("ints")), HasSubstr("expected array of f32, got array of i32"));
  EXPECT_THAT(message(file->getInt32s("floats")), HasSubstr("expected array of i32, got array of f32"));
  EXPECT_THAT(message(file->getStrings("floats")), HasSubstr("expected array of string, got array of f32"));
  EXPECT_THAT(message(file->getStrings("string")), HasSubstr("expected array of string, got string"));
  EXPECT_THAT(message(file->getIntegers("strings")), HasSubstr("got array of string"));
  EXPECT_THAT(message(file->getIntegers("bool")), HasSubstr("got bool"));
  EXPECT_THAT(message(file->getIntegers("u64")), HasSubstr("expected less than 2^63"));
}

TEST(GGUFReader, AbsentKeys) {
  GGUFImage image = everything();
  absl::StatusOr<GGUFReader> file = image.read();
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(absl::IsNotFound(file->getString("x").status()));
  EXPECT_EQ(std::string(file->getStrings("x").status().message()), "test.gguf: key 'x' is missing");
  EXPECT_EQ(*file->getStringOr("x", "otherwise"), "otherwise");
  EXPECT_EQ(*file->getStringOr("string", "otherwise"), "text");
  EXPECT_EQ(*file->getUnsignedOr("x", 5), 5u);
  EXPECT_EQ(*file->getFloatOr("x", 0.25), 0.25);
  EXPECT_FALSE(*file->getBoolOr("x", false));
  EXPECT_TRUE(absl::IsInvalidArgument(file->getUnsignedOr("f32", 5).status()));
}

TEST(GGUFReader, GivesTensors) {
  GGUFImage image = everything();
  absl::StatusOr<GGUFReader> file = image.read();
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->findTensor("c"), nullptr);
  const GGUFTensor *a = file->findTensor("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->shapeText(), "Q4_0 [32, 2]");
  EXPECT_EQ(a->elements(), 64u);
  EXPECT_EQ(a->bytes, 36u);
  EXPECT_EQ(a->offset, file->dataOffset());
  const GGUFTensor *b = file->findTensor("b");
  EXPECT_EQ(b->offset, file->dataOffset() + 64);
  absl::StatusOr<std::span<const uint8_t>> data = file->data(*b);
  ASSERT_TRUE(data.ok());
  float values[3];
  dequantizeRow(b->format(), data->data(), 3, values);
  EXPECT_THAT(values, ElementsAre(1.0f, 2.0f, 3.0f));
}

TEST(GGUFReader, HeaderOnlyFiles) {
  GGUFImage image = everything();
  image.bytes.resize(image.bytes.size() - 1);
  EXPECT_THAT(image.refusal(), AllOf(HasSubstr("tensor 'b'"), HasSubstr("file is cut off")));
  absl::StatusOr<GGUFReader> file = image.read({.allowMissingData = true});
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->data(*file->findTensor("a")).ok());
  absl::Status missing = file->data(*file->findTensor("b")).status();
  EXPECT_TRUE(absl::IsOutOfRange(missing));
  EXPECT_THAT(std::string(missing.message()), HasSubstr("tensor 'b' takes bytes"));

  image.bytes.resize(file->dataOffset());
  file = image.read({.allowMissingData = true});
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE(file->data(*file->findTensor("a")).ok());
}

TEST(GGUFReader, AcceptsVersion2AndOtherAlignments) {
  for (uint32_t alignment : {8u, 64u, 1u << 20}) {
    GGUFImage image;
    image.header(2, 1, 2).pair("general.alignment", ValueType::U32, alignment);
    image.tensor("a", {1}, 0, 0).tensor("b", {1}, 0, alignment).pad(alignment);
    size_t data = image.bytes.size();
    image.put(1.0f).pad(alignment).put(2.0f);
    absl::StatusOr<GGUFReader> file = image.read();
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->version(), 2u);
    EXPECT_EQ(file->alignment(), alignment);
    EXPECT_EQ(file->tensors()[1].offset, data + alignment);
  }
}

// A search for duplicates that is quadratic would take minutes here.
TEST(GGUFReader, LargeHeaders) {
  constexpr uint32_t count = 100000;
  GGUFImage image;
  image.header(count, count + 1);
  for (uint32_t i = 0; i < count; ++i)
    image.pair("key." + std::to_string(i), ValueType::U32, i);
  image.array("tokens", ValueType::String, count);
  for (uint32_t i = 0; i < count; ++i)
    image.text("token" + std::to_string(i));
  for (uint32_t i = 0; i < count; ++i)
    image.tensor("tensor." + std::to_string(i), {32}, 8, uint64_t(i) * 64);
  absl::StatusOr<GGUFReader> file = image.read({.allowMissingData = true});
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*file->getUnsigned("key.54321"), 54321u);
  EXPECT_EQ((*file->getStrings("tokens"))[54321], "token54321");
  EXPECT_EQ(file->findTensor("tensor.54321")->bytes, 34u);
}

} // namespace
} // namespace lamina
