//===- NpyWriter.cpp - a float32 matrix as a .npy file ------------------------------------------------===//

#include "tools/lamina-run/NpyWriter.h"

#include "runtime/base/StrCat.h"
#include "runtime/io/NpyFile.h"

#include <cerrno>
#include <cstring>

namespace lamina::run {

absl::StatusOr<NpyWriter> NpyWriter::create(const std::string &path, size_t rows, size_t columns) {
  NpyWriter writer(path, std::fopen(path.c_str(), "wbe"));
  if (!writer.file_)
    return writer.failed();
  const int64_t shape[] = {static_cast<int64_t>(rows), static_cast<int64_t>(columns)};
  std::string header = npyHeader("<f4", shape);
  if (std::fwrite(header.data(), 1, header.size(), writer.file_.get()) != header.size())
    return writer.failed();
  return writer;
}

absl::Status NpyWriter::append(std::span<const float> row) {
  return std::fwrite(row.data(), sizeof(float), row.size(), file_.get()) == row.size() ? absl::OkStatus()
                                                                                       : failed();
}

absl::Status NpyWriter::close() { return std::fclose(file_.release()) == 0 ? absl::OkStatus() : failed(); }

absl::Status NpyWriter::failed() const {
  return absl::UnavailableError(
      strCat("cannot write '", path_, "': ", std::strerror(errno), "; give --logits-out another file"));
}

} // namespace lamina::run
