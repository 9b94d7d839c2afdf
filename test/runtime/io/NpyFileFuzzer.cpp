//===- NpyFileFuzzer.cpp - any bytes as an array --------------------------------------------------------===//

#include "runtime/io/NpyFile.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  absl::StatusOr<lamina::NpyArray> array = lamina::parseNpy({bytes, size}, "fuzz");
  if (!array.ok())
    return 0;
  // What was read can be written, and read again.
  std::string copy = lamina::npyHeader(array->descr, array->shape);
  copy.append(array->data.begin(), array->data.end());
  auto again = lamina::parseNpy({reinterpret_cast<const uint8_t *>(copy.data()), copy.size()}, "copy");
  if (!again.ok() || again->shape != array->shape || again->data != array->data)
    std::abort();
  return 0;
}
