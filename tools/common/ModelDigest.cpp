//===- ModelDigest.cpp - the digest of a model's bytes, remembered --------------------------------------===//

#include "tools/common/ModelDigest.h"

#include "runtime/base/Sha256.h"
#include "runtime/base/StrCat.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace lamina {
namespace {

constexpr size_t kDigestDigits = 64;

uint64_t nanoseconds(const timespec &time) {
  return uint64_t(time.tv_sec) * 1'000'000'000 + uint64_t(time.tv_nsec);
}

/// What tells the model's files from all others; empty if that cannot be known.
struct Identity {
  std::string text;
  uint64_t lastChange = 0;
};

Identity identityOf(const SourceFiles &model) {
  Identity identity;
  for (const SourceFiles::File &file : model.files) {
    struct stat info;
    if (::stat(file.path.c_str(), &info) != 0 || uint64_t(info.st_size) != file.bytes.size())
      return {};
    identity.text += strCat(uint64_t(info.st_dev), " ", uint64_t(info.st_ino), " ", int64_t(info.st_size),
                            " ", nanoseconds(info.st_mtim), " ", nanoseconds(info.st_ctim), "\n");
    identity.lastChange =
        std::max({identity.lastChange, nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)});
  }
  return identity;
}

std::string remembered(const std::string &file) {
  std::ifstream stream(file);
  std::string digest;
  stream >> digest;
  bool valid =
      digest.size() == kDigestDigits && digest.find_first_not_of("0123456789abcdef") == std::string::npos;
  return valid ? digest : "";
}

/// In one step, so that nobody reads half a digest.
void remember(const std::string &file, const std::string &digest) {
  std::string temporary = strCat(file, ".", ::getpid());
  std::ofstream stream(temporary);
  stream << digest << "\n";
  stream.close();
  if (stream.fail() || std::rename(temporary.c_str(), file.c_str()) != 0)
    std::remove(temporary.c_str());
}

} // namespace

std::string modelDigest(const SourceFiles &model, const std::string &folder, uint64_t settled) {
  Identity before = identityOf(model);
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  bool usable = !before.text.empty() && before.lastChange + settled <= nanoseconds(now);
  std::string file = strCat(folder, "/", Sha256::hexOf(before.text), ".sha256");
  if (usable)
    if (std::string digest = remembered(file); !digest.empty())
      return digest;
  Sha256 sha;
  for (const SourceFiles::File &source : model.files)
    sha.update(source.bytes);
  std::string digest = Sha256::hex(sha.finish());
  if (usable && identityOf(model).text == before.text)
    remember(file, digest);
  return digest;
}

} // namespace lamina
