//===- Sha256Test.cpp: the examples of FIPS 180-4 -------------------------------------------------------===//

#include "runtime/base/Sha256.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <unistd.h>

namespace lamina {
namespace {

constexpr const char *kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char *kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char *kTwoBlocks = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
constexpr const char *kMillionA = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(Sha256::hexOf(std::string_view()), kEmpty);
  EXPECT_EQ(Sha256::hexOf("abc"), kAbc);
  EXPECT_EQ(Sha256::hexOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), kTwoBlocks);
}

TEST(Sha256, PiecesGiveTheSameAsTheWhole) {
  Sha256 sha;
  std::string piece(999, 'a');
  for (int i = 0; i < 1001; ++i)
    sha.update(piece);
  sha.update("a");
  EXPECT_EQ(Sha256::hex(sha.finish()), kMillionA);
  // Finishing starts anew.
  sha.update("abc");
  EXPECT_EQ(Sha256::hex(sha.finish()), kAbc);
}

TEST(Sha256, Files) {
  std::string path = testing::TempDir() + "lamina_sha_" + std::to_string(getpid());
  std::ofstream(path, std::ios::binary) << "abc";
  absl::StatusOr<std::string> digest = Sha256::hexOfFile(path);
  std::remove(path.c_str());
  ASSERT_TRUE(digest.ok()) << digest.status();
  EXPECT_EQ(*digest, kAbc);
  EXPECT_TRUE(absl::IsNotFound(Sha256::hexOfFile(path).status()));
}

} // namespace
} // namespace lamina
