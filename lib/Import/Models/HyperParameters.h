//===- HyperParameters.h - the numbers that shape a decoder ---------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_IMPORT_MODELS_HYPERPARAMETERS_H
#define LAMINA_LIB_IMPORT_MODELS_HYPERPARAMETERS_H

#include "lib/Import/GGUF/Metadata.h"
#include "lib/Import/Models/Architectures.h"
#include "lib/Import/Models/RopeFrequencies.h"

#include <optional>

namespace lamina {

struct LayerParameters {
  int64_t queryHeads = 0, keyHeads = 0; ///< keyHeads divides queryHeads
  int64_t feedForward = 0;              ///< width of the dense feed-forward; unused with experts
  std::optional<int64_t> window;        ///< attention sees this many last positions; none: all
  bool localRope = false;               ///< rotates by HyperParameters::localRope
};

struct ExpertParameters {
  int64_t count = 0; ///< 0: dense feed-forward
  int64_t used = 0;
  int64_t feedForward = 0;
  bool normalize = true; ///< the weights of the used experts sum to `scale`
  double scale = 1;
};

struct HyperParameters {
  const Architecture *architecture = nullptr;
  int64_t hidden = 0;
  int64_t context = 0;               ///< largest number of positions that the module is built for
  int64_t trainedContext = 0;        ///< that the model was trained for
  std::optional<int64_t> vocabulary; ///< if the file says so; otherwise the embedding's rows
  int64_t keyLength = 0, valueLength = 0;
  double epsilon = 0;
  double embeddingScale = 1;
  double attentionScale = 0;
  double attentionCap = 0, outputCap = 0; ///< 0: none
  RopeParameters rope, localRope;
  bool longRope = false; ///< divisor tensors rope_factors_* are required
  ExpertParameters experts;
  llvm::SmallVector<LayerParameters> layers;
};

/// Reads and checks every key; `context` 0 takes the model's own context length. If metadata.finish() then
/// fails, the result is meaningless.
HyperParameters readHyperParameters(Metadata &metadata, const Architecture &architecture, int64_t context);

/// Tolerates the keys that are harmless, and those that are harmless at one value and at no other.
void tolerateRemainingKeys(Metadata &metadata);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_MODELS_HYPERPARAMETERS_H
