//===- SamplerGGUF.h - how a model likes to be sampled --------------------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_SAMPLER_SAMPLERGGUF_H
#define LAMINA_RUNTIME_SAMPLER_SAMPLERGGUF_H

#include "runtime/sampler/Sampler.h"

namespace lamina {

class GGUFReader;
class GGUFWriter;

/// The general.sampling.* pairs of a file, over the defaults of SamplerOptions. An error names the file and what is
/// wrong.
absl::StatusOr<SamplerOptions> samplerOptionsFromGGUF(const GGUFReader &reader);

/// Writes what the function above reads: all but the seed.
void addSamplerOptions(const SamplerOptions &options, GGUFWriter &writer);

} // namespace lamina

#endif // LAMINA_RUNTIME_SAMPLER_SAMPLERGGUF_H
