//===- Architectures.cpp - the decoder architectures that can be imported -----------------------------===//

#include "lib/Import/Models/Architectures.h"

#include "llvm/ADT/STLExtras.h"

namespace lamina {
namespace {

/// The gemma family's 27B variants divide by the hidden size, the others by the head; files do not say which,
/// so the number of layers must.
constexpr int64_t kGemma2Layers27B = 46, kGemma3Layers27B = 62;

const Architecture kArchitectures[] = {
    // Llama 1 to 3, Mistral, Mixtral, SmolLM and whatever else was converted as such.
    {.name = "llama",
     .rope = RopeStyle::Interleaved,
     .experts = Presence::Optional,
     .window = WindowRule::Always},
    {.name = "qwen2", .qkvBias = Presence::Required},
    {.name = "qwen3", .queryKeyNorm = true},
    {.name = "qwen3moe", .queryKeyNorm = true, .experts = Presence::Required},
    {.name = "gemma2",
     .activation = lm::Activation::gelu_tanh,
     .postNorms = true,
     .window = WindowRule::Periodic,
     .windowPeriod = 2,
     .defaultWindow = 4096,
     .scaledEmbedding = true,
     .attentionCap = 50,
     .outputCap = 30,
     .hiddenScaledLayers = kGemma2Layers27B},
    {.name = "gemma3",
     .activation = lm::Activation::gelu_tanh,
     .queryKeyNorm = true,
     .postNorms = true,
     .window = WindowRule::Periodic,
     .windowPeriod = 6,
     .windowKey = Presence::Required,
     .localRopeBase = 10000,
     .scaledEmbedding = true,
     .hiddenScaledLayers = kGemma3Layers27B},
    {.name = "gpt2",
     .rope = RopeStyle::None,
     .norm = NormKind::Layer,
     .activation = lm::Activation::gelu_tanh,
     .gated = false},
    {.name = "starcoder2", .norm = NormKind::Layer, .activation = lm::Activation::gelu_tanh, .gated = false},
    {.name = "phi2",
     .norm = NormKind::Layer,
     .activation = lm::Activation::gelu_tanh,
     .gated = false,
     .parallelResidual = true},
    {.name = "phi3", .fusedGateUp = true, .window = WindowRule::Always},
};

} // namespace

llvm::ArrayRef<Architecture> supportedArchitectures() { return kArchitectures; }

const Architecture *findArchitecture(llvm::StringRef name) {
  const Architecture *found =
      llvm::find_if(kArchitectures, [&](const Architecture &a) { return a.name == name; });
  return found == std::end(kArchitectures) ? nullptr : found;
}

} // namespace lamina
