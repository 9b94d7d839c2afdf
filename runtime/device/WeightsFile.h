//===- WeightsFile.h - a worker's shard on the disk -----------------------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_DEVICE_WEIGHTSFILE_H
#define LAMINA_RUNTIME_DEVICE_WEIGHTSFILE_H

#include "runtime/base/Status.h"

#include "absl/strings/str_cat.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace lamina {

/// A descriptor of the file, which has at least `bytes` bytes; the caller closes it.
inline absl::StatusOr<int> openWeights(const std::string &path, uint64_t bytes) {
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return absl::NotFoundError(absl::StrCat("cannot open weights file ", path, ": ", strerror(errno)));
  struct stat info = {};
  if (fstat(file, &info) == 0 && uint64_t(info.st_size) >= bytes)
    return file;
  close(file);
  return absl::DataLossError(absl::StrCat("weights file ", path, " has ", info.st_size,
                                          " bytes, the plan needs ", bytes,
                                          ": the artifact is incomplete, copy or compile it again"));
}

} // namespace lamina

#endif // LAMINA_RUNTIME_DEVICE_WEIGHTSFILE_H
