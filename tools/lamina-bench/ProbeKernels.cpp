//===- ProbeKernels.cpp - loops that do nothing but read or multiply ----------------------------------===//
//
// Each arithmetic kernel keeps enough chains of additions going to hide an instruction's latency. What a
// chain holds is made opaque now and then, so that the compiler computes all of it.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "tools/lamina-bench/ProbeKernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

namespace lamina::bench {
namespace {

constexpr int kChains = 12;

/// A kernel with chains of `type`, each step of which is `next` of `chain`, `a` and `b`; `operations` counts
/// one step.
#define LAMINA_PROBE_KERNEL(name, attributes, type, zero, one, next, operations)                             \
  attributes double name(int64_t rounds) {                                                                   \
    type chains[kChains], a = one, b = one;                                                                  \
    for (type &chain : chains)                                                                               \
      chain = zero;                                                                                          \
    asm volatile("" : "+" LAMINA_PROBE_REGISTER(a), "+" LAMINA_PROBE_REGISTER(b));                           \
    for (int64_t round = 0; round < rounds; ++round)                                                         \
      _Pragma("clang loop unroll(full)") for (type &chain : chains) chain = next;                            \
    for (type &chain : chains)                                                                               \
      asm volatile("" : "+" LAMINA_PROBE_REGISTER(chain));                                                   \
    return static_cast<double>(rounds) * kChains * operations;                                               \
  }

#if defined(__x86_64__)
#define LAMINA_PROBE_REGISTER(value) "v"(value)

LAMINA_PROBE_KERNEL(fma512, [[gnu::target("avx512f")]], __m512, _mm512_setzero_ps(), _mm512_set1_ps(0.5f),
                    _mm512_fmadd_ps(chain, a, b), 32)
LAMINA_PROBE_KERNEL(fma256, [[gnu::target("avx2,fma")]], __m256, _mm256_setzero_ps(), _mm256_set1_ps(0.5f),
                    _mm256_fmadd_ps(chain, a, b), 16)
LAMINA_PROBE_KERNEL(mulAdd128, , __m128, _mm_setzero_ps(), _mm_set1_ps(0.5f),
                    _mm_add_ps(_mm_mul_ps(chain, a), b), 8)
LAMINA_PROBE_KERNEL(dot512, [[gnu::target("avx512f,avx512vnni")]], __m512i, _mm512_setzero_si512(),
                    _mm512_set1_epi8(1), _mm512_dpbusd_epi32(chain, a, b), 128)
LAMINA_PROBE_KERNEL(dot256, [[gnu::target("avx2,avxvnni")]], __m256i, _mm256_setzero_si256(),
                    _mm256_set1_epi8(1), _mm256_dpbusd_avx_epi32(chain, a, b), 64)
// Products of the chain itself: those of a and b would be computed once for all rounds.
LAMINA_PROBE_KERNEL(maddubs256, [[gnu::target("avx2")]], __m256i, _mm256_setzero_si256(), _mm256_set1_epi8(1),
                    _mm256_add_epi32(chain, _mm256_madd_epi16(_mm256_maddubs_epi16(chain, a), b)), 64)
LAMINA_PROBE_KERNEL(madd128, , __m128i, _mm_setzero_si128(), _mm_set1_epi8(1),
                    _mm_add_epi32(chain, _mm_madd_epi16(chain, a)), 16)
#elif defined(__aarch64__)
#define LAMINA_PROBE_REGISTER(value) "w"(value)

LAMINA_PROBE_KERNEL(fma128, , float32x4_t, vdupq_n_f32(0), vdupq_n_f32(0.5f), vfmaq_f32(b, chain, a), 8)
LAMINA_PROBE_KERNEL(dot128, [[gnu::target("dotprod")]], int32x4_t, vdupq_n_s32(0), vdupq_n_s32(1),
                    vdotq_s32(chain, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)), 32)
LAMINA_PROBE_KERNEL(mull128, , int32x4_t, vdupq_n_s32(0), vdupq_n_s32(1),
                    vmlal_s16(chain, vreinterpret_s16_s32(vget_low_s32(chain)),
                              vreinterpret_s16_s32(vget_low_s32(b))),
                    8)
#endif
#undef LAMINA_PROBE_KERNEL
#undef LAMINA_PROBE_REGISTER

} // namespace

#if defined(__x86_64__)
ArithmeticKernel floatKernel() {
  if (__builtin_cpu_supports("avx512f"))
    return {"avx512f vfmadd", fma512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {"avx2 vfmadd", fma256};
  return {"sse2 mulps addps", mulAdd128};
}

ArithmeticKernel integerKernel() {
  if (__builtin_cpu_supports("avx512vnni"))
    return {"avx512vnni vpdpbusd", dot512};
  if (__builtin_cpu_supports("avxvnni"))
    return {"avxvnni vpdpbusd", dot256};
  if (__builtin_cpu_supports("avx2"))
    return {"avx2 vpmaddubsw vpmaddwd", maddubs256};
  return {"sse2 pmaddwd", madd128};
}
#elif defined(__aarch64__)
ArithmeticKernel floatKernel() { return {"neon fmla", fma128}; }

ArithmeticKernel integerKernel() {
  if (::getauxval(AT_HWCAP) & HWCAP_ASIMDDP)
    return {"neon sdot", dot128};
  return {"neon smlal", mull128};
}
#endif

uint64_t readBytes(const std::byte *data, size_t bytes) {
  // Four lines at a time and 16 bytes each: even this baseline code reads faster than any memory.
  using Vector [[gnu::vector_size(16)]] = uint64_t;
  Vector sums[16] = {};
  for (size_t offset = 0; offset < bytes; offset += sizeof(sums))
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 16; ++i)
      sums[i] ^= *reinterpret_cast<const Vector *>(data + offset + i * sizeof(Vector));
  uint64_t sum = 0;
  for (const Vector &each : sums)
    sum ^= each[0] ^ each[1];
  return sum;
}

} // namespace lamina::bench
