//===- Sampler.cpp - picks the next token from logits ---------------------------------------------------===//

#include "runtime/sampler/Sampler.h"

#include "runtime/base/StrCat.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lamina {
namespace {

/// exp(x) for x <= 0 from additions and multiplications alone: the C library's exp may differ in the last bit
/// from one version or CPU to the next, and one bit can move a draw to the neighbouring token. This file is
/// compiled without contraction to fused multiply-adds for the same reason.
double exponential(double x) {
  if (x < -700.0)
    return 0.0;
  // x = n ln2 + r with |r| <= ln2 / 2; ln2 in two parts keeps r exact.
  double n = std::nearbyint(x * 1.4426950408889634);
  double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
  double sum = 1.0;
  for (int i = 14; i >= 1; --i)
    sum = 1.0 + r * sum / i;
  return std::ldexp(sum, static_cast<int>(n));
}

uint64_t splitmix(uint64_t &state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

uint64_t rotate(uint64_t x, int k) { return x << k | x >> (64 - k); }

absl::Status outside(const char *name, double value, const char *expected) {
  return absl::InvalidArgumentError(strCat(name, " is ", value, ", expected ", expected));
}

bool isDamaged(float logit) { return std::isnan(logit) || logit == std::numeric_limits<float>::infinity(); }

absl::Status damaged(size_t token, float logit) {
  return absl::InvalidArgumentError(
      strCat("the logit of token ", token, " is ", logit, ": the model's weights or its input are damaged"));
}

absl::Status nothingToChoose(size_t logits) {
  return absl::InvalidArgumentError(strCat("none of ", logits, " logits is finite: no token to choose"));
}

/// The largest, the first of equal ones.
absl::StatusOr<int32_t> largest(std::span<const float> logits) {
  float best = -std::numeric_limits<float>::infinity();
  size_t id = logits.size();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (isDamaged(logits[i]))
      return damaged(i, logits[i]);
    if (logits[i] > best)
      best = logits[i], id = i;
  }
  if (id == logits.size())
    return nothingToChoose(logits.size());
  return static_cast<int32_t>(id);
}

} // namespace

absl::Status SamplerOptions::validate() const {
  if (!(temperature >= 0.0f) || std::isinf(temperature))
    return outside("temperature", temperature, "0 (greedy) or a positive number");
  if (topK < 0)
    return outside("top-k", topK, "0 (off) or a positive number");
  if (!(topP > 0.0f && topP <= 1.0f))
    return outside("top-p", topP, "a number above 0 and up to 1 (off)");
  if (!(minP >= 0.0f && minP <= 1.0f))
    return outside("min-p", minP, "a number from 0 (off) to 1");
  if (!(repetitionPenalty > 0.0f) || std::isinf(repetitionPenalty))
    return outside("repetition penalty", repetitionPenalty, "a positive number, 1 for off");
  if (repetitionWindow < 0)
    return outside("repetition window", repetitionWindow, "0 (off) or a positive number");
  return absl::OkStatus();
}

RandomGenerator::RandomGenerator(uint64_t seed) {
  for (uint64_t &word : state_)
    word = splitmix(seed);
}

uint64_t RandomGenerator::next() {
  uint64_t result = rotate(state_[1] * 5, 7) * 9;
  uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotate(state_[3], 45);
  return result;
}

absl::StatusOr<Sampler> Sampler::create(const SamplerOptions &options) {
  LAMINA_RETURN_IF_ERROR(options.validate());
  return Sampler(options);
}

absl::Status Sampler::collect(std::span<const float> logits) {
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (isDamaged(logits[i]))
      return damaged(i, logits[i]);
    if (std::isfinite(logits[i]))
      candidates_.push_back({logits[i], static_cast<int32_t>(i)});
  }
  return candidates_.empty() ? nothingToChoose(logits.size()) : absl::OkStatus();
}

/// Candidates are still in the order of their ids.
void Sampler::penalize(std::span<const int32_t> history) {
  size_t window = std::min<size_t>(history.size(), options_.repetitionWindow);
  std::vector<int32_t> recent(history.end() - window, history.end());
  std::sort(recent.begin(), recent.end());
  recent.erase(std::unique(recent.begin(), recent.end()), recent.end());
  for (int32_t id : recent) {
    auto found = std::lower_bound(candidates_.begin(), candidates_.end(), id,
                                  [](const Candidate &candidate, int32_t id) { return candidate.id < id; });
    if (found == candidates_.end() || found->id != id)
      continue;
    float &logit = found->logit;
    logit = logit <= 0.0f ? logit * options_.repetitionPenalty : logit / options_.repetitionPenalty;
    // Neither a huge penalty nor a tiny one may leave what can be calculated with.
    constexpr float kMost = std::numeric_limits<float>::max();
    logit = std::clamp(logit, -kMost, kMost);
  }
}

double Sampler::weight(const Candidate &candidate, double temperature) const {
  return exponential((double(candidate.logit) - best_) / temperature);
}

void Sampler::sortFirst(size_t count) {
  auto better = [](const Candidate &a, const Candidate &b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  };
  std::partial_sort(candidates_.begin(), candidates_.begin() + count, candidates_.end(), better);
}

void Sampler::keepTopK() {
  size_t count = std::min<size_t>(candidates_.size(), options_.topK);
  sortFirst(count);
  candidates_.resize(count);
}

void Sampler::keepTopP() {
  double total = 0.0;
  for (const Candidate &candidate : candidates_)
    total += weight(candidate, 1.0);
  // Usually a few tokens hold nearly all the probability: sort only as many as it takes.
  for (size_t sorted = 0, count = 256; sorted < candidates_.size(); count *= 8) {
    count = std::min(count, candidates_.size());
    sortFirst(count);
    double reached = 0.0;
    for (size_t i = 0; i < count; ++i) {
      reached += weight(candidates_[i], 1.0);
      if (reached >= options_.topP * total) {
        candidates_.resize(i + 1);
        return;
      }
    }
    sorted = count;
  }
}

void Sampler::keepMinP() {
  std::erase_if(candidates_,
                [&](const Candidate &candidate) { return weight(candidate, 1.0) < options_.minP; });
}

int32_t Sampler::draw() {
  double total = 0.0;
  for (const Candidate &candidate : candidates_)
    total += weight(candidate, options_.temperature);
  double target = random_.uniform() * total;
  int32_t last = candidates_[0].id;
  for (const Candidate &candidate : candidates_) {
    double share = weight(candidate, options_.temperature);
    target -= share;
    if (target < 0.0)
      return candidate.id;
    if (share > 0.0)
      last = candidate.id;
  }
  // Rounding can leave a crumb after the last subtraction; it belongs to the last token that has a weight.
  return last;
}

absl::StatusOr<int32_t> Sampler::sample(std::span<const float> logits, std::span<const int32_t> history) {
  bool penalizes = options_.repetitionPenalty != 1.0f;
  if (options_.temperature == 0.0f && !penalizes)
    return largest(logits);
  LAMINA_RETURN_IF_ERROR(collect(logits));
  if (penalizes)
    penalize(history);
  auto best = std::max_element(candidates_.begin(), candidates_.end(),
                               [](const Candidate &a, const Candidate &b) { return a.logit < b.logit; });
  if (options_.temperature == 0.0f)
    return best->id;
  best_ = best->logit;
  return choose();
}

int64_t Sampler::candidatesNeeded() const {
  if (options_.repetitionPenalty != 1.0f && options_.repetitionWindow != 0)
    return 0;
  return options_.temperature == 0.0f ? 1 : options_.topK;
}

absl::StatusOr<int32_t> Sampler::sampleAmong(std::span<const float> logits, std::span<const int32_t> ids,
                                             int64_t vocabulary) {
  if (isDamaged(logits[0]))
    return damaged(static_cast<size_t>(ids[0]), logits[0]);
  candidates_.clear();
  for (size_t i = 0; i < logits.size() && std::isfinite(logits[i]); ++i)
    candidates_.push_back({logits[i], ids[i]});
  if (candidates_.empty())
    return nothingToChoose(static_cast<size_t>(vocabulary));
  best_ = candidates_[0].logit;
  return options_.temperature == 0.0f ? candidates_[0].id : choose();
}

int32_t Sampler::choose() {
  if (options_.topK > 0)
    keepTopK();
  if (options_.topP < 1.0f)
    keepTopP();
  if (options_.minP > 0.0f)
    keepMinP();
  return draw();
}

} // namespace lamina
