//===- SamplerGGUF.cpp - how a model likes to be sampled ------------------------------------------------===//

#include "runtime/sampler/SamplerGGUF.h"

#include "runtime/base/StrCat.h"
#include "runtime/io/GGUFWriter.h"

#include <algorithm>
#include <limits>

namespace lamina {
namespace {

constexpr const char *kTemperature = "general.sampling.temp", *kTopK = "general.sampling.top_k",
                     *kTopP = "general.sampling.top_p", *kMinP = "general.sampling.min_p",
                     *kPenalty = "general.sampling.penalty_repeat",
                     *kWindow = "general.sampling.penalty_last_n";

absl::Status readFloat(const GGUFReader &reader, const char *key, float &value) {
  if (!reader.has(key))
    return absl::OkStatus();
  LAMINA_ASSIGN_OR_RETURN(double number, reader.getFloat(key));
  value = static_cast<float>(number);
  return absl::OkStatus();
}

constexpr int32_t kNoLimit = std::numeric_limits<int32_t>::max();

/// Numbers below 0 stand for all: `all` says that for this key.
absl::Status readCount(const GGUFReader &reader, const char *key, int32_t all, int32_t &value) {
  if (!reader.has(key))
    return absl::OkStatus();
  LAMINA_ASSIGN_OR_RETURN(int64_t number, reader.getSigned(key));
  value = number < 0 ? all : static_cast<int32_t>(std::min<int64_t>(number, kNoLimit));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<SamplerOptions> samplerOptionsFromGGUF(const GGUFReader &reader) {
  SamplerOptions options;
  LAMINA_RETURN_IF_ERROR(readFloat(reader, kTemperature, options.temperature));
  LAMINA_RETURN_IF_ERROR(readCount(reader, kTopK, 0, options.topK));
  LAMINA_RETURN_IF_ERROR(readFloat(reader, kTopP, options.topP));
  LAMINA_RETURN_IF_ERROR(readFloat(reader, kMinP, options.minP));
  LAMINA_RETURN_IF_ERROR(readFloat(reader, kPenalty, options.repetitionPenalty));
  LAMINA_RETURN_IF_ERROR(readCount(reader, kWindow, kNoLimit, options.repetitionWindow));
  if (absl::Status status = options.validate(); !status.ok())
    return absl::Status(status.code(), strCat(reader.path(), ": general.sampling: ", status.message()));
  return options;
}

void addSamplerOptions(const SamplerOptions &options, GGUFWriter &writer) {
  writer.addF32(kTemperature, options.temperature);
  writer.addU32(kTopK, static_cast<uint32_t>(options.topK));
  writer.addF32(kTopP, options.topP);
  writer.addF32(kMinP, options.minP);
  writer.addF32(kPenalty, options.repetitionPenalty);
  writer.addU32(kWindow, static_cast<uint32_t>(options.repetitionWindow));
}

} // namespace lamina
