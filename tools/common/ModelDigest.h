//===- ModelDigest.h - the digest of a model's bytes, remembered ----------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_MODELDIGEST_H
#define LAMINA_TOOLS_COMMON_MODELDIGEST_H

#include "tools/common/SourceFiles.h"

#include <cstdint>
#include <string>

namespace lamina {

/// Timestamps finer than any file system keeps them do not help: a file that changed less than this long ago
/// might change again without a trace.
inline constexpr uint64_t kSettledNanoseconds = 2'000'000'000;

/// SHA-256 of all files of a model, one after another, in hexadecimal digits. Hashing gigabytes takes
/// seconds, so the result is kept in `folder`, in a file named after what tells one version of a file from
/// another without reading it: device, inode, size, and the times of the last change of its bytes and (which
/// no program can set) of its inode, for every file. Files that changed less than `settled` ago are always
/// read. A folder that cannot be written costs time and nothing else.
std::string modelDigest(const SourceFiles &model, const std::string &folder,
                        uint64_t settled = kSettledNanoseconds);

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_MODELDIGEST_H
