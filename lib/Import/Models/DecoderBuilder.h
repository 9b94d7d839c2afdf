//===- DecoderBuilder.h - a decoder as lm operations ----------------------------------------*- C++ -*-===//
//
// The one builder for every architecture.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_MODELS_DECODERBUILDER_H
#define LAMINA_LIB_IMPORT_MODELS_DECODERBUILDER_H

#include "lib/Import/Models/HyperParameters.h"
#include "lib/Import/Models/ModelWeights.h"

namespace lamina {

/// Appends to `module`, whose location is that of the file:
///
///     func.func @step(%batch: !lm.batch, %cache0: !lm.kv_cache<…>, …) -> tensor<?xVOCABxf32>
///
/// with a cache of `cacheElement` for each layer in order. The result holds the logits of the
/// rows that `output_rows` of the batch names. `weights` must be complete. Cannot fail.
void buildDecoder(mlir::ModuleOp module, const HyperParameters &parameters, const ModelWeights &weights,
                  mlir::Type cacheElement);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_MODELS_DECODERBUILDER_H
