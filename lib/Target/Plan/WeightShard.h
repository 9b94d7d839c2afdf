//===- WeightShard.h - a worker's weights in one file ---------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_PLAN_WEIGHTSHARD_H
#define LAMINA_LIB_TARGET_PLAN_WEIGHTSHARD_H

#include "dialects/Plan/IR/Plan.h"
#include "lib/Import/ModelFiles.h"
#include "runtime/io/ArtifactWriter.h"

namespace lamina {

/// Whether every weight of `program` lies within the model's files.
absl::Status checkWeights(plan::ProgramOp program, const ModelFiles &model);

/// Packs the weights of `program` into its shard, each at its offset, streaming from the mapped model file.
absl::Status writeWeightShard(ArtifactWriter &artifact, plan::ProgramOp program, const ModelFiles &model,
                              unsigned threads);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_PLAN_WEIGHTSHARD_H
