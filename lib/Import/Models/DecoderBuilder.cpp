//===- DecoderBuilder.cpp - a decoder as lm operations ------------------------------------------------===//

#include "lib/Import/Models/DecoderBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace lamina {
namespace {

class DecoderBuilder {
public:
  DecoderBuilder(ModuleOp module, const HyperParameters &parameters, const ModelWeights &weights)
      : module_(module), p_(parameters), w_(weights), builder_(module.getContext()), loc_(module.getLoc()) {
    builder_.setInsertionPointToEnd(module.getBody());
  }

  void build(Type cacheElement) {
    func::FuncOp step = createFunction(cacheElement);
    Block *entry = step.addEntryBlock();
    for (auto [index, argument] : llvm::enumerate(entry->getArguments()))
      argument.setLoc(named(index == 0 ? "batch" : "cache." + std::to_string(index - 1)));
    builder_.setInsertionPointToStart(entry);
    createBatchFields(entry->getArgument(0));
    if (!w_.positions)
      createRopeTables();

    at("token_embd");
    Value ids = batchField(entry->getArgument(0), lm::BatchField::token_ids);
    Value x = embedding(ids, w_.embedding);
    if (p_.embeddingScale != 1)
      x = lm::ScaleOp::create(builder_, loc_, x.getType(), x, f32(p_.embeddingScale));
    if (w_.positions) {
      Value places = embedding(positions_, w_.positions);
      x = arith::AddFOp::create(builder_, loc_, x, places);
    }
    for (int64_t i = 0; i < int64_t(p_.layers.size()); ++i)
      x = layer(x, i, entry->getArgument(i + 1));
    at("output");
    func::ReturnOp::create(builder_, loc_, logits(x, entry->getArgument(0)));
  }

private:
  //===--- Frame
  //----------------------------------------------------------------------------------------------===//

  func::FuncOp createFunction(Type cacheElement) {
    SmallVector<Type> arguments{lm::BatchType::get(builder_.getContext())};
    for (const LayerParameters &layer : p_.layers)
      arguments.push_back(lm::KVCacheType::get(builder_.getContext(), layer.keyHeads, p_.keyLength,
                                               p_.valueLength, cacheElement));
    lm::WeightOp head = w_.head.matrix;
    RankedTensorType logits = activations(head.getTensorType().getDimSize(0));
    return func::FuncOp::create(builder_, loc_, "step", builder_.getFunctionType(arguments, logits));
  }

  Value batchField(Value batch, lm::BatchField field) {
    SmallVector<int64_t> shape(field == lm::BatchField::block_table ? 2 : 1, ShapedType::kDynamic);
    return lm::BatchFieldOp::create(builder_, loc_, RankedTensorType::get(shape, builder_.getI32Type()),
                                    batch, field);
  }

  void createBatchFields(Value batch) {
    at("batch");
    positions_ = batchField(batch, lm::BatchField::positions);
    sequences_ = batchField(batch, lm::BatchField::sequences);
    blockTable_ = batchField(batch, lm::BatchField::block_table);
  }

  /// One table for each set of frequencies, however many layers rotate by it.
  void createRopeTables() {
    at("rope");
    auto create = [&](const RopeParameters &parameters, ArrayRef<float> divisors) -> Value {
      RopeTable table = computeRopeTable(parameters, divisors);
      return lm::RopeTableOp::create(builder_, loc_, activations(parameters.length), positions_,
                                     builder_.getDenseF64ArrayAttr(table.frequencies), f32(table.magnitude));
    };
    auto isLocal = [](const LayerParameters &layer) { return layer.localRope; };
    if (!llvm::all_of(p_.layers, isLocal))
      ropeTable_ = create(p_.rope, w_.ropeDivisors);
    if (llvm::any_of(p_.layers, isLocal))
      localRopeTable_ = create(p_.localRope, {});
  }

  Value logits(Value x, Value batch) {
    Value rows = batchField(batch, lm::BatchField::output_rows);
    x = lm::GatherRowsOp::create(builder_, loc_, x.getType(), x, rows);
    x = norm(x, w_.outputNorm);
    x = linear(x, w_.head);
    if (p_.outputCap != 0)
      x = lm::SoftCapOp::create(builder_, loc_, x.getType(), x, f32(p_.outputCap));
    return x;
  }

  //===--- Layer
  //----------------------------------------------------------------------------------------------===//

  Value layer(Value x, int64_t index, Value cache) {
    const LayerWeights &w = w_.layers[index];
    Value input = norm(x, w.attentionNorm);
    x = addTo(x, attention(input, index, cache), w.postAttentionNorm);
    if (w.feedForwardNorm.weight)
      input = norm(x, w.feedForwardNorm);
    Value result = w.router ? mixtureOfExperts(input, w) : feedForward(input, w);
    return addTo(x, result, w.postFeedForwardNorm);
  }

  /// The residual stream plus a block's result, which some architectures normalise first.
  Value addTo(Value stream, Value result, Norm postNorm) {
    if (postNorm.weight)
      result = norm(result, postNorm);
    return arith::AddFOp::create(builder_, loc_, stream, result);
  }

  Value attention(Value x, int64_t index, Value cache) {
    const LayerWeights &w = w_.layers[index];
    const LayerParameters &layer = p_.layers[index];
    Value table = layer.localRope ? localRopeTable_ : ropeTable_;
    Value query = rotate(linear(x, w.query), w.queryNorm, table);
    Value key = rotate(linear(x, w.key), w.keyNorm, table);
    Value value = linear(x, w.value);

    at("blk." + std::to_string(index) + ".attention");
    cache = lm::CacheAppendOp::create(builder_, loc_, cache.getType(), cache, key, value, positions_,
                                      sequences_, blockTable_);
    FloatAttr softCap = p_.attentionCap != 0 ? f32(p_.attentionCap) : FloatAttr();
    IntegerAttr window = layer.window ? builder_.getI64IntegerAttr(*layer.window) : IntegerAttr();
    Value result =
        lm::AttentionOp::create(builder_, loc_, activations(layer.queryHeads * p_.valueLength), query, cache,
                                positions_, sequences_, blockTable_, f32(p_.attentionScale), softCap, window);
    return linear(result, w.output);
  }

  Value rotate(Value x, Norm headNorm, Value table) {
    if (headNorm.weight)
      x = norm(x, headNorm);
    if (!table)
      return x;
    return lm::RotaryEmbeddingOp::create(builder_, loc_, x.getType(), x, table,
                                         builder_.getI64IntegerAttr(p_.keyLength));
  }

  Value feedForward(Value x, const LayerWeights &w) {
    if (!w.gate.matrix) {
      Value up = linear(x, w.up);
      up = lm::ActivationOp::create(builder_, loc_, up.getType(), up, p_.architecture->activation);
      return linear(up, w.down);
    }
    Value gate = linear(x, w.gate);
    return linear(gated(gate, linear(x, w.up)), w.down);
  }

  Value mixtureOfExperts(Value x, const LayerWeights &w) {
    const ExpertParameters &e = p_.experts;
    Value scores = linear(x, {w.router, {}});
    auto chosen = RankedTensorType::get({ShapedType::kDynamic, e.used}, builder_.getI32Type());
    auto route = lm::RouteExpertsOp::create(builder_, loc_, chosen, activations(e.used), scores,
                                            e.normalize ? builder_.getUnitAttr() : UnitAttr(), f32(e.scale));
    Value gate = expertLinear(x, route.getExperts(), w.gateExperts);
    Value up = expertLinear(x, route.getExperts(), w.upExperts);
    Value down = expertLinear(gated(gate, up), route.getExperts(), w.downExperts);
    return lm::CombineExpertsOp::create(builder_, loc_, x.getType(), down, route.getWeights());
  }

  //===--- Operations
  //-----------------------------------------------------------------------------------------===//

  Value embedding(Value ids, lm::WeightOp table) {
    return lm::EmbeddingOp::create(builder_, atWeight(table), activations(p_.hidden), ids, get(table));
  }

  Value norm(Value x, Norm norm) {
    Location loc = atWeight(norm.weight);
    Value weight = get(norm.weight);
    if (!norm.bias)
      return lm::RMSNormOp::create(builder_, loc, x.getType(), x, weight, f32(p_.epsilon));
    return lm::LayerNormOp::create(builder_, loc, x.getType(), x, weight, get(norm.bias), f32(p_.epsilon));
  }

  Value linear(Value x, Projection projection) {
    int64_t width = projection.matrix.getTensorType().getDimSize(0);
    Value y = lm::LinearOp::create(builder_, atWeight(projection.matrix), activations(width), x,
                                   get(projection.matrix));
    if (projection.bias)
      y = lm::BiasAddOp::create(builder_, loc_, y.getType(), y, get(projection.bias));
    return y;
  }

  Value expertLinear(Value x, Value experts, lm::WeightOp weight) {
    Type type = RankedTensorType::get(
        {ShapedType::kDynamic, p_.experts.used, weight.getTensorType().getDimSize(1)}, builder_.getF32Type());
    return lm::ExpertLinearOp::create(builder_, atWeight(weight), type, x, experts, get(weight));
  }

  Value gated(Value gate, Value up) {
    return lm::GatedActivationOp::create(builder_, loc_, gate.getType(), gate, up,
                                         p_.architecture->activation);
  }

  Value get(lm::WeightOp weight) {
    return lm::GetWeightOp::create(builder_, loc_, weight.getTensorType(),
                                   FlatSymbolRefAttr::get(weight.getSymNameAttr()));
  }

  RankedTensorType activations(int64_t width) {
    return RankedTensorType::get({ShapedType::kDynamic, width}, builder_.getF32Type());
  }

  FloatAttr f32(double value) { return builder_.getF32FloatAttr(float(value)); }

  //===--- Locations
  //------------------------------------------------------------------------------------------===//

  Location named(StringRef name) { return namedLoc(name, module_.getLoc()); }
  void at(StringRef name) { loc_ = named(name); }
  /// Operations are located at the weight that they apply: "blk.3.attn_q".
  Location atWeight(lm::WeightOp weight) {
    StringRef name = weight.getSymName();
    name.consume_back(".weight");
    at(name);
    return loc_;
  }

  ModuleOp module_;
  const HyperParameters &p_;
  const ModelWeights &w_;
  OpBuilder builder_;
  Location loc_; ///< of the operations being created
  Value positions_, sequences_, blockTable_;
  Value ropeTable_, localRopeTable_;
};

} // namespace

void buildDecoder(ModuleOp module, const HyperParameters &parameters, const ModelWeights &weights,
                  Type cacheElement) {
  DecoderBuilder(module, parameters, weights).build(cacheElement);
}

} // namespace lamina
