//===- Sha256.cpp - SHA-256 of bytes and files ----------------------------------------------------------===//

#include "runtime/base/Sha256.h"

#include "runtime/base/MappedFile.h"

// libcrypto's low-level interface is declared deprecated in favour of EVP. EVP would pull the provider
// machinery and all its algorithms into the static lamina-run (several MB); the low-level one is a few KB and
// needs no allocation.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

namespace lamina {

struct Sha256::Context {
  SHA256_CTX state;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) { SHA256_Init(&context_->state); }
Sha256::Sha256(Sha256 &&) noexcept = default;
Sha256 &Sha256::operator=(Sha256 &&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::span<const uint8_t> bytes) {
  SHA256_Update(&context_->state, bytes.data(), bytes.size());
}

void Sha256::update(std::string_view text) { SHA256_Update(&context_->state, text.data(), text.size()); }

Sha256::Digest Sha256::finish() {
  Digest digest;
  SHA256_Final(digest.data(), &context_->state);
  SHA256_Init(&context_->state);
  return digest;
}

std::string Sha256::hex(const Digest &digest) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (uint8_t byte : digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string Sha256::hexOf(std::span<const uint8_t> bytes) {
  Sha256 sha;
  sha.update(bytes);
  return hex(sha.finish());
}

std::string Sha256::hexOf(std::string_view text) {
  Sha256 sha;
  sha.update(text);
  return hex(sha.finish());
}

absl::StatusOr<std::string> Sha256::hexOfFile(const std::string &path) {
  LAMINA_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  return hexOf(file.bytes());
}

} // namespace lamina
