//===- NpyFile.h - NumPy's files of one array -------------------------------------------------*- C++ -*-===//
//
// Reads .npy (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): versions 1 to 3, row-major,
// little endian; NpyWriter.h writes. Files come from anywhere: every size is checked before it is used, and an error is one line that names the
// file and what to do.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_NPYFILE_H
#define LAMINA_RUNTIME_IO_NPYFILE_H

#include "runtime/base/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

struct NpyArray {
  std::string descr; ///< NumPy's name of the element type: "<f4"
  std::vector<int64_t> shape;
  std::vector<uint8_t> data; ///< as many bytes as type and shape take
};

absl::StatusOr<NpyArray> readNpy(const std::string &path);
/// The same of bytes in memory; `path` is for messages.
absl::StatusOr<NpyArray> parseNpy(std::span<const uint8_t> bytes, const std::string &path);

/// What comes before the data; the data begins at a multiple of 64.
std::string npyHeader(std::string_view descr, std::span<const int64_t> shape);

/// NumPy's name of an element type of ONNX ("float", "int64"). Types that NumPy lacks are raw bytes, "<V2" for bfloat16, "|V1" for
/// an element of at most eight bits in its lowest ones, as the ml_dtypes package stores them. Empty if it is none.
std::string_view npyDescr(std::string_view element);

/// Bytes of an element by NumPy's name; 0 if lamina does not know it.
uint64_t npyElementBytes(std::string_view descr);

/// Whether an array has elements of a type of ONNX.
inline bool npyHolds(const NpyArray &array, std::string_view element) {
  return !array.descr.empty() && array.descr == npyDescr(element);
}

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_NPYFILE_H
