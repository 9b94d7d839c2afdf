//===- Sha256.h - SHA-256 of bytes and files --------------------------------------------------*- C++ -*-===//
//
// Incremental SHA-256 (FIPS 180-4), computed by libcrypto. One object serves one thread at a time.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_BASE_SHA256_H
#define LAMINA_RUNTIME_BASE_SHA256_H

#include "runtime/base/Status.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lamina {

class Sha256 {
public:
  using Digest = std::array<uint8_t, 32>;

  Sha256();
  Sha256(Sha256 &&) noexcept;
  Sha256 &operator=(Sha256 &&) noexcept;
  ~Sha256();

  void update(std::span<const uint8_t> bytes);
  void update(std::string_view text);

  /// The digest of everything so far; the object starts anew afterwards.
  Digest finish();

  /// 64 lower-case hexadecimal digits.
  static std::string hex(const Digest &digest);

  /// Hexadecimal digest of some bytes.
  static std::string hexOf(std::span<const uint8_t> bytes);
  static std::string hexOf(std::string_view text);

  /// Hexadecimal digest of a file's contents; errors as MappedFile::open.
  static absl::StatusOr<std::string> hexOfFile(const std::string &path);

private:
  struct Context;
  std::unique_ptr<Context> context_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_BASE_SHA256_H
