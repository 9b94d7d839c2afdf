//===- NpyWriter.h - a float32 matrix as a .npy file ----------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_RUN_NPYWRITER_H
#define LAMINA_TOOLS_LAMINA_RUN_NPYWRITER_H

#include "runtime/base/Status.h"

#include <cstdio>
#include <memory>
#include <span>
#include <string>

namespace lamina::run {

/// Writes rows one after another as NumPy's format 1.0, so that the matrix is never in memory as a whole.
class NpyWriter {
public:
  static absl::StatusOr<NpyWriter> create(const std::string &path, size_t rows, size_t columns);
  absl::Status append(std::span<const float> row);
  absl::Status close();

private:
  struct Closer {
    void operator()(std::FILE *file) const { std::fclose(file); }
  };
  NpyWriter(std::string path, std::FILE *file) : path_(std::move(path)), file_(file) {}
  absl::Status failed() const;

  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
};

} // namespace lamina::run

#endif // LAMINA_TOOLS_LAMINA_RUN_NPYWRITER_H
