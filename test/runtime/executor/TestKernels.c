/* Kernels of the hand-written plan in TestPlan.cpp, obeying runtime/device/KernelABI.h. Rows of
   activations are ROW floats; the "attention" sums what the cache holds for the positions up to the token's
   own, so that a wrong page, order or stale row shows in the logits. */
#include "runtime/device/KernelABI.h"

#include <signal.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
enum { ROW = 16, VOCAB = 32, CANDIDATES = 16, SLOW_TOKEN = 29, CRASH_TOKEN = 30, HANG_TOKEN = 31 };

/* token ids, weights[VOCAB] -> q, k, v */
EXPORT void test_project(void *const *bindings, const LaminaStep *step, int64_t begin, int64_t end) {
  const int32_t *tokens = bindings[0];
  const float *weights = bindings[1];
  float *q = bindings[2], *k = bindings[3], *v = bindings[4];
  for (int64_t t = begin; t < end; ++t)
    for (int d = 0; d < ROW; ++d) {
      float value = weights[tokens[t]];
      q[t * ROW + d] = value + (float)d;
      k[t * ROW + d] = value * 2.0f;
      v[t * ROW + d] = value * 3.0f + (float)d;
    }
}

/* k, v, positions, sequences, block table, cache -> (cache) */
EXPORT void test_append(void *const *bindings, const LaminaStep *step, int64_t begin, int64_t end) {
  const float *k = bindings[0], *v = bindings[1];
  const int32_t *positions = bindings[2], *sequences = bindings[3], *table = bindings[4];
  float *cache = bindings[5];
  for (int64_t t = begin; t < end; ++t) {
    int64_t page = table[sequences[t] * step->blockTableStride + positions[t] / LAMINA_KV_PAGE_TOKENS];
    float *keys = cache + page * 2 * LAMINA_KV_PAGE_TOKENS * ROW;
    float *values = keys + LAMINA_KV_PAGE_TOKENS * ROW;
    int slot = positions[t] % LAMINA_KV_PAGE_TOKENS;
    for (int d = 0; d < ROW; ++d) {
      keys[d * LAMINA_KV_PAGE_TOKENS + slot] = k[t * ROW + d];
      values[slot * ROW + d] = v[t * ROW + d];
    }
  }
}

/* q, token ids, positions, sequences, block table, cache -> out */
EXPORT void test_attend(void *const *bindings, const LaminaStep *step, int64_t begin, int64_t end) {
  const float *q = bindings[0];
  const int32_t *tokens = bindings[1], *positions = bindings[2], *sequences = bindings[3],
                *table = bindings[4];
  const float *cache = bindings[5];
  float *out = bindings[6];
  for (int64_t t = begin; t < end; ++t) {
    if (tokens[t] == SLOW_TOKEN)
      usleep(50000);
    if (tokens[t] == CRASH_TOKEN)
      raise(SIGSEGV);
    if (tokens[t] == HANG_TOKEN)
      sleep(30);
    for (int d = 0; d < ROW; ++d) {
      float sum = q[t * ROW + d];
      for (int32_t p = 0; p <= positions[t]; ++p) {
        int64_t page = table[sequences[t] * step->blockTableStride + p / LAMINA_KV_PAGE_TOKENS];
        const float *keys = cache + page * 2 * LAMINA_KV_PAGE_TOKENS * ROW;
        const float *values = keys + LAMINA_KV_PAGE_TOKENS * ROW;
        int slot = p % LAMINA_KV_PAGE_TOKENS;
        sum += keys[d * LAMINA_KV_PAGE_TOKENS + slot] + values[slot * ROW + d];
      }
      out[t * ROW + d] = sum;
    }
  }
}

/* out, output rows -> logits; the last column says which variant ran */
static void head(void *const *bindings, int64_t begin, int64_t end, float variant) {
  const float *out = bindings[0];
  const int32_t *rows = bindings[1];
  float *logits = bindings[2];
  for (int64_t r = begin; r < end; ++r) {
    for (int c = 0; c < VOCAB - 1; ++c)
      logits[r * VOCAB + c] = out[rows[r] * ROW + c % ROW] + (float)c;
    logits[r * VOCAB + VOCAB - 1] = variant;
  }
}
EXPORT void test_head_one(void *const *bindings, const LaminaStep *step, int64_t begin, int64_t end) {
  head(bindings, begin, end, 1.0f);
}
EXPORT void test_head_any(void *const *bindings, const LaminaStep *step, int64_t begin, int64_t end) {
  head(bindings, begin, end, 2.0f);
}

/* logits -> the largest of each row, their ids */
EXPORT void test_top(void *const *bindings, const LaminaStep *step, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float *logits = (const float *)bindings[0] + r * VOCAB;
    float *values = (float *)bindings[1] + r * CANDIDATES;
    int32_t *ids = (int32_t *)bindings[2] + r * CANDIDATES;
    for (int64_t j = 0; j < step->candidates; ++j) {
      ids[j] = -1;
      for (int32_t c = 0; c < VOCAB; ++c) {
        int free = j == 0 || logits[c] < values[j - 1] || (logits[c] == values[j - 1] && c > ids[j - 1]);
        if (free && (ids[j] < 0 || logits[c] > logits[ids[j]]))
          ids[j] = c;
      }
      values[j] = logits[ids[j]];
    }
  }
}

/* nothing but the cost of a dispatch */
EXPORT void test_empty(void *const *bindings, const LaminaStep *step, int64_t begin, int64_t end) {}
