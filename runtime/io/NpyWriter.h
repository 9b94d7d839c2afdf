//===- NpyWriter.h - an array as a .npy file, piece by piece ----------------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_IO_NPYWRITER_H
#define LAMINA_RUNTIME_IO_NPYWRITER_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lamina {

/// Writes an array's bytes one after another, so that it is never in memory as a whole. What is not closed is removed: a file
/// that is there has all of its array.
class NpyWriter {
public:
  static absl::StatusOr<NpyWriter> create(const std::string &path, std::string_view descr,
                                          std::span<const int64_t> shape);
  absl::Status append(std::span<const uint8_t> bytes);
  /// Whether all that the shape takes was appended.
  bool isComplete() const { return missing_ == 0; }
  /// Once it is complete; nothing can be appended any more.
  absl::Status close();

private:
  /// Of a file that was not closed.
  struct Remover {
    std::string path;
    void operator()(std::FILE *file) const;
  };
  NpyWriter(std::string path, std::FILE *file, uint64_t bytes)
      : file_(file, Remover{std::move(path)}), missing_(bytes) {}
  absl::Status write(std::string_view bytes);
  absl::Status failed() const;

  std::unique_ptr<std::FILE, Remover> file_;
  uint64_t missing_;
};

absl::Status writeNpy(const std::string &path, std::string_view descr, std::span<const int64_t> shape,
                      std::span<const uint8_t> data);

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_NPYWRITER_H
