//===- NpyFileTest.cpp - .npy files, right and wrong ones -----------------------------------------------===//

#include "runtime/io/NpyFile.h"
#include "runtime/io/NpyWriter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

namespace lamina {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::span<const uint8_t> bytesOf(const std::string &text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

/// A file of version 1 with this header, not padded, and data.
std::string image(const std::string &header, const std::string &data) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 255);
  bytes += static_cast<char>(header.size() >> 8);
  return bytes + header + data;
}

std::string refusal(const std::string &bytes) {
  absl::StatusOr<NpyArray> array = parseNpy(bytesOf(bytes), "x.npy");
  return array.ok() ? "" : std::string(array.status().message());
}

TEST(NpyFile, ReadsWhatNumpyWrites) {
  // numpy.save of an int16 array of shape (2, 3), as NumPy 1 and 2 write it
  std::string header = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
  header.append(117 - header.size(), ' ');
  header += '\n';
  absl::StatusOr<NpyArray> array =
      parseNpy(bytesOf(image(header, std::string("\1\0\2\0\3\0\4\0\5\0\6\0", 12))), "x.npy");
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_EQ(array->descr, "<i2");
  EXPECT_THAT(array->shape, ElementsAre(2, 3));
  EXPECT_EQ(array->data[10], 6);
  EXPECT_TRUE(npyHolds(*array, "int16"));
  EXPECT_FALSE(npyHolds(*array, "uint16"));
}

TEST(NpyFile, ReadsWhatItWrites) {
  std::string path = testing::TempDir() + "/round.npy";
  const std::vector<std::vector<int64_t>> shapes = {{}, {3}, {2, 0, 5}, {1, 2, 3, 4}};
  for (const std::vector<int64_t> &shape : shapes) {
    int64_t count = 1;
    for (int64_t size : shape)
      count *= size;
    std::vector<uint8_t> data(static_cast<size_t>(count) * 8);
    for (size_t i = 0; i < data.size(); ++i)
      data[i] = static_cast<uint8_t>(i * 7);
    ASSERT_TRUE(writeNpy(path, "<f8", shape, data).ok());
    absl::StatusOr<NpyArray> array = readNpy(path);
    ASSERT_TRUE(array.ok()) << array.status();
    EXPECT_EQ(array->shape, shape);
    EXPECT_EQ(array->data, data);
    std::ifstream file(path, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(file), {});
    EXPECT_EQ((bytes.size() - data.size()) % 64, 0u);
  }
}

TEST(NpyFile, AcceptsOtherFormsOfTheHeader) {
  EXPECT_EQ(refusal(image("{\"shape\":(),\"descr\":\"|b1\",\"fortran_order\":False}", "\1")), "");
  EXPECT_EQ(refusal(image("{'descr': '<f2', 'fortran_order': True, 'shape': (1,)}", "ab")), "");
  std::string two("\x93NUMPY\x02\x00", 8), header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}";
  EXPECT_EQ(refusal(two + std::string{char(header.size()), 0, 0, 0} + header + "a"), "");
}

TEST(NpyFile, RefusesWithOneLine) {
  auto header = [](const char *descr, const char *order, const char *shape) {
    return std::string("{'descr': '") + descr + "', 'fortran_order': " + order + ", 'shape': " + shape +
           ", }";
  };
  const std::pair<std::string, const char *> cases[] = {
      {"", "expected a .npy file"},
      {"PK\3\4 a zip archive", "expected a .npy file"},
      {std::string("\x93NUMPY\x09\x00\x00\x00    ", 14), "version 9"},
      {std::string("\x93NUMPY\x01\x00\xff\xff    ", 14), "too long or cut off"},
      {std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff    ", 16), "too long or cut off"},
      {image("{'descr': '<f4'", ""), "header cannot be read"},
      {image("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", ""), "header cannot be read"},
      {image("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", ""),
       "header cannot be read"},
      {image(header("<f4", "False", "(-1,)"), ""), "header cannot be read"},
      {image(header("<f4", "False", "(99999999999999999999,)"), ""), "header cannot be read"},
      {image(header("<f4", "False", "(1,)") + "x", "abcd"), "header cannot be read"},
      {image(header("|O", "False", "(1,)"), "abcd"), "'|O' are not known"},
      {image(header(">f4", "False", "(1,)"), "abcd"), "'>f4' are not known"},
      {image(header("<f4", "True", "(1, 1)"), "abcd"), "ascontiguousarray"},
      {image(header("<f4", "False", "(2,)"), "abcd"), "holds 4 bytes of data, its shape takes 8"},
      {image(header("<f4", "False", "(4294967296, 4294967296, 4294967296)"), ""), "more than there can be"},
  };
  for (const auto &[bytes, message] : cases) {
    EXPECT_THAT(refusal(bytes), HasSubstr(message));
    EXPECT_THAT(refusal(bytes), HasSubstr("'x.npy'"));
  }
}

TEST(NpyFile, NamesWhatCannotBeRead) {
  EXPECT_THAT(std::string(readNpy("/nowhere/x.npy").status().message()), HasSubstr("/nowhere/x.npy"));
}

} // namespace
} // namespace lamina
