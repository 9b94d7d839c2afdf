//===- ArtifactFuzzer.cpp - hostile manifests and plans -----------------------------------------------===//
//
// The input is a manifest's body and a plan, separated by a zero byte. The body gets a true hash, because a
// fuzzer cannot find one and the checks behind it are the ones of interest; the raw input is tried as a
// manifest as well.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "runtime/base/Sha256.h"
#include "runtime/base/StrCat.h"
#include "runtime/io/ArtifactReader.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view input(reinterpret_cast<const char *>(data), size);
  (void)lamina::parseManifest(input).status();

  size_t border = std::min(input.find('\0'), size);
  std::string_view body = input.substr(0, border);
  std::string_view planBytes = input.substr(std::min(border + 1, size));
  auto manifest = lamina::parseManifest(
      lamina::strCat(lamina::kManifestPrefix, lamina::Sha256::hexOf(body), lamina::kManifestSuffix, body));
  if (!manifest.ok())
    return 0;
  // What was accepted must survive its own canonical form.
  auto again = lamina::parseManifest(lamina::formatManifest(*manifest));
  if (!again.ok() || again->files != manifest->files)
    std::abort();
  (void)lamina::parsePlan(planBytes, *manifest).status();
  return 0;
}
