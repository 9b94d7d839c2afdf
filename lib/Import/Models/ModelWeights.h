//===- ModelWeights.h - which tensors a decoder consists of ---------------------------------*- C++ -*-===//
//
// Names and shapes of all weights, from the hyper-parameters. Fused tensors of a file become weights of their
// own that name a range of rows.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_MODELS_MODELWEIGHTS_H
#define LAMINA_LIB_IMPORT_MODELS_MODELWEIGHTS_H

#include "lib/Import/GGUF/WeightTable.h"
#include "lib/Import/Models/HyperParameters.h"

namespace lamina {

struct Projection {
  lm::WeightOp matrix;
  lm::WeightOp bias; ///< null: none
};

struct Norm {
  lm::WeightOp weight;
  lm::WeightOp bias; ///< of a layer norm; null for an RMS norm
};

/// Null where the architecture or the file has none.
struct LayerWeights {
  Norm attentionNorm, queryNorm, keyNorm, postAttentionNorm;
  Projection query, key, value, output;
  Norm feedForwardNorm, postFeedForwardNorm;
  Projection gate, up, down; ///< dense; no gate where the activation is not gated
  lm::WeightOp router, gateExperts, upExperts, downExperts; ///< with experts
};

struct ModelWeights {
  lm::WeightOp embedding;
  lm::WeightOp positions; ///< an embedding for each position; null where heads are rotated
  llvm::SmallVector<LayerWeights> layers;
  Norm outputNorm;
  Projection head;                       ///< its matrix is the embedding where the file ties them
  llvm::SmallVector<float> ropeDivisors; ///< empty: none
};

/// Requests all weights from `table`; if its finish() then fails, the result holds null ops.
ModelWeights declareWeights(WeightTable &table, const HyperParameters &parameters);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_MODELS_MODELWEIGHTS_H
