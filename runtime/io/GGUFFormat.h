//===- GGUFFormat.h - constants of the GGUF container -----------------------------------------*- C++ -*-===//
//
// Shared by the reader and the writer. docs/formats/gguf.md describes what is accepted.
//
//     "GGUF" | u32 version | i64 tensors | i64 pairs | pairs | tensor infos | padding | data
//
// Everything is little endian and unaligned up to the data section.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_GGUFFORMAT_H
#define LAMINA_RUNTIME_IO_GGUFFORMAT_H

#include <cstdint>
#include <string_view>

namespace lamina::gguf {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr uint32_t kVersion = 3;
inline constexpr uint32_t kOldestVersion = 2;
inline constexpr uint64_t kHeaderBytes = 4 + 4 + 8 + 8;

inline constexpr uint32_t kDefaultAlignment = 32;
/// Ours: the format names no upper bound.
inline constexpr uint32_t kMaxAlignment = 1u << 20;

inline constexpr uint64_t kMaxStringBytes = 1ull << 30;
inline constexpr uint64_t kMaxArrayCount = 1ull << 30;
/// Including the terminating NUL that C readers need.
inline constexpr uint64_t kMaxTensorName = 64;
inline constexpr uint32_t kMaxDims = 4;

/// The fewest bytes that a key/value pair (one-byte key, one-byte value) and a tensor info (no name, no dims)
/// take.
inline constexpr uint64_t kMinPairBytes = 8 + 1 + 4 + 1;
inline constexpr uint64_t kMinTensorBytes = 8 + 4 + 4 + 8;

inline constexpr std::string_view kAlignmentKey = "general.alignment";
inline constexpr std::string_view kSplitNumberKey = "split.no";
inline constexpr std::string_view kSplitCountKey = "split.count";
inline constexpr std::string_view kSplitTensorsKey = "split.tensors.count";

// clang-format off
enum class ValueType : uint32_t {
  U8 = 0, I8 = 1, U16 = 2, I16 = 3, U32 = 4, I32 = 5, F32 = 6, Bool = 7, String = 8, Array = 9,
  U64 = 10, I64 = 11, F64 = 12,
};
// clang-format on
inline constexpr uint32_t kNumValueTypes = 13;

/// Bytes of a value of a fixed size; 0 for strings and arrays.
constexpr uint32_t valueBytes(ValueType type) {
  constexpr uint8_t sizes[kNumValueTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return sizes[static_cast<uint32_t>(type)];
}

/// "u32", "string", ...
constexpr std::string_view valueTypeName(ValueType type) {
  constexpr std::string_view names[kNumValueTypes] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                      "bool", "string", "array", "u64", "i64", "f64"};
  return names[static_cast<uint32_t>(type)];
}

constexpr uint64_t alignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

} // namespace lamina::gguf

#endif // LAMINA_RUNTIME_IO_GGUFFORMAT_H
