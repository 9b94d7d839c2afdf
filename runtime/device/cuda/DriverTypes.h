//===- DriverTypes.h - the CUDA driver's types and constants, as far as lamina uses them ----*- C++ -*-===//
//
// NVIDIA's header is not needed to build lamina; its interface is stable. Names and values are its own
// (test/runtime/device/DriverTypesTest.cpp compares where the header is installed).
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_CUDA_DRIVERTYPES_H
#define LAMINA_RUNTIME_DEVICE_CUDA_DRIVERTYPES_H

#include <cstddef>
#include <cstdint>

namespace lamina::cuda {

using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUevent = struct CUevent_st *;
using CUfunction = struct CUfunc_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphExec = struct CUgraphExec_st *;
using CUmodule = struct CUmod_st *;
using CUstream = struct CUstream_st *;

/// What another process opens memory with.
struct CUipcMemHandle {
  char reserved[64];
};

enum CUresult : int {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_PEER_ACCESS_UNSUPPORTED = 217,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_ILLEGAL_STATE = 401,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED = 712,
  CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED = 713,
  CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
};

enum CUdevice_attribute : int {
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
};

enum CUfunction_attribute : int { CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8 };

enum CUlaunchAttributeID : int { CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6 };

struct alignas(8) CUlaunchAttribute {
  CUlaunchAttributeID id;
  alignas(8) union {
    char pad[64];
    int programmaticStreamSerializationAllowed;
  } value;
};

/// What cuLaunchKernelEx takes.
struct CUlaunchConfig {
  unsigned int gridDimX, gridDimY, gridDimZ;
  unsigned int blockDimX, blockDimY, blockDimZ;
  unsigned int sharedMemBytes;
  CUstream hStream;
  CUlaunchAttribute *attrs;
  unsigned int numAttrs;
};

enum CUstreamCaptureMode : int { CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1 };

enum : unsigned int {
  CU_MEMHOSTALLOC_PORTABLE = 1,
  CU_MEMHOSTREGISTER_PORTABLE = 1,
  CU_MEMHOSTREGISTER_DEVICEMAP = 2,
  CU_STREAM_NON_BLOCKING = 1,
  CU_STREAM_WAIT_VALUE_GEQ = 0, ///< until int32(memory - value) >= 0
  CU_STREAM_WRITE_VALUE_DEFAULT = 0,
  CU_EVENT_DEFAULT = 0,
  CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS = 1,
};

/// cuLaunchKernel's `extra`: all parameters in one buffer.
enum : uintptr_t {
  CU_LAUNCH_PARAM_END = 0,
  CU_LAUNCH_PARAM_BUFFER_POINTER = 1,
  CU_LAUNCH_PARAM_BUFFER_SIZE = 2
};

} // namespace lamina::cuda

#endif // LAMINA_RUNTIME_DEVICE_CUDA_DRIVERTYPES_H
