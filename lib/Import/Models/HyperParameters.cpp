//===- HyperParameters.cpp - the numbers that shape a decoder -----------------------------------------===//

#include "lib/Import/Models/HyperParameters.h"

#include "lib/Support/Names.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace mlir;

namespace lamina {
namespace {

// Far above every model, low enough that products of two fit in 64 bits and a hostile header costs nothing.
constexpr Bounds<int64_t> kLayers{1, 4096};
constexpr Bounds<int64_t> kWidth{1, 1 << 24};
constexpr Bounds<int64_t> kHeads{1, 1 << 16};
constexpr Bounds<int64_t> kHeadLength{1,
                                      1024}; // attention keeps a head for each query of a group on the stack
constexpr Bounds<int64_t> kContext{1, 1 << 30};
constexpr Bounds<int64_t> kCount{0, 1 << 30};
constexpr Bounds<double> kEpsilon{0, 1};
constexpr Bounds<double> kNonNegative{0, 1e30};
constexpr Bounds<double> kRopeBase{1 + 1e-6, 1e30};

class Reader {
public:
  Reader(Metadata &metadata, const Architecture &architecture) : in_(metadata), architecture_(architecture) {}

  HyperParameters read(int64_t context) {
    p_.architecture = &architecture_;
    p_.layers.resize(in_.requiredInteger("block_count", kLayers));
    p_.hidden = in_.requiredInteger("embedding_length", kWidth);
    bool rms = architecture_.norm == NormKind::RMS;
    p_.epsilon = in_.requiredNumber(rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
                                    kEpsilon);
    p_.vocabulary = in_.integer("vocab_size", kWidth);
    p_.outputCap = in_.number("final_logit_softcapping", kNonNegative).value_or(architecture_.outputCap);
    p_.embeddingScale = architecture_.scaledEmbedding ? std::sqrt(double(p_.hidden)) : 1;
    readContext(context);
    readExperts();
    readFeedForward();
    readHeads();
    readAttention();
    readWindows();
    if (architecture_.rope != RopeStyle::None)
      readRope();
    return std::move(p_);
  }

private:
  int64_t numLayers() const { return int64_t(p_.layers.size()); }

  void readContext(int64_t wanted) {
    p_.trainedContext = in_.requiredInteger("context_length", kContext);
    p_.context = wanted ? wanted : p_.trainedContext;
    if (p_.context < 1 || p_.context > p_.trainedContext)
      in_.fail("context_length", "is " + Twine(p_.trainedContext) + ", but a context of " + Twine(wanted) +
                                     " was asked for; ask for 1 to " + Twine(p_.trainedContext));
  }

  void readExperts() {
    ExpertParameters &e = p_.experts;
    e.count = in_.integer("expert_count", {0, 1 << 12}).value_or(0);
    e.used = in_.integer("expert_used_count", {0, 1 << 12}).value_or(0);
    if (architecture_.experts == Presence::Absent && e.count)
      return in_.fail("expert_count",
                      "is " + Twine(e.count) + ", but this architecture has no experts, expected 0");
    if (architecture_.experts == Presence::Required && !e.count)
      return in_.fail("expert_count", "is missing or 0, but this architecture has experts");
    if (e.count && (e.used < 1 || e.used > e.count))
      return in_.fail("expert_used_count",
                      "is " + Twine(e.used) + ", expected 1 to the expert_count of " + Twine(e.count));
    e.normalize = in_.boolean("expert_weights_norm").value_or(true);
    double scale = in_.number("expert_weights_scale", kNonNegative).value_or(1);
    e.scale = scale == 0 ? 1 : scale; // converters write 0 for "none"
  }

  void readFeedForward() {
    auto widths = in_.perLayer("feed_forward_length", numLayers(), {0, kWidth.high});
    if (p_.experts.count) {
      int64_t shared = widths ? widths->front() : 0;
      p_.experts.feedForward = in_.integer("expert_feed_forward_length", kWidth).value_or(shared);
      if (p_.experts.feedForward == 0)
        in_.fail("expert_feed_forward_length", "is missing, and so is feed_forward_length");
      return;
    }
    if (!widths)
      return in_.failMissing("feed_forward_length");
    for (auto [layer, width] : llvm::zip_equal(p_.layers, *widths)) {
      layer.feedForward = width;
      if (width == 0)
        return in_.fail("feed_forward_length",
                        "is 0 for a layer; layers without feed-forward are not supported");
    }
  }

  void readHeads() {
    auto heads = in_.perLayer("attention.head_count", numLayers(), kHeads);
    if (!heads)
      return in_.failMissing("attention.head_count");
    auto keyHeads = in_.perLayer("attention.head_count_kv", numLayers(), kHeads).value_or(*heads);
    for (auto [layer, queries, keys] : llvm::zip_equal(p_.layers, *heads, keyHeads)) {
      layer.queryHeads = queries;
      layer.keyHeads = keys;
      if (queries % keys != 0)
        return in_.fail("attention.head_count_kv",
                        "is " + Twine(keys) + ", expected a divisor of the " + Twine(queries) + " heads");
    }
    auto keyLength = in_.integer("attention.key_length", kHeadLength);
    auto valueLength = in_.integer("attention.value_length", kHeadLength);
    int64_t first = heads->front();
    if ((!keyLength || !valueLength) && p_.hidden % first != 0)
      return in_.fail("attention.head_count",
                      "is " + Twine(first) + ", expected a divisor of the embedding_length " +
                          Twine(p_.hidden) + " where key_length or value_length is absent");
    p_.keyLength = keyLength.value_or(p_.hidden / first);
    p_.valueLength = valueLength.value_or(p_.hidden / first);
  }

  void readAttention() {
    p_.attentionCap = in_.number("attn_logit_softcapping", kNonNegative).value_or(architecture_.attentionCap);
    double divisor = double(p_.keyLength);
    if (architecture_.hiddenScaledLayers && numLayers() == architecture_.hiddenScaledLayers)
      divisor = double(p_.hidden / std::max<int64_t>(1, p_.layers.front().queryHeads));
    double scale = in_.number("attention.scale", kNonNegative).value_or(0);
    p_.attentionScale =
        scale == 0 ? 1 / std::sqrt(std::max(1.0, divisor)) : scale; // 0 stands for "the usual"
  }

  void readWindows() {
    constexpr StringRef key = "attention.sliding_window";
    std::optional<int64_t> given = in_.integer(key, kCount);
    int64_t window = given.value_or(architecture_.defaultWindow);
    if (!given && architecture_.windowKey == Presence::Required)
      return in_.failMissing(key);
    SmallVector<bool> slides = slidingLayers();
    // A window of the whole context hides nothing: without it the layers' kernels are equal and simpler.
    bool hides = window != 0 && window < p_.context;
    if (hides && architecture_.window == WindowRule::Never)
      return in_.fail(key, "is " + Twine(window) +
                               ", but this architecture attends to everything; expected at least " +
                               "the context of " + Twine(p_.context));
    for (auto [layer, sliding] : llvm::zip_equal(p_.layers, slides)) {
      layer.localRope = sliding && window != 0 && architecture_.localRopeBase != 0;
      if (sliding && hides)
        layer.window = window;
    }
  }

  /// Which layers have the window, by the file's list or period or by the architecture's.
  SmallVector<bool> slidingLayers() {
    constexpr StringRef key = "attention.sliding_window_pattern";
    if (architecture_.window != WindowRule::Periodic)
      return SmallVector<bool>(numLayers(), architecture_.window == WindowRule::Always);
    if (in_.isArray(key)) {
      auto list = in_.perLayer(key, numLayers(), {0, 1}).value_or(SmallVector<int64_t>(numLayers(), 0));
      return llvm::map_to_vector(list, [](int64_t slides) { return slides != 0; });
    }
    int64_t period = in_.integer(key, kCount).value_or(architecture_.windowPeriod);
    SmallVector<bool> slides;
    for (int64_t i = 0; i < numLayers(); ++i)
      slides.push_back(period == 0 || (i + 1) % period != 0);
    return slides;
  }

  void readRope() {
    RopeParameters &rope = p_.rope;
    rope.length = in_.integer("rope.dimension_count", kHeadLength).value_or(p_.keyLength);
    if (rope.length % 2 != 0 || rope.length > p_.keyLength)
      in_.fail("rope.dimension_count", "is " + Twine(rope.length) +
                                           ", expected an even number up to the key length " +
                                           Twine(p_.keyLength));
    rope.base = in_.number("rope.freq_base", kRopeBase).value_or(10000);
    rope.originalContext =
        in_.integer("rope.scaling.original_context_length", kContext).value_or(p_.trainedContext);
    rope.magnitude = in_.number("rope.scaling.attn_factor", kNonNegative).value_or(1) *
                     in_.number("rope.scaling.yarn_attn_factor", kNonNegative).value_or(1);
    readScaling();

    p_.localRope = {.length = rope.length, .base = architecture_.localRopeBase, .magnitude = rope.magnitude};
    if (architecture_.localRopeBase)
      p_.localRope.base = in_.number("rope.freq_base_swa", kRopeBase).value_or(architecture_.localRopeBase);
  }

  void readScaling() {
    RopeParameters &rope = p_.rope;
    constexpr StringRef types[] = {"none", "linear", "yarn", "longrope"};
    StringRef type = in_.string("rope.scaling.type").value_or("linear");
    if (!llvm::is_contained(types, type))
      return in_.fail("rope.scaling.type", "is " + quoted(type) +
                                               ", expected none, linear, yarn or longrope" +
                                               suggestion(type, types));
    double linear = in_.number("rope.scale_linear", kNonNegative).value_or(0); // the key's name before 2023
    double factor = in_.number("rope.scaling.factor", kNonNegative).value_or(linear);
    factor = factor == 0 ? 1 : factor; // converters write 0 for "none"
    double extrapolation = in_.number("rope.scaling.yarn_ext_factor", {-1, 1}).value_or(-1);
    rope.fastTurns = in_.number("rope.scaling.yarn_beta_fast", {1e-6, 1e6}).value_or(32);
    rope.slowTurns = in_.number("rope.scaling.yarn_beta_slow", {1e-6, 1e6}).value_or(1);

    p_.longRope = type == "longrope";
    if (p_.longRope && factor != 1)
      return in_.fail("rope.scaling.factor", "is given, but longrope's factors are tensors, expected 1");
    if (type == "yarn")
      rope.extrapolation = extrapolation < 0 ? 1 : extrapolation; // negative stands for "the usual"
    if (type != "none")
      rope.factor = factor;
  }

  Metadata &in_;
  const Architecture &architecture_;
  HyperParameters p_;
};

} // namespace

HyperParameters readHyperParameters(Metadata &metadata, const Architecture &architecture, int64_t context) {
  return Reader(metadata, architecture).read(context);
}

} // namespace lamina
