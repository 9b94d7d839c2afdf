//===- DriverTypesTest.cpp - our declarations of the CUDA driver against NVIDIA's ---------------------===//

#include "runtime/device/cuda/DriverTypes.h"

#include <gtest/gtest.h>

#if __has_include(<cuda.h>)
namespace {

/// What is a macro there and cannot be named once the header is included.
constexpr uintptr_t kPortableHost = lamina::cuda::CU_MEMHOSTALLOC_PORTABLE,
                    kPortableRegister = lamina::cuda::CU_MEMHOSTREGISTER_PORTABLE,
                    kDeviceMap = lamina::cuda::CU_MEMHOSTREGISTER_DEVICEMAP,
                    kEnd = lamina::cuda::CU_LAUNCH_PARAM_END,
                    kPointer = lamina::cuda::CU_LAUNCH_PARAM_BUFFER_POINTER,
                    kSize = lamina::cuda::CU_LAUNCH_PARAM_BUFFER_SIZE;

} // namespace
#include <cuda.h>
#endif

namespace lamina {
namespace {

TEST(DriverTypes, AgreeWithTheDriversHeader) {
#if __has_include(<cuda.h>)
#define SAME(name) EXPECT_EQ(int(cuda::name), int(::name)) << #name
  SAME(CUDA_ERROR_INVALID_VALUE);
  SAME(CUDA_ERROR_OUT_OF_MEMORY);
  SAME(CUDA_ERROR_NOT_INITIALIZED);
  SAME(CUDA_ERROR_NO_DEVICE);
  SAME(CUDA_ERROR_INVALID_DEVICE);
  SAME(CUDA_ERROR_INVALID_IMAGE);
  SAME(CUDA_ERROR_INVALID_CONTEXT);
  SAME(CUDA_ERROR_NO_BINARY_FOR_GPU);
  SAME(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
  SAME(CUDA_ERROR_INVALID_HANDLE);
  SAME(CUDA_ERROR_ILLEGAL_STATE);
  SAME(CUDA_ERROR_NOT_FOUND);
  SAME(CUDA_ERROR_NOT_READY);
  SAME(CUDA_ERROR_ILLEGAL_ADDRESS);
  SAME(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
  SAME(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
  SAME(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  SAME(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  SAME(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  SAME(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  SAME(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
  SAME(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
  SAME(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  SAME(CU_STREAM_NON_BLOCKING);
  SAME(CU_STREAM_WAIT_VALUE_GEQ);
  SAME(CU_STREAM_WRITE_VALUE_DEFAULT);
  SAME(CU_EVENT_DEFAULT);
  SAME(CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
#undef SAME
  EXPECT_EQ(kPortableHost, uintptr_t(CU_MEMHOSTALLOC_PORTABLE));
  EXPECT_EQ(kPortableRegister, uintptr_t(CU_MEMHOSTREGISTER_PORTABLE));
  EXPECT_EQ(kDeviceMap, uintptr_t(CU_MEMHOSTREGISTER_DEVICEMAP));
  EXPECT_EQ(kEnd, uintptr_t(CU_LAUNCH_PARAM_END));
  EXPECT_EQ(kPointer, uintptr_t(CU_LAUNCH_PARAM_BUFFER_POINTER));
  EXPECT_EQ(kSize, uintptr_t(CU_LAUNCH_PARAM_BUFFER_SIZE));
  EXPECT_EQ(sizeof(cuda::CUdeviceptr), sizeof(::CUdeviceptr));
  EXPECT_EQ(sizeof(cuda::CUipcMemHandle), sizeof(::CUipcMemHandle));
  EXPECT_EQ(sizeof(cuda::CUlaunchAttribute), sizeof(::CUlaunchAttribute));
  EXPECT_EQ(offsetof(cuda::CUlaunchAttribute, value), offsetof(::CUlaunchAttribute, value));
  EXPECT_EQ(sizeof(cuda::CUlaunchConfig), sizeof(::CUlaunchConfig));
  EXPECT_EQ(offsetof(cuda::CUlaunchConfig, hStream), offsetof(::CUlaunchConfig, hStream));
  EXPECT_EQ(offsetof(cuda::CUlaunchConfig, attrs), offsetof(::CUlaunchConfig, attrs));
  EXPECT_EQ(offsetof(cuda::CUlaunchConfig, numAttrs), offsetof(::CUlaunchConfig, numAttrs));
#else
  GTEST_SKIP() << "skipped: the CUDA Toolkit's cuda.h is not installed";
#endif
}

} // namespace
} // namespace lamina
