//===- Sampler.h - picks the next token from logits -------------------------------------------*- C++ -*-===//
//
// The chain, in this order: repetition penalty, top-k, top-p, min-p, temperature, draw. With temperature 0
// the chain is the repetition penalty and then the largest logit (ties: the lowest id).
//
// Reproducible: the same options and the same logits and history, call by call, give the same ids on every
// machine. The random numbers are our own (xoshiro256**, its state filled from the seed by splitmix64), sums
// run in a fixed order in double precision, and exp() is computed by a fixed series instead of the C library.
// Every seed from 0 up is a different sequence; there is no "random" seed.
//
// One per generated sequence; not thread-safe.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_SAMPLER_SAMPLER_H
#define LAMINA_RUNTIME_SAMPLER_SAMPLER_H

#include "runtime/base/Status.h"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace lamina {

struct SamplerOptions {
  float temperature = 0.0f; ///< 0: greedy
  int32_t topK = 0;         ///< keep the k largest logits; 0: all
  float topP = 1.0f;        ///< keep the fewest tokens whose probability reaches this; 1: all
  float minP = 0.0f;        ///< drop tokens less probable than this times the most probable one; 0: none
  float repetitionPenalty =
      1.0f;                      ///< divides positive and multiplies negative logits of recent tokens; 1: off
  int32_t repetitionWindow = 64; ///< how many of the last tokens are recent; 0: none
  uint64_t seed = 0;

  bool operator==(const SamplerOptions &) const = default;

  /// One line if a value makes no sense.
  absl::Status validate() const;
};

/// xoshiro256** seeded by splitmix64.
class RandomGenerator {
public:
  explicit RandomGenerator(uint64_t seed);
  uint64_t next();
  /// Uniform in [0, 1), a multiple of 2^-53.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

private:
  std::array<uint64_t, 4> state_;
};

class Sampler {
public:
  static absl::StatusOr<Sampler> create(const SamplerOptions &options);

  /// The next token. `logits` [vocabulary]; `history`: the tokens so far, prompt included, for the repetition
  /// penalty. Minus infinity excludes a token. InvalidArgument names the first logit that is NaN or plus
  /// infinity, or says that all are excluded.
  absl::StatusOr<int32_t> sample(std::span<const float> logits, std::span<const int32_t> history);

  /// How many of the largest logits give the same token as all of them; 0: all are needed.
  int64_t candidatesNeeded() const;
  /// The same token, errors included, from the `ids` of at least so many: in descending order of their `logits`, the lower
  /// id first of equal ones, what is no number as if it were plus infinity. `vocabulary`: how many logits there are.
  absl::StatusOr<int32_t> sampleAmong(std::span<const float> logits, std::span<const int32_t> ids,
                                      int64_t vocabulary);

private:
  struct Candidate {
    float logit;
    int32_t id;
  };

  explicit Sampler(const SamplerOptions &options) : options_(options), random_(options.seed) {}

  absl::Status collect(std::span<const float> logits);
  void penalize(std::span<const int32_t> history);
  int32_t choose();
  /// exp((logit - best) / temperature): its probability up to a common factor.
  double weight(const Candidate &candidate, double temperature) const;
  void sortFirst(size_t count);
  void keepTopK();
  void keepTopP();
  void keepMinP();
  int32_t draw();

  SamplerOptions options_;
  RandomGenerator random_;
  float best_ = 0.0f; ///< the largest logit after penalties
  std::vector<Candidate> candidates_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_SAMPLER_SAMPLER_H
