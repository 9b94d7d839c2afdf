//===- KnownKeys.cpp - keys that need no code, or that must not say anything --------------------------===//
//
// Whatever HyperParameters.cpp does not read is listed here or refused: no key that changes results goes
// unnoticed.
//
//===--------------------------------------------------------------------------------------------------------===//

#include "lib/Import/Models/HyperParameters.h"

using namespace mlir;

namespace lamina {
namespace {

/// Keys that describe the file or its training and change no result.
constexpr StringRef kHarmless[] = {
    "tensor_data_layout",           // says in words that query and key rows are permuted
    "rope.scaling.finetuned",       // whether training followed the scaling
    "attention.layer_norm_epsilon", // of the kind of norm that the architecture does not have
    "attention.layer_norm_rms_epsilon",
};

/// Keys that say nothing at these values and change results at any other.
struct NeutralKey {
  StringRef name;
  double first, second;
};

constexpr NeutralKey kNeutral[] = {
    // Attention.
    {"attention.max_alibi_bias", 0, 0},
    {"attention.clamp_kqv", 0, 0},
    {"attention.causal", 1, 1},
    {"attention.q_lora_rank", 0, 0},
    {"attention.kv_lora_rank", 0, 0},
    {"attention.key_length_mla", 0, 0},
    {"attention.value_length_mla", 0, 0},
    {"attention.temperature_scale", 0, 0},
    {"attention.temperature_length", 0, 0},
    {"attention.shared_kv_layers", 0, 0},
    {"attention.output_scale", 0, 1},
    {"attention.value_scale", 0, 1},
    // Scales of the residual stream and of the logits.
    {"logit_scale", 0, 1},
    {"residual_scale", 0, 1},
    {"embedding_scale", 0, 1},
    {"router_logit_softcapping", 0, 0},
    // RoPE.
    {"rope.scaling.alpha", 0, 1},
    {"rope.scaling.yarn_log_multiplier", 0, 0},
    // Experts. Gating function 1 is the softmax over all of them.
    {"expert_gating_func", 0, 1},
    {"expert_shared_count", 0, 0},
    {"expert_shared_feed_forward_length", 0, 0},
    {"expert_group_count", 0, 1},
    {"expert_group_used_count", 0, 1},
    {"leading_dense_block_count", 0, 0},
    {"interleave_moe_layer_step", 0, 1},
    {"moe_every_n_layers", 0, 1},
    // The block's form.
    {"use_parallel_residual", 0, 0},
    {"nextn_predict_layers", 0, 0},
    {"pooling_type", 0, 0},
};

} // namespace

void tolerateRemainingKeys(Metadata &metadata) {
  for (StringRef key : kHarmless)
    metadata.tolerate(key);
  for (const NeutralKey &key : kNeutral)
    metadata.tolerate(key.name, key.first, key.second);
}

} // namespace lamina
