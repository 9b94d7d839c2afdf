//===- Backends.h - the devices that tests run on -------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TEST_RUNTIME_DEVICE_BACKENDS_H
#define LAMINA_TEST_RUNTIME_DEVICE_BACKENDS_H

#include "runtime/device/Device.h"

#include <memory>
#include <string>
#include <vector>

namespace lamina::test {

struct Backend {
  const char *name;
  absl::StatusOr<std::unique_ptr<Device>> (*create)();
  std::vector<CodeFile> (*code)(); ///< with the kernel test_double
  uint32_t blockThreads;
};

/// "cpu", "cuda_sim", and "cuda", which is there where a GPU is.
std::vector<Backend> backends();

} // namespace lamina::test

#endif // LAMINA_TEST_RUNTIME_DEVICE_BACKENDS_H
