//===- NpyWriter.cpp - a float32 matrix as a .npy file ------------------------------------------------===//

#include "tools/lamina-run/NpyWriter.h"

#include "runtime/base/StrCat.h"

#include <bit>
#include <cerrno>
#include <cstring>

namespace lamina::run {

static_assert(std::endian::native == std::endian::little, "the header says '<f4'");

absl::StatusOr<NpyWriter> NpyWriter::create(const std::string &path, size_t rows, size_t columns) {
  NpyWriter writer(path, std::fopen(path.c_str(), "wbe"));
  if (!writer.file_)
    return writer.failed();
  std::string header =
      strCat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows, ", ", columns, "), }");
  // Magic, version 1.0 and a 16-bit length come before it; the data starts at a multiple of 64.
  constexpr size_t kPreamble = 10;
  header.append(63 - (kPreamble + header.size()) % 64, ' ');
  header += '\n';
  std::string preamble("\x93NUMPY\x01\x00", 8);
  preamble += static_cast<char>(header.size() & 255);
  preamble += static_cast<char>(header.size() >> 8);
  header = preamble + header;
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
