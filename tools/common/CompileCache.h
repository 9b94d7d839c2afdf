//===- CompileCache.h - artifacts of GGUF files that are run directly -----------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_COMPILECACHE_H
#define LAMINA_TOOLS_COMMON_COMPILECACHE_H

#include "runtime/base/Status.h"

#include <string>
#include <vector>

namespace lamina {

/// The artifact of a GGUF file: $XDG_CACHE_HOME/lamina/KEY.lamina (~/.cache/lamina without the variable),
/// where KEY is the SHA-256 of the model's bytes (see modelDigest), the version, the compiler that is found
/// and its `flags`. If it is missing, lamina-opt makes it: the one beside this program, or else the one in
/// PATH. `again`: even if it is there, because it is damaged.
absl::StatusOr<std::string> compileIntoCache(const std::string &model, const std::vector<std::string> &flags,
                                             bool again = false);

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_COMPILECACHE_H
