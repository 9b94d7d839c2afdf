//===- WeightUpload.cpp - a file's bytes into the memory of a GPU -------------------------------------===//

#include "runtime/device/cuda/WeightUpload.h"

#include "runtime/device/WeightsFile.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <unistd.h>
#include <vector>

namespace lamina::cuda {
namespace {

/// Large enough that a chunk's overheads vanish, small enough that reading and copying overlap soon.
constexpr uint64_t kChunkBytes = 16 << 20;
/// Enough to keep a fast disk and the bus busy at once.
constexpr uint64_t kThreads = 4;

struct Upload {
  const Driver &driver;
  CUcontext context;
  const std::string &path;
  int file;
  uint64_t bytes;
  CUdeviceptr to;
  std::atomic<uint64_t> next{0}; ///< offset of the first chunk that nobody has taken
};

absl::Status readChunk(const Upload &upload, char *to, uint64_t offset, uint64_t length) {
  while (length != 0) {
    ssize_t count = pread(upload.file, to, length, off_t(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return absl::DataLossError(absl::StrCat("cannot read weights file ", upload.path, " at byte ", offset,
                                              ": ", count == 0 ? "it became shorter" : strerror(errno)));
    to += count;
    offset += uint64_t(count);
    length -= uint64_t(count);
  }
  return absl::OkStatus();
}

absl::Status copyChunks(Upload &upload, char *staging, CUstream stream) {
  const Driver &driver = upload.driver;
  for (uint64_t offset; (offset = upload.next.fetch_add(kChunkBytes)) < upload.bytes;) {
    uint64_t length = std::min(kChunkBytes, upload.bytes - offset);
    LAMINA_RETURN_IF_ERROR(readChunk(upload, staging, offset, length));
    LAMINA_CUDA_CHECK(driver, cuMemcpyHtoDAsync(upload.to + offset, staging, length, stream),
                      "cannot copy weights to the GPU");
    LAMINA_CUDA_CHECK(driver, cuStreamSynchronize(stream), "cannot copy weights to the GPU");
  }
  return absl::OkStatus();
}

absl::Status runThread(Upload &upload) {
  const Driver &driver = upload.driver;
  LAMINA_CUDA_CHECK(driver, cuCtxSetCurrent(upload.context), "cannot use the GPU from a second thread");
  void *staging = nullptr;
  LAMINA_CUDA_CHECK(driver, cuMemHostAlloc(&staging, kChunkBytes, CU_MEMHOSTALLOC_PORTABLE),
                    "cannot allocate pinned memory to load weights");
  CUstream stream = nullptr;
  absl::Status status =
      driver.check(driver.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), "cannot create a stream");
  if (status.ok()) {
    status = copyChunks(upload, static_cast<char *>(staging), stream);
    driver.cuStreamDestroy(stream);
  }
  driver.cuMemFreeHost(staging);
  return status;
}

absl::Status runThreads(Upload &upload) {
  std::vector<absl::Status> results(std::clamp<uint64_t>(upload.bytes / kChunkBytes, 1, kThreads));
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < results.size(); ++i)
    helpers.emplace_back([&upload, &result = results[i]] { result = runThread(upload); });
  results[0] = runThread(upload);
  for (std::thread &helper : helpers)
    helper.join();
  for (const absl::Status &result : results)
    LAMINA_RETURN_IF_ERROR(result);
  return absl::OkStatus();
}

} // namespace

absl::Status uploadFile(const Driver &driver, CUcontext context, const std::string &path, uint64_t bytes,
                        CUdeviceptr to) {
  LAMINA_ASSIGN_OR_RETURN(int file, openWeights(path, bytes));
  Upload upload{driver, context, path, file, bytes, to};
  absl::Status status = runThreads(upload);
  close(file);
  return status;
}

} // namespace lamina::cuda
