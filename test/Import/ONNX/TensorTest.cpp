//===- TensorTest.cpp: encodings of tensors and attributes
//------------------------------------------------------===//

#include "test/Import/ONNX/TinyModel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace lamina::onnx {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Proto = ::onnx::TensorProto;
using Kind = ::onnx::AttributeProto;

Proto tensor(int32_t type, std::initializer_list<int64_t> dims) {
  Proto proto;
  proto.set_name("t");
  proto.set_data_type(type);
  for (int64_t dim : dims)
    proto.add_dims(dim);
  return proto;
}

absl::StatusOr<TensorConstant> read(const Proto &proto) {
  return readTensorFile(asBytes(proto.SerializeAsString()), "t.pb");
}

template <typename T> std::vector<T> values(const Proto &proto) {
  absl::StatusOr<TensorConstant> result = read(proto);
  EXPECT_TRUE(result.ok()) << result.status();
  const std::string bytes = result.ok() ? std::get<std::string>(result->data) : "";
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty())
    std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::string refusalOf(const Proto &proto) {
  absl::StatusOr<TensorConstant> result = read(proto);
  return result.ok() ? "" : std::string(result.status().message());
}

TEST(OnnxTensor, Encodings) {
  Proto floats = tensor(Proto::FLOAT, {2});
  floats.add_float_data(1.5f);
  floats.add_float_data(-2);
  EXPECT_THAT(values<float>(floats), ElementsAre(1.5f, -2));
  Proto doubles = tensor(Proto::COMPLEX128, {1});
  doubles.add_double_data(1);
  doubles.add_double_data(2);
  EXPECT_THAT(values<double>(doubles), ElementsAre(1, 2));
  Proto bytes = tensor(Proto::INT8, {2, 1});
  bytes.add_int32_data(-128);
  bytes.add_int32_data(127);
  EXPECT_THAT(values<int8_t>(bytes), ElementsAre(-128, 127));
  Proto halves = tensor(Proto::FLOAT16, {2});
  halves.add_int32_data(0x3c00);
  halves.add_int32_data(0xbc00);
  EXPECT_THAT(values<uint16_t>(halves), ElementsAre(0x3c00, 0xbc00));
  Proto longs = tensor(Proto::INT64, {2});
  longs.add_int64_data(INT64_MIN);
  longs.add_int64_data(7);
  EXPECT_THAT(values<int64_t>(longs), ElementsAre(INT64_MIN, 7));
  Proto naturals = tensor(Proto::UINT64, {1});
  naturals.add_uint64_data(UINT64_MAX);
  EXPECT_THAT(values<uint64_t>(naturals), ElementsAre(UINT64_MAX));
  // Two elements a byte, the last one alone.
  Proto nibbles = tensor(Proto::UINT4, {3});
  nibbles.add_int32_data(0x21);
  nibbles.add_int32_data(0x03);
  EXPECT_THAT(values<uint8_t>(nibbles), ElementsAre(0x21, 0x03));
  Proto sixBits = tensor(Proto::FLOAT6E2M3, {5});
  sixBits.set_raw_data("abcd");
  EXPECT_THAT(values<char>(sixBits), ElementsAre('a', 'b', 'c', 'd'));
  EXPECT_TRUE(values<char>(tensor(Proto::FLOAT, {3, 0})).empty());
}

TEST(OnnxTensor, ListsInPieces) {
  // Parsers must read packed lists in pieces, and lists that are not packed.
  Proto one = tensor(Proto::FLOAT, {3});
  Proto first, second;
  first.add_float_data(1);
  first.add_float_data(2);
  std::string image = one.SerializeAsString() + first.SerializeAsString();
  image += std::string("\x25\0\0\x40\x40", 5); // float_data, 4 bytes: 3.0
  absl::StatusOr<TensorConstant> result = readTensorFile(asBytes(image), "t.pb");
  ASSERT_TRUE(result.ok()) << result.status();
  const std::string &bytes = std::get<std::string>(result->data);
  float values[3];
  ASSERT_EQ(bytes.size(), sizeof(values));
  std::memcpy(values, bytes.data(), sizeof(values));
  EXPECT_THAT(values, ElementsAre(1, 2, 3));
}

TEST(OnnxTensor, Strings) {
  Proto proto = tensor(Proto::STRING, {2});
  proto.add_string_data("a");
  proto.add_string_data("");
  absl::StatusOr<TensorConstant> result = read(proto);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(std::get<std::vector<std::string>>(result->data), ElementsAre("a", ""));
  proto.add_string_data("c");
  EXPECT_THAT(refusalOf(proto), HasSubstr("tensor 't': its shape takes 2 strings, but there are 3"));
  Proto raw = tensor(Proto::STRING, {1});
  raw.set_raw_data("x");
  EXPECT_THAT(refusalOf(raw), HasSubstr("elements of type string cannot be in field 9"));
}

TEST(OnnxTensor, Refusals) {
  auto withRaw = [](Proto proto, size_t bytes) {
    proto.set_raw_data(std::string(bytes, '\0'));
    return refusalOf(proto);
  };
  EXPECT_THAT(withRaw(tensor(Proto::FLOAT, {2}), 7),
              HasSubstr("tensor 't': its shape takes 8 bytes, but there are 7"));
  EXPECT_THAT(withRaw(tensor(Proto::FLOAT, {-2}), 8),
              HasSubstr("tensor 't': dimension 0 is -2, expected 0 or more"));
  constexpr int64_t big = int64_t(1) << 32;
  EXPECT_THAT(withRaw(tensor(Proto::FLOAT, {big, big}), 0), HasSubstr("does not fit 63 bits"));
  EXPECT_THAT(withRaw(tensor(Proto::FLOAT, {big, big, 0}), 0), HasSubstr("does not fit 63 bits"));
  EXPECT_THAT(withRaw(tensor(Proto::DOUBLE, {big, big / 8}), 0), HasSubstr("does not fit 63 bits"));
  EXPECT_THAT(withRaw(tensor(29, {1}), 4),
              HasSubstr("tensor 't': element type 29 is unknown, expected 1 to 28"));
  EXPECT_THAT(withRaw(tensor(-1, {1}), 4), HasSubstr("element type -1 is unknown"));
  EXPECT_THAT(withRaw(tensor(0, {1}), 4), HasSubstr("it has no element type"));
  EXPECT_THAT(refusalOf(tensor(Proto::FLOAT, {2})), HasSubstr("it has 2 elements but no data"));
  Proto wide = tensor(Proto::UINT8, {1});
  wide.add_int32_data(256);
  EXPECT_THAT(refusalOf(wide), HasSubstr("the value 256 does not fit uint8"));
  Proto other = tensor(Proto::FLOAT, {1});
  other.add_int32_data(1);
  EXPECT_THAT(refusalOf(other), HasSubstr("elements of type float cannot be in field 5"));
  other.set_raw_data("abcd");
  EXPECT_THAT(refusalOf(other), HasSubstr("a tensor has its data twice, in fields 5 and 9"));
  Proto segment = tensor(Proto::FLOAT, {1});
  segment.mutable_segment()->set_begin(0);
  EXPECT_THAT(refusalOf(segment), HasSubstr("stored in segments"));
  Proto external = tensor(Proto::FLOAT, {1});
  addExternal(&external, "location", "data");
  EXPECT_THAT(refusalOf(external), HasSubstr("external data 'data', which cannot be here"));
}

TEST(OnnxTensor, Attributes) {
  ::onnx::ModelProto proto = addModel();
  ::onnx::NodeProto *node = proto.mutable_graph()->mutable_node(0);
  addAttribute(node, "f", Kind::FLOAT)->set_f(0.5f);
  addAttribute(node, "i", Kind::INT)->set_i(-3);
  addAttribute(node, "s", Kind::STRING)->set_s("text");
  *addAttribute(node, "t", Kind::TENSOR)->mutable_t() = tensor(Proto::FLOAT, {0});
  addAttribute(node, "floats", Kind::FLOATS)->add_floats(2);
  addAttribute(node, "ints", Kind::INTS)->add_ints(4);
  addAttribute(node, "strings", Kind::STRINGS)->add_strings("u");
  addAttribute(node, "tp", Kind::TYPE_PROTO)->mutable_tp()->mutable_sequence_type();
  addAttribute(node, "graphs", Kind::GRAPHS)->add_graphs()->set_name("inner");
  // What writers of proto3 leave out.
  addAttribute(node, "zero", Kind::INT);
  addAttribute(node, "none", Kind::INTS);
  absl::StatusOr<Model> model = readModel(asBytes(proto.SerializeAsString()), "test.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  const Node &read = model->graph.nodes[0];
  EXPECT_EQ(std::get<float>(read.find("f")->value), 0.5f);
  EXPECT_EQ(std::get<int64_t>(read.find("i")->value), -3);
  EXPECT_EQ(std::get<std::string>(read.find("s")->value), "text");
  EXPECT_THAT(std::get<TensorConstant>(read.find("t")->value).dims, ElementsAre(0));
  EXPECT_THAT(std::get<std::vector<float>>(read.find("floats")->value), ElementsAre(2));
  EXPECT_THAT(std::get<std::vector<int64_t>>(read.find("ints")->value), ElementsAre(4));
  EXPECT_THAT(std::get<std::vector<std::string>>(read.find("strings")->value), ElementsAre("u"));
  EXPECT_EQ(std::get<Type>(read.find("tp")->value).kind, Type::Kind::Sequence);
  EXPECT_EQ(std::get<std::vector<std::unique_ptr<Graph>>>(read.find("graphs")->value).at(0)->name, "inner");
  EXPECT_EQ(std::get<int64_t>(read.find("zero")->value), 0);
  EXPECT_TRUE(std::get<std::vector<int64_t>>(read.find("none")->value).empty());
  EXPECT_EQ(read.find("more"), nullptr);
}

TEST(OnnxTensor, AttributeRefusals) {
  auto refused = [](auto change) {
    ::onnx::ModelProto proto = addModel();
    change(addAttribute(proto.mutable_graph()->mutable_node(0), "a", Kind::INT));
    return refusal(proto);
  };
  EXPECT_THAT(
      refused([](Kind *a) { a->set_f(1); }),
      HasSubstr("node 'node/y' ('Add'): byte 30: attribute 'a': its kind is 2 but its value is in field 2"));
  EXPECT_THAT(refused([](Kind *a) { a->set_i(1), a->set_s("x"); }),
              HasSubstr("values in fields 3 and 4, expected one"));
  EXPECT_THAT(refused([](Kind *a) { a->clear_name(); }), HasSubstr("it has no name"));
  EXPECT_THAT(refused([](Kind *a) { a->clear_type(); }), HasSubstr("it does not say its kind"));
  EXPECT_THAT(refused([](Kind *a) { a->set_type(Kind::TENSOR); }), HasSubstr("it has no value"));
  EXPECT_THAT(refused([](Kind *a) { a->set_type(Kind::SPARSE_TENSOR); }),
              HasSubstr("kind 11 is one that lamina does"));
  EXPECT_THAT(refused([](Kind *a) { a->set_ref_attr_name("r"); }),
              HasSubstr("refers to 'r' of a function, but"));
  ::onnx::ModelProto twice = addModel();
  for (int i = 0; i < 2; ++i)
    addAttribute(twice.mutable_graph()->mutable_node(0), "a", Kind::INT);
  EXPECT_THAT(refusal(twice), HasSubstr("node 'node/y' ('Add'): attribute 'a' is given twice"));
}

} // namespace
} // namespace lamina::onnx
